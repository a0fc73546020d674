"""The metrics by name. To add one, write it in its own file, and list it in METRICS and its numbers in QUANTITIES."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from alphabar.errors import AlphabarError
from alphabar.metrics.classes import class_coverage
from alphabar.metrics.estimate import Estimate
from alphabar.metrics.features import Features, Moments
from alphabar.metrics.frechet import fd
from alphabar.metrics.inception_score import inception_score
from alphabar.metrics.kernel import kid
from alphabar.metrics.precision_recall import density_coverage, precision_recall


@dataclass(frozen=True)
class Metric:
    """A metric: the function measure(real, fake) -> {key of QUANTITIES: Estimate}, and what the function needs."""

    measure: Callable[[Any, Features], dict[str, Estimate]]
    needs: Literal["nothing", "moments", "features"]
    """What it needs to know about the real images."""
    least: int
    """The smallest number of images of each set."""
    logits: bool = False
    """Whether it needs the logits of a classifier."""
    as_many: bool = False
    """Whether it uses at most as many real images as there are generated ones, because manifolds grow with n."""

    def __call__(self, real: Features | Moments | None, fake: Features) -> dict[str, Estimate]:
        """Computes the metric; raises AlphabarError if `real` is less than it needs. Features can replace moments."""
        if self.needs == "features" and not isinstance(real, Features):
            raise AlphabarError("This metric compares single images; give it reference images, not their moments.")
        if self.needs == "moments" and real is None:
            raise AlphabarError("This metric needs a reference: images, or their moments.")
        if not (self.as_many and isinstance(real, Features)):
            return self.measure(real, fake)
        real = self.compared(real, len(fake))
        estimates = self.measure(real, fake)
        return {name: replace(e, more={**e.more, "n_real": len(real)}) for name, e in estimates.items()}

    def compared(self, real: Features, n: int) -> Features:
        """The real images that the metric compares with n generated ones."""
        return real.part(0, n) if self.as_many else real


METRICS = {
    "fd": Metric(fd, "moments", least=3),
    "kid": Metric(kid, "features", least=3),
    "is": Metric(inception_score, "nothing", least=10, logits=True),
    "pr": Metric(precision_recall, "features", least=4, as_many=True),
    "coverage": Metric(density_coverage, "features", least=6, as_many=True),
    "classes": Metric(class_coverage, "features", least=2, logits=True),
}


@dataclass(frozen=True)
class Quantity:
    """A number that the metric called `metric` computes."""

    metric: str
    lower_is_better: bool


QUANTITIES = {
    "fd": Quantity("fd", lower_is_better=True),
    "kid": Quantity("kid", lower_is_better=True),
    "score": Quantity("is", lower_is_better=False),
    "precision": Quantity("pr", lower_is_better=False),
    "recall": Quantity("pr", lower_is_better=False),
    "density": Quantity("coverage", lower_is_better=False),
    "coverage": Quantity("coverage", lower_is_better=False),
    "class_coverage": Quantity("classes", lower_is_better=False),
}
