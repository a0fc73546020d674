"""What `alphabar compress` is compared with in docs/results/likelihood.md, for the first test images of a run.

    python -m benchmarks.likelihood_files RUN --count 500

The bound of the chain that compress takes by default, one estimate for each image, and JPEG XL of one mosaic.
"""

import argparse
import io

import pillow_jxl  # noqa: F401 - it tells Pillow of the format
import torch
from PIL import Image

from alphabar.api.compress import coding_pipeline
from alphabar.api.model import load
from alphabar.diffusion import variational_bound
from alphabar.images import to_signed

COLUMNS = 25
BATCH = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--count", type=int, default=500, help="a multiple of 25")
    args = parser.parse_args()
    model = load(args.run).loaded
    denoiser = coding_pipeline(model).denoiser
    images = model.images("test").images[: args.count]
    noise = torch.Generator().manual_seed(0)
    totals = []
    for start in range(0, args.count, BATCH):
        x0 = to_signed(images[start : start + BATCH])
        bound = variational_bound(denoiser, x0, noise=lambda t, x0=x0: torch.randn(x0.shape, generator=noise))
        totals.append(bound.total)
    bits = float(torch.cat(totals).mean())
    print(f"bound   {bits:.4f} bits/dim, {bits * images[0].numel() / 8:.1f} bytes per image")
    rows, (height, width) = args.count // COLUMNS, images.shape[2:]
    mosaic = images[:, 0].reshape(rows, COLUMNS, height, width).permute(0, 2, 1, 3).reshape(rows * height, -1)
    file = io.BytesIO()
    Image.fromarray(mosaic.numpy()).save(file, "JXL", lossless=True, effort=9)
    print(f"mosaic  {file.tell() / args.count:.1f} bytes per image, JPEG XL of {args.count} images")


if __name__ == "__main__":
    main()
