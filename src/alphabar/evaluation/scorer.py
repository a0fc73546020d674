"""Metrics during training: reference features are computed once, and only numbers are kept of the samples."""

import torch
from torch import Tensor

from alphabar import build
from alphabar.config import Config
from alphabar.data import ImageSet
from alphabar.errors import AlphabarError
from alphabar.evaluation import extractors, held_out, references, scores
from alphabar.evaluation.features import features_in_memory
from alphabar.evaluation.references import Reference
from alphabar.metrics import METRIC_OF, METRICS, QUANTITIES, copying, display_name


class Scorer:
    """Scores samples as the [evaluation] section says, against the training images."""

    def __init__(self, config: Config, images: ImageSet, device: torch.device) -> None:
        section = config.evaluation
        about = references.about(images, build.data_options(config.data))
        reference = Reference(images, None, None, about)
        name, self.note = extractors.chosen(section.features, section.extractor_weights, config.data.name)
        """Why the extractor is not the usual one; None if it is."""
        self._extractor = extractors.extractor(name, section.extractor_weights, device)
        self._extractor(images.images[:1])  # images that it cannot read are refused now, not later
        self._names = scores.possible(section.metrics, self._extractor, reference, section.count)
        self.best = self._best(section.best)
        self._real = scores.real(reference, self._extractor)
        self._held_out = held_out.watched(config, images, self._extractor)
        self.hint = held_out.NEEDED if self._held_out is None and held_out.is_watchable(config, images) else None
        """What is to be said before training."""
        self.alarm: str | None = None
        """What is to be said of the latest samples, if they copy training images."""
        self.how = {
            "count": section.count,
            "extractor": self._extractor.name,
            "weights_sha256": self._extractor.weights_sha256,
            "sampling": config.sampling.model_dump(mode="json", exclude={"num", "batch_size"}),
        }
        """Two scores are comparable if they share all of this."""
        self.floor = self._floor(section.count)
        """The scores of `floor_n` real images against the other half of them, by display name."""
        self.count = section.count
        """How many images are scored."""
        self.floor_n = min(section.count, len(images) - len(images) // 2)

    def score(self, samples: Tensor, step: int) -> dict[str, float]:
        """uint8 (N, C, H, W), made at this step -> the value of each quantity, by display name; sets `alarm`."""
        fake = features_in_memory(samples, self._extractor)
        values = {}
        for name in self._names:
            estimates = METRICS[name](scores.reference_for(METRICS[name], self._real), fake)
            for quantity, estimate in estimates.items():
                values[display_name(quantity, self._extractor.name)] = estimate.value
        if self._held_out is not None and self._real.features is not None:
            share = copying(fake, self._real.features, self._held_out)
            values[f"copying-{self._extractor.name}"] = share.value
            self.alarm = held_out.alarm(share, step)
        return values

    def _floor(self, count: int) -> dict[str, float]:
        floors = [scores.floors_of(name, count, self._real).get("halves") for name in self._names]
        values = {quantity: value for floor in floors if floor for quantity, value in floor.values.items()}
        return {display_name(quantity, self._extractor.name): value for quantity, value in values.items()}

    def is_better(self, value: float, than: float) -> bool:
        """Whether `value` of the quantity `best` beats another."""
        assert self.best is not None
        return value < than if QUANTITIES[self.best[0]].lower_is_better else value > than

    def _best(self, quantity: str) -> tuple[str, str] | None:
        """(quantity, display name) by which the best checkpoint is chosen; None if none is."""
        if quantity == "none":
            return None
        if METRIC_OF[quantity] not in self._names:
            raise AlphabarError(
                f"evaluation.best is '{quantity}', which evaluation.metrics {list(self._names)} does not measure; add "
                f"'{METRIC_OF[quantity]}' to it."
            )
        return quantity, display_name(quantity, self._extractor.name)
