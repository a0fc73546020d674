"""Trains the classifier that ships as src/alphabar/assets/fashion_cnn.safetensors (the extractor `fashion-cnn`).

    OMP_NUM_THREADS=1 python scripts/train_fashion_cnn.py

Needs Fashion-MNIST (`alphabar data fetch fashion_mnist`). Cross-entropy on the 60,000 training images, shifted by up
to two pixels; no mirror images, so that the features can tell a mirrored shoe. The test images are looked at once, at
the end, for the accuracy that is written into the file. Fixed seed, one thread: the same machine gives the same file.
"""

import json
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from alphabar import data, images
from alphabar.metrics.fashion_cnn import FashionCNN, to_canvas

ASSET = Path(__file__).parents[1] / "src" / "alphabar" / "assets" / "fashion_cnn.safetensors"
EPOCHS, BATCH, RATE, DECAY, SHIFT, SEED = 12, 128, 4e-3, 1e-2, 2, 0


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    train = data.load("fashion_mnist")
    x, y = to_canvas(train.images), train.labels
    network = FashionCNN().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * (len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.2)
    started = time.perf_counter()
    for epoch in range(EPOCHS):
        for rows in torch.randperm(len(x))[: len(x) // BATCH * BATCH].split(BATCH):
            _, logits = network(images.to_signed(shifted(x[rows])))
            loss = F.cross_entropy(logits, y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}  loss {loss.item():.4f}  {time.perf_counter() - started:,.0f} s", flush=True)

    test = data.load("fashion_mnist", data.DataOptions(split="test"))
    accuracy = measured(network, to_canvas(test.images), test.labels)
    recipe = {"epochs": EPOCHS, "batch": BATCH, "rate": RATE, "decay": DECAY, "shift": SHIFT, "seed": SEED}
    about = {"test_accuracy": f"{accuracy:.4f}", "recipe": json.dumps(recipe), "torch": torch.__version__}
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ASSET
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, target, metadata=about)
    print(f"test accuracy {accuracy:.4f}; {target}, {target.stat().st_size:,} bytes")


def shifted(x: Tensor) -> Tensor:
    """The whole batch moved by one random offset of up to SHIFT pixels, black coming in."""
    down, right = torch.randint(-SHIFT, SHIFT + 1, (2,)).tolist()
    padded = F.pad(x, (SHIFT,) * 4)
    return padded[:, :, SHIFT + down : SHIFT + down + x.shape[2], SHIFT + right : SHIFT + right + x.shape[3]]


@torch.inference_mode()
def measured(network: FashionCNN, x: Tensor, y: Tensor) -> float:
    network.eval()
    hits = [
        (network(images.to_signed(part))[1].argmax(1) == y[i * 1000 : (i + 1) * 1000]).sum()
        for i, part in enumerate(x.split(1000))
    ]
    return float(sum(hits)) / len(x)


if __name__ == "__main__":
    main()
