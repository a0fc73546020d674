"""The metrics by name. To add one, write it in its own file and give it a line in METRICS."""

from collections.abc import Callable, Mapping
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
class Quantity:
    """A number that a metric computes: its printed name, without the extractor."""

    name: str
    lower_is_better: bool = False
    famous_name: str | None = None
    """The name in the literature, which is reserved for the Inception network."""


@dataclass(frozen=True)
class Metric:
    """A metric: the function measure(real, fake) -> {key of `quantities`: Estimate}, and what the function needs."""

    measure: Callable[[Any, Features], dict[str, Estimate]]
    quantities: Mapping[str, Quantity]
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


FD = Quantity("FD", lower_is_better=True, famous_name="FID")
KID = Quantity("KID", lower_is_better=True, famous_name="KID")
SCORE = Quantity("class-score", famous_name="IS")
PRECISION, RECALL = Quantity("precision"), Quantity("recall")
DENSITY, COVERAGE = Quantity("density"), Quantity("coverage")
CLASS_COVERAGE = Quantity("class-coverage")

METRICS = {
    "fd": Metric(fd, {"fd": FD}, "moments", least=3),
    "kid": Metric(kid, {"kid": KID}, "features", least=3),
    "is": Metric(inception_score, {"score": SCORE}, "nothing", least=10, logits=True),
    "pr": Metric(precision_recall, {"precision": PRECISION, "recall": RECALL}, "features", least=4, as_many=True),
    "coverage": Metric(density_coverage, {"density": DENSITY, "coverage": COVERAGE}, "features", least=6, as_many=True),
    "classes": Metric(class_coverage, {"class_coverage": CLASS_COVERAGE}, "features", least=2, logits=True),
}

QUANTITIES = {key: quantity for metric in METRICS.values() for key, quantity in metric.quantities.items()}
"""The quantities of all metrics by key."""
METRIC_OF = {key: name for name, metric in METRICS.items() for key in metric.quantities}
"""The metric that computes each quantity."""
