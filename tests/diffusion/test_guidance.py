"""Classifier-free guidance on data whose classes are known Gaussians, so that the guided x̂_0 is known too."""

import math
from dataclasses import dataclass, field, replace

import pytest
import torch
from diffusion_cases import STEPS, normal, pairs, replayed
from gaussian_data import GaussianData

from alphabar.diffusion import (
    FIXED_SMALL,
    LEARNED_RANGE,
    PARAMETERIZATIONS,
    SCHEDULES,
    Ancestral,
    Denoiser,
    NoiseSchedule,
    clip,
    cosine,
    linear,
    reverse_process,
)
from alphabar.diffusion.guidance import guided
from alphabar.diffusion.probability_flow import flow
from covering import covering

CLASSES = [GaussianData(-0.5, 0.2), GaussianData(0.6, 0.4), GaussianData(0.1, 0.7)]
NULL = 2
Y = torch.tensor([0, 1, 1])
ROWS = {"full": range(1, STEPS + 1), "respaced": [1, 3, 4, 10, 22, 37, 50]}
CHAIN = cosine(STEPS)


@dataclass
class ByClass:
    """The best network of every class, as one; it writes down how many images it was asked for."""

    schedule: NoiseSchedule
    parameterization: str
    learned: bool = False
    time_scale: float = 1.0
    calls: list[int] = field(default_factory=list)

    def __post_init__(self):
        self.best = [data.network(self.schedule, self.parameterization) for data in CLASSES]

    def __call__(self, x, time, y):
        self.calls.append(len(x))
        assert len(x) == len(time) == len(y)
        out = torch.cat([self.best[c](x[i : i + 1], time[i : i + 1] / self.time_scale) for i, c in enumerate(y)])
        return torch.cat([out, torch.sin(x + y.reshape(-1, 1, 1, 1))], dim=1) if self.learned else out


def classes(schedule=CHAIN, parameterization="eps", learned=False, time_scale=1.0, **more) -> Denoiser:
    network = ByClass(schedule, parameterization, learned, time_scale)
    variance = LEARNED_RANGE if learned else FIXED_SMALL
    return Denoiser(network, schedule, PARAMETERIZATIONS[parameterization], variance, time_scale, **more)


def expected_x0(x, alpha_bar: float, weight: float):
    """E[x_0 | x_t, ∅] + w (E[x_0 | x_t, y] − E[x_0 | x_t, ∅])."""
    affine = [data.expected_x0(alpha_bar) for data in CLASSES]
    given = torch.stack([affine[c][0] * image + affine[c][1] for image, c in zip(x, Y.tolist(), strict=True)])
    free = affine[NULL][0] * x + affine[NULL][1]
    return free + weight * (given - free)


def std(images):
    return images.std((1, 2, 3))


