"""Figures that score samples: how many samples, by which extractor, against which images."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alphabar import seeds
from alphabar.errors import check_number
from alphabar.evaluation import extractors
from alphabar.evaluation.scores import Floor
from alphabar.metrics import METRICS, Extractor
from alphabar.runs.model import LoadedModel

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Against:
    """FD of `count` samples against the training images of their run."""

    count: int
    features: str = extractors.AUTO
    """The extractor: a key of EXTRACTORS, or auto."""
    extractor_weights: Path | None = None

    def __post_init__(self) -> None:
        check_number("--count", self.count, METRICS["fd"].least, seeds.MOST)

    def extractor(self, model: LoadedModel) -> Extractor:
        """The extractor for the run's images."""
        name, note = extractors.chosen(self.features, self.extractor_weights, model.config.data.name)
        if note is not None:
            _LOG.warning("%s.", note[0].upper() + note[1:])
        return extractors.extractor(name, self.extractor_weights, model.device)


def floor(floors: Mapping[str, Floor], data: str) -> tuple[float, str]:
    """The FD of real images, and its label in the legend; NaN if there are too few images."""
    for name, what in (("held_out", "held-out images"), ("halves", "real images, one half against the other,")):
        if name in floors:
            return floors[name].values["fd"], f"{floors[name].n_fake:,} {what} of {data}"
    return float("nan"), "no floor: too few real images"
