"""The Fréchet distance against closed forms, and what `fd` makes of samples (intervals: test_interval_coverage.py)."""

import math

import pytest
import torch
from metric_cases import Watched, covariance, gaussian, normal, rotation
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.metrics.features import Features, Moments, moments
from alphabar.metrics.frechet import fd, frechet_distance


def exact(mean: Tensor, cov: Tensor) -> Moments:
    return Moments(1000, mean.double(), cov.double())


def any_moments(d: int, seed: int) -> Moments:
    return exact(normal(d, seed=seed), covariance(d, seed + 5))


def samples(n: int, m: int, d: int = 6) -> tuple[Features, Features]:
    real = gaussian(torch.zeros(d, dtype=torch.float64), covariance(d, 1), seed=1)(n)
    return Features.of(real), Features.of(gaussian(0.5 * normal(d), covariance(d, 7), seed=2)(m))


def test_on_a_line_it_is_the_differences_of_mean_and_of_standard_deviation_squared():
    a, b = exact(torch.tensor([1.0]), torch.tensor([[4.0]])), exact(torch.tensor([4.0]), torch.tensor([[49.0]]))
    assert frechet_distance(a, b) == pytest.approx(3**2 + 5**2, rel=1e-12)


def test_of_covariances_that_commute():
    turn, a, b = rotation(7), normal(7, seed=1).exp(), normal(7, seed=2).exp()
    found = frechet_distance(exact(normal(7), (turn * a) @ turn.T), exact(normal(7, seed=3), (turn * b) @ turn.T))
    expected = (normal(7) - normal(7, seed=3)).square().sum() + (a.sqrt() - b.sqrt()).square().sum()
    assert found == pytest.approx(float(expected), rel=1e-12)


def test_of_covariances_that_do_not_commute_in_the_plane():
    a, b = covariance(2, 1), covariance(2, 8)
    assert float((a @ b - b @ a).abs().max()) > 0.1
    shared = math.sqrt(torch.trace(a @ b) + 2 * torch.sqrt(torch.det(a) * torch.det(b)))  # Cayley–Hamilton
    zero = torch.zeros(2)
    expected = float(a.trace() + b.trace()) - 2 * shared
    assert frechet_distance(exact(zero, a), exact(zero, b)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("d", [3, 16, 100])
def test_of_covariances_that_do_not_commute_it_is_the_cost_of_the_optimal_map(d):
    """x -> A x with A symmetric and positive is the optimal transport of N(0, Σ) to N(0, A Σ A); cost E|x − A x|²."""
    cov, a = covariance(d, 1), covariance(d, 8)
    moved = a @ cov @ a
    assert float((cov @ moved - moved @ cov).abs().max()) > 0.1
    rest = torch.eye(d) - a
    expected = float(torch.trace(rest @ cov @ rest))
    zero = torch.zeros(d)
    assert frechet_distance(exact(zero, cov), exact(zero, moved)) == pytest.approx(expected, rel=1e-10)


def test_to_a_point_it_is_the_mean_squared_distance():
    a = any_moments(5, 0)
    point = exact(torch.zeros(5), torch.zeros(5, 5))
    assert frechet_distance(a, point) == pytest.approx(float(a.mean.square().sum() + a.cov.trace()), rel=1e-12)


@pytest.mark.parametrize("d", [1, 8, 200])
def test_of_equals_is_zero(d):
    a = any_moments(d, 0)
    assert 0 <= frechet_distance(a, a) < 1e-10 * d


def test_of_equals_with_singular_covariances_is_zero():
    x = normal(20, 50)
    a = moments(Features.of(x))
    assert 0 <= frechet_distance(a, a) < 1e-5 * float(a.cov.trace())


def test_is_symmetric():
    a, b = any_moments(12, 0), any_moments(12, 1)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-12)


def test_does_not_change_with_axes_or_origin_and_has_the_unit_squared():
    a, b, turn, shift = any_moments(9, 0), any_moments(9, 1), rotation(9, 2), normal(9, seed=3)

    def moved(x: Moments, scale: float) -> Moments:
        return exact(scale * (turn @ x.mean + shift), scale**2 * turn @ x.cov @ turn.T)

    assert frechet_distance(moved(a, 1), moved(b, 1)) == pytest.approx(frechet_distance(a, b), rel=1e-11)
    assert frechet_distance(moved(a, 3), moved(b, 3)) == pytest.approx(9 * frechet_distance(a, b), rel=1e-11)


def test_is_a_metric_squared():
    a, b, c = (any_moments(6, seed) for seed in range(3))
    ab, bc, ac = (math.sqrt(frechet_distance(x, y)) for x, y in ((a, b), (b, c), (a, c)))
    assert ac <= ab + bc


@pytest.mark.parametrize(("n", "m"), [(1003, 412), (57, 2100)])
def test_fd_of_samples_is_the_distance_of_their_moments(n, m):
    real, fake = samples(n, m)
    expected = frechet_distance(moments(real), moments(fake))
    assert fd(real, fake)["fd"].value == pytest.approx(expected, rel=1e-11)
    assert fd(moments(real), fake)["fd"].value == pytest.approx(expected, rel=1e-11)


def test_fd_does_not_depend_on_the_order_of_the_images():
    real, fake = samples(300, 400)
    shuffled = Features.of(fake.vectors.load()[torch.randperm(400, generator=torch.Generator().manual_seed(0))])
    assert fd(real, shuffled)["fd"].value == pytest.approx(fd(real, fake)["fd"].value, rel=1e-11)


