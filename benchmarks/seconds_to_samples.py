"""CPU seconds to 5,000 images of the bundled model at equal FD: short chains against the full one.

    OMP_NUM_THREADS=1 python benchmarks/seconds_to_samples.py FOLDER [--images N] [--data-root FOLDER]

Each cell (sampler × steps) samples the images of the seeds 0..N−1 into FOLDER, in portions, and writes down after each
what it took; the same command goes on where it was stopped. FD needs equal numbers of images, so that every cell has
those that the full chain can afford: 300 of 1000 steps are 300,000 network calls, 18 minutes at 280 calls a second.
The seconds of 5,000 images are extrapolated from the seconds per image.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

import alphabar

MODEL, DATA, TARGET, PORTION = "fashion-mnist", "fashion_mnist", 5000, 50
CELLS = [
    ("dpmpp_2m_sde", 5), ("dpmpp_2m_sde", 8), ("dpmpp_2m_sde", 10), ("dpmpp_2m", 8), ("dpmpp_2m", 10), ("unipc", 8),
    ("unipc", 10), ("pndm", 10), ("ddim", 20),
]  # fmt: skip
"""Those with the lowest FD at few steps in docs/results/steps.md; the full chain of ddpm comes last."""


def sampled(model: Any, folder: Path, sampler: str, steps: int, images: int) -> dict[str, float]:
    """Sample what is missing of `images`; the images that were timed, and their CPU seconds."""
    kept = folder / "seconds.json"
    spent = json.loads(kept.read_text()) if kept.exists() else {"images": 0, "seconds": 0.0}
    while spent["images"] < images:
        until = min(images, spent["images"] + PORTION)
        began = time.process_time()
        alphabar.sample(
            model, until, sampler=sampler, steps=steps, precision="fp32", film="none", out=folder / "samples"
        )
        spent = {"images": until, "seconds": spent["seconds"] + time.process_time() - began}
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(spent))
    return spent


def cell(request: argparse.Namespace, model: Any, sampler: str, steps: int) -> dict[str, Any]:
    folder = request.folder / f"{sampler}-{steps}"
    spent = sampled(model, folder, sampler, steps, request.images)
    measured = alphabar.evaluate(
        folder / "samples",
        reference=DATA,
        split="train",
        metrics="fd",
        features="fashion-cnn",
        data_root=request.data_root,
        out=folder,
    )
    fd = measured["metrics"]["FD-fashion-cnn"]
    seconds = TARGET * spent["seconds"] / spent["images"]
    return {"sampler": sampler, "steps": steps, "fd": fd["value"], "error": fd["standard_error"], "seconds": seconds}


def main() -> None:
    """Sample, compare, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=300, help="images of every cell (default: 300)")
    parser.add_argument("--data-root", type=Path, help="where the files of Fashion-MNIST lie")
    request = parser.parse_args()
    torch.set_num_threads(1)
    model = alphabar.load(MODEL, device="cpu")
    rows = [cell(request, model, *one) for one in CELLS]
    rows.append(cell(request, model, "ddpm", model.loaded.denoiser.schedule.T))
    (request.folder / "seconds_to_samples.json").write_text(json.dumps(rows, indent=1) + "\n")
    chain = rows[-1]
    print(f"| sampler | steps | FD of {request.images} | CPU seconds for {TARGET:,} | full chain ÷ it |  |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in rows:
        reached = "reaches its FD" if row["fd"] <= chain["fd"] + chain["error"] else ""
        figures = (
            f"{row['fd']:.2f} ± {row['error']:.2f} | {row['seconds']:,.0f} | {chain['seconds'] / row['seconds']:.0f}"
        )
        print(f"| `{row['sampler']}` | {row['steps']} | {figures} | {reached} |")


if __name__ == "__main__":
    main()
