"""The 95 % intervals hold the truth in at least 180 of 200 experiments, and not because they are wide.

Where real and generated images come from one distribution, the distance of the populations is 0, the end of the scale:
there the intervals are one-sided, and they are wider than they need be, as a jackknife is (Efron & Stein 1981).
"""

from collections.abc import Callable

import pytest
import torch
from metric_cases import Draw, covariance, covered, gaussian, generator, kernel_distance, normal
from torch import Tensor

from alphabar.metrics.classes import class_coverage
from alphabar.metrics.estimate import Estimate
from alphabar.metrics.features import Features, Moments
from alphabar.metrics.frechet import fd, frechet_distance
from alphabar.metrics.inception_score import inception_score
from alphabar.metrics.kernel import kid
from alphabar.metrics.memorisation import memorisation
from alphabar.metrics.precision_recall import density_coverage, precision_recall

EXPERIMENTS, ENOUGH = 200, 180


def repeated(experiment) -> list[Estimate]:
    return [experiment(i) for i in range(EXPERIMENTS)]


def honesty(values: list[float], errors: list[float]) -> float:
    """The mean standard error over the scatter that there is."""
    return sum(errors) / len(errors) / float(torch.tensor(values).double().std())


def skewed(mean: Tensor, cov: Tensor, seed: int) -> Draw:
    """Of this mean and covariance, by mixing exponentials; nothing like a Gaussian."""
    source, factor = generator(seed), torch.linalg.cholesky(cov)
    return lambda n: (
        mean + (-torch.log1p(-torch.rand(n, len(mean), generator=source, dtype=torch.float64)) - 1) @ factor.T
    )


SETTINGS = {
    "equal": (gaussian, 8, 0.0, 0.0),
    "close": (gaussian, 16, 0.05, 0.05),
    "far": (gaussian, 8, 0.5, 1.0),
    "far and skewed": (skewed, 16, 0.5, 1.0),
}
"""Distribution, d, and how far the mean and the (non-commuting) covariance are from those of the real images."""


def populations(name: str) -> tuple[Draw, Draw, Moments, float]:
    """What draws real and generated images, the true moments of the real ones, and the true distance."""
    family, d, shift, change = SETTINGS[name]
    zero, eye, cov = torch.zeros(d, dtype=torch.float64), torch.eye(d, dtype=torch.float64), covariance(d, 1)
    optimal_map = eye + change * (covariance(d, 9) - eye)
    rest = eye - optimal_map
    truth = d * shift**2 + float(torch.trace(rest @ cov @ rest))
    fake = family(zero + shift, optimal_map @ cov @ optimal_map, 2)
    return family(zero, cov, 1), fake, Moments(10**9, zero, cov), truth


def light(*cases: tuple[object, ...]) -> Callable[..., object]:
    """Marks all heavy but these: 200 experiments of each of the others take seconds."""
    return lambda *case: pytest.param(*case, marks=() if case in cases else pytest.mark.heavy)


FD = light(("equal", "images"), ("close", "moments"), ("far and skewed", "images"), ("far", "moments"))


@pytest.mark.parametrize("name, reference", [FD(name, of) for name in SETTINGS for of in ("images", "moments")])
def test_fd(name, reference):
    real, fake, exact, truth = populations(name)
    found = repeated(
        lambda _: fd(exact if reference == "moments" else Features.of(real(1500)), Features.of(fake(1000)))["fd"]
    )
    assert covered(truth, found) >= ENOUGH
    if truth < 0.1:
        assert sum(e.value > truth for e in found) > 190  # so an interval about the published value would not do
    assert 0.8 < honesty([e.more["corrected"] for e in found], [e.more["standard_error"] for e in found]) < 1.7


def test_the_truth_of_the_fd_settings_is_frechet_distance():
    for name, (_, d, shift, change) in SETTINGS.items():
        _, _, exact, truth = populations(name)
        eye = torch.eye(d, dtype=torch.float64)
        optimal_map = eye + change * (covariance(d, 9) - eye)
        other = Moments(10**9, exact.mean + shift, optimal_map @ exact.cov @ optimal_map)
        assert frechet_distance(exact, other) == pytest.approx(truth, abs=1e-10), name