def test_fd_is_symmetric_with_its_interval():
    real, fake = samples(300, 400)
    there, back = fd(real, fake)["fd"], fd(fake, real)["fd"]
    for a, b in ((there.value, back.value), (there.low, back.low), (there.high, back.high)):
        assert a == pytest.approx(b, rel=1e-9)


def test_fd_is_that_of_the_features_less_their_offset():
    real, fake = samples(300, 400)
    far = fd(Features.of(real.vectors.load() + 1e6), Features.of(fake.vectors.load() + 1e6))["fd"]
    assert far.value == pytest.approx(fd(real, fake)["fd"].value, rel=1e-8)


def test_the_jackknife_is_that_of_distances_computed_afresh():
    real, fake = samples(200, 300)
    found = fd(real, fake)["fd"]
    whole = frechet_distance(moments(real), moments(fake))

    def rest(features: Features, g: int) -> Moments:
        parts = [group.vectors.load() for group in features.groups(10)]
        return moments(Features.of(torch.cat(parts[:g] + parts[g + 1 :])))

    a = [frechet_distance(rest(real, g), moments(fake)) for g in range(10)]
    b = [frechet_distance(moments(real), rest(fake, g)) for g in range(10)]
    assert found.more["corrected"] == pytest.approx(whole * 19 - 9 * (sum(a) + sum(b)) / 10, rel=1e-9)
    variance = sum(0.9 * sum((x - sum(values) / 10) ** 2 for x in values) for values in (a, b))
    assert found.more["standard_error"] == pytest.approx(variance**0.5, rel=1e-9)


def test_each_image_is_read_once_and_a_thousand_at_a_time():
    real, fake = Watched(normal(12000, 3)), Watched(normal(3456, 3, seed=1))
    fd(real.features(), fake.features())
    assert real.most <= 1000 and fake.most <= 1000
    assert real.total == 12000 + 1000 + 1  # the first block once more, for the centre; one row for its length
    assert fake.total == 3456 + 1


def test_the_corrected_value_is_much_nearer_to_the_truth_than_the_published_one():
    d, n = 16, 200
    zero, cov, mean, other = torch.zeros(d, dtype=torch.float64), covariance(d, 1), 0.3 * normal(d), covariance(d, 8)
    truth = frechet_distance(exact(zero, cov), exact(mean, other))
    real, fake = gaussian(zero, cov, 1), gaussian(mean, other, 2)
    found = [fd(Features.of(real(n)), Features.of(fake(n)))["fd"] for _ in range(60)]
    value_bias = sum(e.value - truth for e in found) / 60
    corrected_bias = sum(e.more["corrected"] - truth for e in found) / 60
    assert value_bias > 0.5
    assert abs(corrected_bias) < 0.2 * value_bias


def test_the_distance_of_a_distribution_from_itself_is_corrected_to_zero():
    d, n = 32, 300
    draw = gaussian(torch.zeros(d, dtype=torch.float64), covariance(d, 1), 1)
    found = [fd(Features.of(draw(n)), Features.of(draw(n)))["fd"] for _ in range(20)]
    assert all(e.value > 1 and e.low == 0 for e in found)
    assert abs(sum(e.more["corrected"] for e in found) / 20) < 0.05 * sum(e.value for e in found) / 20


def test_an_interval_never_shrinks_at_the_end_of_the_scale():
    """A corrected value below 0 is taken as 0, with the error that it has."""
    draw = gaussian(torch.zeros(4, dtype=torch.float64), covariance(4), 1)
    found = [fd(Features.of(draw(100)), Features.of(draw(100)))["fd"] for _ in range(40)]
    negative = [e for e in found if e.more["corrected"] < 0]
    assert len(negative) > 5
    for e in negative:
        assert e.low == 0 and e.high is not None and e.high > 2 * e.more["standard_error"]


def test_moments_alone_are_taken_as_exact():
    real, fake = samples(300, 400)
    both, one = fd(real, fake)["fd"], fd(moments(real), fake)["fd"]
    assert one.more["standard_error"] < both.more["standard_error"]
    assert "two populations" in both.more["interval_of"] and "given moments" in one.more["interval_of"]


def test_no_interval_where_images_are_too_few_for_the_bias_to_be_known():
    assert fd(*samples(24, 24))["fd"].low is not None
    for n_real, n_fake, words in (
        (24, 23, "23 generated images are too few for 6 features; at least 24 are needed"),
        (22, 24, "22 real images are too few for 6 features; at least 24 are needed"),
        (22, 23, "23 generated and 22 real images are too few for 6 features; at least 24 of each are needed"),
    ):
        few = fd(*samples(n_real, n_fake))["fd"]
        assert (few.low, few.high) == (None, None)
        assert few.more["no_interval"] == words and "interval_of" not in few.more


def test_of_given_moments_only_the_generated_images_can_be_too_few():
    real, fake = samples(22, 23)
    assert fd(moments(real), fake)["fd"].more["no_interval"].startswith("23 generated images are too few")
    assert fd(moments(real), samples(22, 24)[1])["fd"].low is not None


def test_input_that_cannot_be_compared_is_refused():
    real, fake = samples(30, 30)
    with pytest.raises(AlphabarError, match=r"2 generated images; this needs at least 3"):
        fd(real, fake.part(0, 2))
    with pytest.raises(AlphabarError, match=r"real images have 6 features and the generated ones 5"):
        fd(real, Features.of(normal(30, 5)))
    with pytest.raises(AlphabarError, match=r"reference images have 6 features and the generated ones 5"):
        fd(moments(real), Features.of(normal(30, 5)))
    with pytest.raises(AlphabarError, match="moments of the reference contain NaN"):
        fd(Moments(9, torch.full((6,), math.nan).double(), covariance(6)), fake)