@covering({"schedule, parameterization": pairs(), "weight": [0.0, 0.5, 1.0, 3.0], "rows": ROWS})
def test_the_guided_x0_is_known_and_the_same_in_every_parameterization(schedule, parameterization, weight, rows):
    d = guided(classes(SCHEDULES[schedule](STEPS), parameterization).respaced(ROWS[rows]), Y, NULL, weight)
    for t in (1, 3, d.schedule.T):
        expected = expected_x0(normal(3), float(d.schedule.alpha_bar[t]), weight)
        torch.testing.assert_close(d(normal(3), t).x0, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_a_learned_variance_is_the_one_of_the_class(parameterization, channels):
    plain = classes(CHAIN, parameterization, learned=True)
    d, x = guided(plain, Y, NULL, 4.0), normal(3, shape=(channels, 3, 3))
    ours, given = d(x, 20), plain.given(Y)(x, 20)
    assert torch.equal(ours.log_var, given.log_var)
    assert not torch.equal(ours.log_var, plain.given(torch.full_like(Y, NULL))(x, 20).log_var)
    torch.testing.assert_close(ours.x0, expected_x0(x, float(CHAIN.alpha_bar[20]), 4.0), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("weight, calls", [(1.0, [3]), (0.0, [6]), (2.5, [6])])
def test_scale_1_is_one_call_for_the_images_and_every_other_one_call_for_twice_as_many(weight, calls, learned):
    plain = classes(learned=learned)
    guided(plain, Y, NULL, weight)(normal(3), 20)
    assert plain.network.calls == calls


def test_scale_1_is_the_class_and_scale_0_is_none():
    plain, x = classes(), normal(3)
    assert torch.equal(guided(plain, Y, NULL, 1.0)(x, 20).x0, plain.given(Y)(x, 20).x0)
    assert torch.equal(guided(plain, Y, NULL, 0.0)(x, 20).x0, plain.given(torch.full_like(Y, NULL))(x, 20).x0)


@pytest.mark.parametrize("time_scale", [1.0, 1000 / 300, 0.1])
@pytest.mark.parametrize("rows", ROWS)
def test_guidance_is_on_from_the_first_to_the_last_timestep_of_the_interval(rows, time_scale):
    """Both included, counted on the network's own chain whatever the rows are, and off without a second call."""
    plain = classes(time_scale=time_scale).respaced(ROWS[rows])
    d = guided(plain, Y, NULL, 3.0, interval=(4, 37))
    for t, timestep in enumerate(plain.schedule.timesteps.tolist()):
        if t == 0:
            continue
        plain.network.calls.clear()
        x0, inside = d(normal(3), t).x0, 4 <= timestep <= 37
        assert plain.network.calls == [6 if inside else 3]
        weight = 3.0 if inside else 1.0
        expected = expected_x0(normal(3), float(plain.schedule.alpha_bar[t]), weight)
        torch.testing.assert_close(x0, expected, rtol=1e-9, atol=1e-9)
        if not inside:
            assert torch.equal(x0, plain.given(Y)(normal(3), t).x0)


@pytest.mark.parametrize("T", [300, 1000, 4000])
def test_no_timestep_falls_out_of_its_interval_by_rounding(T):
    """Networks are told float32 times; an interval of one timestep holds that one and no other."""
    calls = []

    def network(x, time, y):
        calls.append(len(x))
        return x

    d = Denoiser(network, cosine(T), PARAMETERIZATIONS["v"], FIXED_SMALL, time_scale=1000 / T)
    x = torch.zeros(1, 1, 1, 1)
    for t in range(2, T, 13):
        one = guided(d, Y[:1], NULL, 2.0, interval=(t, t))
        calls.clear()
        _ = [one(x, s) for s in (t - 1, t, t + 1)]
        assert calls == [1, 2, 1]


def test_a_batch_of_several_steps_is_guided_image_by_image():
    plain, t = classes(), torch.tensor([2, 20, 45])
    d = guided(plain, Y, NULL, 3.0, interval=(10, 30))
    x0 = d(normal(3), t).x0
    for i, weight in enumerate((1.0, 3.0, 1.0)):
        expected = expected_x0(normal(3), float(CHAIN.alpha_bar[t[i]]), weight)[i]
        torch.testing.assert_close(x0[i], expected, rtol=1e-9, atol=1e-9)


def test_a_fractional_time_belongs_to_the_nearest_timestep():
    """The probability flow asks between the rows: there 20.4 counts as 20, 20.6 as 21."""
    calls = []

    def network(x, time, y):
        calls.append(len(x))
        return x

    d = guided(Denoiser(network, CHAIN, PARAMETERIZATIONS["v"], FIXED_SMALL), Y, NULL, 2.0, interval=(10, 20))
    log_sigma = -CHAIN.half_log_snr
    for share in (0.4, 0.6):
        flow(d, normal(3), math.exp(float(torch.lerp(log_sigma[20], log_sigma[21], share))))
    assert calls == [6, 3]


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_a_whole_rescaling_gives_each_image_the_standard_deviation_of_its_class(parameterization):
    plain, x = classes(CHAIN, parameterization, learned=True), normal(3) * torch.tensor([1.0, 2, 5]).reshape(3, 1, 1, 1)
    given, free = (plain.given(y).output(x, 20).mean for y in (Y, torch.full_like(Y, NULL)))
    mixed = guided(plain, Y, NULL, 5.0).output(x, 20).mean
    assert not torch.allclose(std(mixed), std(given), rtol=1e-2)
    whole, part = (guided(plain, Y, NULL, 5.0, rescale=phi).output(x, 20).mean for phi in (1.0, 0.7))
    torch.testing.assert_close(std(whole), std(given), rtol=1e-12, atol=0)
    torch.testing.assert_close(part, 0.7 * whole + 0.3 * mixed)
    torch.testing.assert_close(mixed, free + 5 * (given - free))


def test_a_flat_output_is_left_alone_by_rescaling():
    """A fresh U-Net outputs 0 everywhere: 0/0 must not reach the image."""
    d = Denoiser(lambda x, time, y: 0 * x, CHAIN, PARAMETERIZATIONS["eps"], FIXED_SMALL)
    assert bool(guided(d, Y, NULL, 3.0, rescale=1.0)(normal(3), 20).x0.isfinite().all())


def test_a_flat_output_of_a_single_pixel_too():
    x0 = guided(classes(), Y, NULL, 3.0, rescale=1.0)(normal(3, shape=(1, 1, 1)), 20).x0
    assert torch.equal(x0, guided(classes(), Y, NULL, 3.0)(normal(3, shape=(1, 1, 1)), 20).x0)


def test_guidance_is_computed_in_the_precision_of_the_image():
    """A network in bfloat16 rounds once; a scale of 8 must not multiply a second rounding."""
    half = Denoiser(
        lambda x, time, y: (x + y.reshape(-1, 1, 1, 1)).bfloat16(), CHAIN, PARAMETERIZATIONS["x0"], FIXED_SMALL
    )
    x = normal(3).float()
    x0 = guided(half, Y, NULL, 8.0)(x, 20).x0
    given, free = half.given(Y)(x, 20).x0, half.given(torch.full_like(Y, NULL))(x, 20).x0
    assert x0.dtype == torch.float32 and torch.equal(x0, free + 8 * (given - free))


def test_the_transform_acts_on_the_guided_x0():
    d, x = classes(x0_transform=clip), 3 * normal(3)
    expected = expected_x0(x, float(CHAIN.alpha_bar[20]), 6.0)
    assert float(expected.abs().max()) > 1
    torch.testing.assert_close(guided(d, Y, NULL, 6.0)(x, 20).x0, expected.clamp(-1, 1), rtol=1e-9, atol=1e-9)


def test_a_guided_chain_samples_respaces_and_repeats():
    plain = classes(linear(STEPS), "v")
    before, after = (
        guided(plain.respaced(ROWS["respaced"]), Y, NULL, 2.0, interval=(4, 40)),
        guided(plain, Y, NULL, 2.0, interval=(4, 40)).respaced(ROWS["respaced"]),
    )
    ends = [list(reverse_process(Ancestral(), d, normal(3), noise=replayed()))[-1].x for d in (before, after)]
    assert torch.equal(*ends)


def test_the_image_of_one_seed_does_not_depend_on_the_others():
    d, x = classes(), normal(3)
    together = guided(d, Y, NULL, 2.5, rescale=0.5)(x, 20).x0
    for i in range(3):
        alone = guided(d, Y[i : i + 1], NULL, 2.5, rescale=0.5)(x[i : i + 1], 20).x0
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scale", [-0.5, math.nan, math.inf])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(ValueError, match="guidance scale"):
        guided(classes(), Y, NULL, scale)


@pytest.mark.parametrize("interval", [(0, 10), (20, 10), (1, STEPS + 1)])
def test_an_interval_that_is_none_is_refused(interval):
    with pytest.raises(ValueError, match=f"1..{STEPS}"):
        guided(classes().respaced([5, 10]), Y, NULL, 2.0, interval=interval)


@pytest.mark.parametrize("rescale", [-0.1, 1.1, math.nan])
def test_a_rescaling_that_is_none_is_refused(rescale):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        guided(classes(), Y, NULL, 2.0, rescale=rescale)


def test_classes_that_are_none_are_refused():
    for y in (Y.double(), Y[:, None], Y.int()):
        with pytest.raises(ValueError, match="int64"):
            guided(classes(), y, NULL, 2.0)
    with pytest.raises(ValueError, match="null_y"):
        guided(classes(), Y, -1, 2.0)
    with pytest.raises(ValueError, match="3 classes y for 4 images"):
        guided(classes(), Y, NULL, 2.0)(normal(4), 20)


def test_a_bad_scale_is_refused_even_where_guidance_would_be_off():
    with pytest.raises(ValueError, match="interval"):
        guided(replace(classes(), x0_transform=clip), Y, NULL, 1.0, interval=(9, 3))
