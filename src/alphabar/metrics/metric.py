"""The metrics by name. To add one: write it in a file of its own and list it in METRICS, its numbers in QUANTITIES."""

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
    """measure(real, fake) -> numbers by their key in QUANTITIES; what it must know of `real`, and if by class too."""

    measure: Callable[[Any, Features], dict[str, Estimate]]
    needs: Literal["nothing", "moments", "features"]
    least: int
    """The images of each set that it cannot do without."""
    logits: bool = False
    as_many: bool = False
    """Whether it compares no more real images than there are generated ones: both manifolds grow with n."""

    def __call__(self, real: Features | Moments | None, fake: Features) -> dict[str, Estimate]:
        """The same, or AlphabarError if `real` is less than it needs; features are as good as moments."""
        if self.needs == "features" and not isinstance(real, Features):
            raise AlphabarError("This metric compares image with image; give it reference images, not their moments.")
        if self.needs == "moments" and real is None:
            raise AlphabarError("This metric needs a reference: images, or their moments.")
        if not (self.as_many and isinstance(real, Features)):
            return self.measure(real, fake)
        real = self.compared(real, len(fake))
        found = self.measure(real, fake)
        return {name: replace(e, more={**e.more, "n_real": len(real)}) for name, e in found.items()}

    def compared(self, real: Features, n: int) -> Features:
        """The real images that it compares with n generated ones."""
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
    """A number that the metric `metric` gives."""

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