@pytest.mark.parametrize("shift", [pytest.param(0.0, marks=pytest.mark.heavy), 0.3])
def test_kid(shift):
    d, zero = 6, torch.zeros(6, dtype=torch.float64)
    cov, other = covariance(d, 1), covariance(d, 1 if shift == 0 else 2)
    real, fake = gaussian(zero, cov, 3), gaussian(zero + shift, other, 4)
    found = repeated(lambda _: kid(Features.of(real(400)), Features.of(fake(300)))["kid"])
    assert covered(kernel_distance(zero, cov, zero + shift, other), found) >= ENOUGH
    assert 0.8 < honesty([e.value for e in found], [e.more["standard_error"] for e in found]) < 1.7


@pytest.mark.heavy
def test_score():
    def score(n: int, seed: int) -> Estimate:
        logits = 2 * normal(n, 6, seed=seed) + torch.linspace(-1, 1, 6)
        return inception_score(None, Features.of(torch.zeros(n, 1), logits))["score"]

    truth = sum(score(500, 1000 + i).value for i in range(1000)) / 1000  # of 50 images: the score depends on how many
    assert covered(truth, repeated(lambda i: score(500, i))) >= ENOUGH


def balls(centres: Tensor, points: Tensor, k: int) -> Tensor:
    """In how many balls of the k-th neighbour each point lies."""
    radii = torch.cdist(centres, centres).sort(1).values[:, k]
    return (torch.cdist(points, centres) <= radii).sum(1).double()


def test_precision_and_density_given_the_real_images():
    real = normal(200, 3)

    def fake(n: int, seed: int) -> Tensor:
        return normal(n, 3, seed=seed) * 1.3 + 0.5

    many = fake(100_000, 999)
    truth = {
        "precision": float((balls(real, many, 3) > 0).double().mean()),
        "density": float(balls(real, many, 5).mean() / 5),
    }
    samples = [Features.of(fake(250, seed)) for seed in range(EXPERIMENTS)]
    found = [precision_recall(Features.of(real), x) | density_coverage(Features.of(real), x) for x in samples]
    for name, value in truth.items():
        assert 0.3 < value < 0.9
        assert covered(value, [e[name] for e in found]) >= ENOUGH, name


def test_recall_given_the_generated_images():
    fake = normal(200, 3) * 0.7 + 0.5
    truth = float((balls(fake, normal(100_000, 3, seed=999), 3) > 0).double().mean())
    assert 0.3 < truth < 0.9
    found = repeated(lambda i: precision_recall(Features.of(normal(250, 3, seed=i)), Features.of(fake))["recall"])
    assert covered(truth, found) >= ENOUGH


COVERAGE = light((10, 0.1), (200, 0.0), (200, 0.9))


@pytest.mark.parametrize("classes, tilt", [COVERAGE(n, tilt) for n in (10, 200) for tilt in (0.0, 0.1, 0.9)])
def test_class_coverage(classes, tilt):
    """From no difference, where all of the gap is chance, to a great one, where none is."""
    real = torch.full((classes,), 1 / classes)
    fake = real * (1 + tilt * torch.tensor([1, -1]).repeat(classes // 2))
    source = generator(0)

    def drawn(shares: Tensor, n: int) -> Features:
        classes_drawn = torch.multinomial(shares, n, True, generator=source)
        return Features.of(torch.zeros(n, 1), torch.nn.functional.one_hot(classes_drawn, classes).float())

    found = repeated(lambda _: class_coverage(drawn(real, 2000), drawn(fake, 1000))["class_coverage"])
    assert covered(1 - tilt / 2, found) >= ENOUGH
    assert sum(e.value for e in found) / EXPERIMENTS < 1 - tilt / 2 + 0.005


def test_memorisation_of_a_model_that_has_not_memorised():
    """Half; and p below 0.05 in about 10 of 200 experiments, p above 0.95 too."""
    found = repeated(lambda i: memorisation(*(Features.of(normal(200, 10, seed=3 * i + j)) for j in range(3))))
    assert covered(0.5, found) >= ENOUGH
    p = torch.tensor([e.more["p"] for e in found])
    assert int((p < 0.05).sum()) <= 20 and int((p > 0.95).sum()) <= 20
    assert 0.4 < float(p.mean()) < 0.6
