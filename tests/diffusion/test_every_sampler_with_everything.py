"""Every sampler × parameterization × reverse variance × number of channels, guided or not, draws the data.

The data are Gaussian, of another mean and width in each channel, and the network the best there is: a chain is one
affine map of x_T and its draws, and its moments are exact. Each combination is held to the map of the plainest one (x0,
one channel, no classes), draw by draw, to the last digits. A class shifts the mean: guidance from N(m − 2d, s²) by
twice d is N(m, s²) again, at every level.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import permutations

import pytest
import torch
from gaussian_data import GaussianData
from solver_cases import Affine, affine, images

from alphabar.diffusion import (
    DDIM,
    FIXED_LARGE,
    FIXED_SMALL,
    LEARNED_RANGE,
    PARAMETERIZATIONS,
    SAMPLERS,
    Ancestral,
    Denoiser,
    NoiseSchedule,
    ReverseVariance,
    Sampler,
    cosine,
    guided,
    spaced,
)
from alphabar.diffusion.samplers import DPMpp2MSDE, DPMpp3MSDE, Euler, Heun, UniPC
from covering import covering

CHANNELS = (GaussianData(0.3, 0.4), GaussianData(-0.2, 0.5), GaussianData(0.5, 0.3))
ALL = [
    *(make() for make in SAMPLERS.values()),
    DDIM(1.0), Euler(6.0), Heun(6.0), DPMpp2MSDE(0.5), DPMpp3MSDE(0.0), UniPC(1), UniPC(3),
]  # fmt: skip
VARIANCES = [FIXED_SMALL, FIXED_LARGE, LEARNED_RANGE]
SCHEDULE = cosine(1000)
FEW, MANY = (SCHEDULE.respace(spaced(SCHEDULE, "half_log_snr", steps)) for steps in (12, 32))
SHIFT = 0.3
MEANS = {0: 0.7, 1: -SHIFT, 2: -2 * SHIFT}
"""What a class adds to the mean: one that nobody asked for, the one that is, and none."""


@cache
def fractions(data: GaussianData, short: NoiseSchedule) -> dict[int, float]:
    """By timestep, the v in (−1, 1) of IDDPM Eq. 15 with which the reverse variance is the true one on `short`."""
    a, table = short.alpha_bar.tolist(), {}
    for t in range(2, short.T + 1):
        beta = 1 - a[t] / a[t - 1]
        small = math.log(beta * (1 - a[t - 1]) / (1 - a[t]))
        true = math.log(data.reverse(a[t], a[t - 1])[2])
        table[int(short.timesteps[t])] = 2 * (true - small) / (math.log(beta) - small) - 1
    assert all(-1 < v < 1 for v in table.values())
    return table


@cache
def best(data: GaussianData, parameterization: str):
    return data.network(SCHEDULE, parameterization)


def denoiser(
    channels: Sequence[GaussianData],
    parameterization: str,
    variance: ReverseVariance,
    short: NoiseSchedule = FEW,
    scale: float | None = None,
) -> Denoiser:
    """Of these data, of all classes alike; or of those that are `channels` if guided by `scale` 2 to class 1."""

    def network(x, time, y=None):
        t = int(time[0]) + 1  # all of a batch are at the same one
        means, raws = [], []
        for c, data in enumerate(channels):
            one = x[:, c : c + 1]
            raw = torch.full_like(one, fractions(data, short).get(t, 0.0))  # churn visits other rows, and needs none
            mean = torch.empty_like(one)
            for label in [None] if y is None else y.unique().tolist():
                mine = slice(None) if label is None else y == label
                shifted = GaussianData(data.mean + MEANS.get(label, 0.0), data.std)
                mean[mine] = best(shifted, parameterization)(one[mine], time[mine])
                raw[mine] += 0.5 * (label == 2)  # not the variance to take
            means.append(mean)
            raws.append(raw)
        return torch.cat([*means, *(raws if variance.learned else [])], dim=1)

    d = Denoiser(network, short, PARAMETERIZATIONS[parameterization], variance)
    return d if scale is None else guided(d, torch.full((images(short),), 1), 2, scale)


@cache
def plain(sampler: Sampler, variance: ReverseVariance, channel: int, short: NoiseSchedule) -> Affine:
    (one,) = affine(sampler, denoiser(CHANNELS[channel : channel + 1], "x0", variance, short))
    return one


def allowed(sampler: Sampler, variance: ReverseVariance) -> float:
    """|std(x_0)/s − 1| after 32 steps: what is left of a solver of first order, and of the others."""
    if isinstance(sampler, Ancestral):
        return 0.001 if variance.learned else 0.15
    return 0.15 if isinstance(sampler, DDIM | Euler) else 0.03


@pytest.mark.parametrize("variance", VARIANCES, ids=lambda v: v.name)
@pytest.mark.parametrize("sampler", ALL, ids=repr)
def test_it_draws_the_data(sampler, variance):
    for channel, data in enumerate(CHANNELS):
        mean, spread = plain(sampler, variance, channel, MANY).moments(0.0, 1.0)
        assert mean == pytest.approx(data.mean, abs=0.01 * data.std)
        assert math.sqrt(spread) == pytest.approx(data.std, rel=allowed(sampler, variance))


@covering(
    {
        "sampler": ALL,
        "parameterization": PARAMETERIZATIONS,
        "variance": VARIANCES,
        "channels": [1, 3],
        "scale": [None, 2.0],
    }
)
def test_every_combination_is_the_same_map(sampler, parameterization, variance, channels, scale):
    d = denoiser(CHANNELS[:channels], parameterization, variance, scale=scale)
    for channel, found in enumerate(affine(sampler, d, channels=channels)):
        expected = plain(sampler, variance, channel, FEW)
        assert found.bias == pytest.approx(expected.bias, abs=1e-9)
        assert found.from_start == pytest.approx(expected.from_start, abs=1e-9)
        assert found.from_noise == pytest.approx(expected.from_noise, abs=1e-9)


@covering({"sampler": ALL, "scale": [0.0, 1.0, 1.5, 4.0]})
def test_guidance_goes_as_far_as_its_scale(sampler, scale):
    """From the mean without class, m − 2d, by w times d: another scale or class would not pass above."""
    (chain,) = affine(sampler, denoiser(CHANNELS[:1], "eps", FIXED_SMALL, scale=scale))
    (expected,), data = affine(sampler, denoiser(CHANNELS[:1], "x0", FIXED_SMALL)), CHANNELS[0]
    mean, spread = chain.moments(0.0, 1.0)
    assert mean == pytest.approx(data.mean + (scale - 2) * SHIFT, abs=0.03)
    assert spread == pytest.approx(expected.moments(0.0, 1.0)[1], rel=1e-9)


@pytest.mark.parametrize("sampler", ALL, ids=repr)
def test_a_network_read_as_another_parameterization_is_another_map(sampler):
    """That is, `test_every_combination_is_the_same_map` can fail."""
    expected = plain(sampler, FIXED_SMALL, 0, FEW)
    for real, read in permutations(PARAMETERIZATIONS, 2):
        d = replace(denoiser(CHANNELS[:1], real, FIXED_SMALL), parameterization=PARAMETERIZATIONS[read])
        (chain,) = affine(sampler, d)
        assert abs(chain.bias - expected.bias) + abs(chain.from_start - expected.from_start) > 1e-3
