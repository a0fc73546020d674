"""What the Likelihood tab does: the bits that an image takes, of one run or two."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alphabar import figures, plots
from alphabar.api.model import Model
from alphabar.app.generate import made
from alphabar.app.offered import Models
from alphabar.app.shelf import Shelf
from alphabar.app.watch import NO_RUN, about, newest
from alphabar.errors import AlphabarError
from alphabar.evaluation.bits_per_dim import BitsRequest, bits_per_dim
from alphabar.evaluation.report import bits_lines

MOST = 64
"""Images that the page measures at a time; `alphabar evaluate RUN --bpd` measures all."""


@dataclass(frozen=True)
class Bits:
    """Two figures, as files, and the table of one run with what it is of."""

    terms: str | None
    rate_distortion: str | None
    table: list[list[str]]
    about: str


@dataclass(frozen=True)
class Likelihood:
    """The events of the tab, without the tab."""

    models: Models
    shelf: Shelf

    def stored(self, run: str, other: str) -> Bits:
        """What was measured earlier of a run, with the curves of another one beside its own."""
        path = self.models.path(run)
        table, text = newest(path, "bits_per_dim", bits_lines)
        several = [path] if other in (NO_RUN, run) else [path, self.models.path(other)]
        try:
            return Bits(*self._drawn(several), table, text)
        except AlphabarError as error:
            return Bits(None, None, table, str(error))

    def measure(self, run: str, count: float, split: str, steps: str) -> Iterator[tuple[str, Bits | None]]:
        """Measure some images here; the run itself is not written to."""
        model = self.models.model(run)
        if not 2 <= count <= MOST:
            raise AlphabarError(f"The page measures 2 to {MOST} images; got {count:g}.")
        place = self.shelf.place() / run.replace("/", "-") / "bits_per_dim"  # its name is that of the curve

        def work(model: Model) -> dict[str, Any]:
            request = BitsRequest(model.loaded, split=split, count=int(count), steps=steps.strip() or None, out=place)
            return bits_per_dim(request, model.loaded.device)

        for text, row in made(model, work, "Measuring"):
            if row is None:
                yield text, None
            else:
                yield text, Bits(*self._drawn([Path(row["terms"])]), bits_lines(row), about(row))

    def _drawn(self, runs: list[Path]) -> tuple[str, str]:
        place = self.shelf.place()
        for name, figure in (("terms", figures.vlb), ("rate_distortion", figures.rate_distortion)):
            plots.save(figure(runs).figure, place / f"{name}.png")
        return str(place / "terms.png"), str(place / "rate_distortion.png")
