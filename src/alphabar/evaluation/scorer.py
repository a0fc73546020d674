"""Metrics while a model trains: reference features are made once, and nothing but numbers is kept of what was drawn."""

import torch
from torch import Tensor

from alphabar import build
from alphabar.config import Config, ImageFacts
from alphabar.data import ImageSet
from alphabar.errors import AlphabarError
from alphabar.evaluation import extractors as choosing
from alphabar.evaluation import features as extraction
from alphabar.evaluation import references
from alphabar.evaluation import scores as measuring
from alphabar.evaluation.references import Reference
from alphabar.metrics import METRICS, QUANTITIES, display_name
from alphabar.sampling import job as generation


class Scorer:
    """Scores images as the [evaluation] section says, against the images of training."""

    def __init__(self, config: Config, images: ImageSet, device: torch.device) -> None:
        section = config.evaluation
        about = references.about(images, build.data_options(config.data))
        reference = Reference(images, None, None, about)
        self._extractor = choosing.extractor(section.features, section.extractor_weights, config.data.name, device)
        self._extractor(images.images[:1])  # it refuses now what it will refuse later
        self._names = measuring.chosen(section.metrics, self._extractor, reference, section.count)
        self.best = self._best(section.best)
        self._real = measuring.real(reference, self._extractor)
        self.how = {
            "count": section.count,
            "extractor": self._extractor.name,
            "weights_sha256": self._extractor.weights_sha256,
            "sampling": config.sampling.model_dump(mode="json", exclude={"num", "batch_size"}),
        }
        """What two scores must share to be comparable."""
        self.floor = self._floor(section.count)
        """What `floor_n` real images score against the other half of them, by display name."""
        self.floor_n = min(section.count, len(images) - len(images) // 2)

    def job(self, config: Config, facts: ImageFacts) -> generation.Job:
        """The images to score: the same seeds each time."""
        return generation.job(range(config.evaluation.count), facts.shape, len(build.class_names(config, facts)))

    def score(self, drawn: Tensor) -> dict[str, float]:
        """uint8 (N, C, H, W) -> the value of each quantity, by its display name."""
        fake = extraction.features_in_memory(drawn, self._extractor)
        values = {}
        for name in self._names:
            found = METRICS[name](measuring.reference_for(METRICS[name], self._real), fake)
            for quantity, estimate in found.items():
                values[display_name(quantity, self._extractor.name)] = estimate.value
        return values

    def _floor(self, count: int) -> dict[str, float]:
        found = [measuring.floors_of(name, count, self._real).get("halves") for name in self._names]
        values = {quantity: value for floor in found if floor for quantity, value in floor.values.items()}
        return {display_name(quantity, self._extractor.name): value for quantity, value in values.items()}

    def is_better(self, value: float, than: float) -> bool:
        """Whether `value` of the quantity `best` beats another."""
        assert self.best is not None
        return value < than if QUANTITIES[self.best[0]].lower_is_better else value > than

    def _best(self, quantity: str) -> tuple[str, str] | None:
        """(quantity, display name) of what chooses the best checkpoint."""
        if quantity == "none":
            return None
        if QUANTITIES[quantity].metric not in self._names:
            raise AlphabarError(
                f"evaluation.best is '{quantity}', which evaluation.metrics {list(self._names)} does not measure; add "
                f"'{QUANTITIES[quantity].metric}' to it."
            )
        return quantity, display_name(quantity, self._extractor.name)
