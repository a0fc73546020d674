"""Train the bundled model on a GPU: recipe fashion_mnist in bf16, then its FD, a grid, and its export in float16.

    python -m benchmarks.gpu_train_bundled OUT [--minutes 7] [--data-root FOLDER] [--dry]

At most nine minutes a call with seven of training; the same call goes on where the last one was cut off. --dry does
all of it in seconds on the CPU, with a tiny network and the bundled digits.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import alphabar

MOST_BYTES = 3_000_000
"""The size of the exported weights, as they are bundled."""
GPU = ["training.precision=bf16", "training.batch_size=512", "training.epochs=none", "sampling.batch_size=500"]
DRY = [
    "network.channels=8", "network.channel_mult=[1,2]", "network.num_blocks=1", "network.attention_resolutions=[4]",
    "diffusion.steps=20", "training.steps=4", "training.epochs=none", "training.batch_size=8", "data.name=digits",
    "data.image_size=none", "data.resize=none", "sampling.steps=2",
]  # fmt: skip


def bundled(out: Path, minutes: float | None, data_root: Path | None, dry: bool) -> dict[str, Any]:
    """Train, sample, evaluate and export into the folder `out`; what came of it, also in its result.json."""
    device, count = ("cpu", 16) if dry else ("cuda", 10_000)
    run = alphabar.train(
        "fashion_mnist",
        run=out / "run",
        minutes=None if dry else minutes,
        overrides=DRY if dry else GPU,
        data_root=data_root,
        device=device,
    )
    if not run.finished:
        raise alphabar.AlphabarError(f"The training in {run.path} was interrupted; the same command goes on with it.")
    model = run.load(device=device)
    grid = alphabar.sample(model, num=16 if dry else 100, film="none", out=out / "grid").folder
    row = {} if dry else alphabar.evaluate(model, metrics="fd", count=count, data_root=data_root, device=device)
    exported = out / "exported"
    weights = next(exported.rglob("*.safetensors"), None) or alphabar.export(run, exported, dtype="float16")
    if weights.stat().st_size >= MOST_BYTES:
        raise alphabar.AlphabarError(
            f"{weights} has {weights.stat().st_size:,} bytes; bundled are under {MOST_BYTES:,}."
        )
    result = {"grid": str(grid), "exported": str(weights), "bytes": weights.stat().st_size, "evaluation": row}
    (out / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    return result


def main() -> int:
    """Print the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=7.0, help="of training, over all calls")
    parser.add_argument("--data-root", type=Path, help="the folder of Fashion-MNIST's files")
    parser.add_argument("--dry", action="store_true")
    options = parser.parse_args()
    try:
        print(json.dumps(bundled(options.out, options.minutes, options.data_root, options.dry), indent=2))
    except alphabar.AlphabarError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
