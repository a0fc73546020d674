"""Makes the figures of docs/how_a_ddpm_works.md: `python scripts/book/figures.py`, about a minute on one core."""

import sys
from pathlib import Path

import flat
import plane
from PIL import Image

from alphabar.plots.figure import save

FIGURES = {
    "forward": flat.forward,
    "reverse_step": flat.reverse_step,
    "bound": flat.bound,
    "score_field": plane.score_field,
    "reverse": plane.reverse,
    "samplers": plane.samplers,
}


def main() -> None:
    folder = Path(__file__).parents[2] / "docs" / "figures"
    for name in sys.argv[1:] or FIGURES:
        path = folder / f"{name}.png"
        save(FIGURES[name](), path)
        with Image.open(path) as image:
            few = image.convert("RGB").quantize(255, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
