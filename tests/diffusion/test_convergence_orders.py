"""How fast the error of a sampler falls with the number of steps, on data whose answer is known.

DDIM(0) is Euler's method for dx̄/dς = ε(x̄, ς) in x̄ = x/√ᾱ, ς = √(1 − ᾱ)/√ᾱ (DDIM Eq. 14), so its error must be of first
order. For x_0 ~ N(m, s²) the exact flow is known: it carries the marginals, hence x_T = √ᾱ_T m + √v_T u ends at m + s u
with v_T = ᾱ_T s² + 1 − ᾱ_T. We compare the deterministic map itself at one point, so there is no sampling noise. The K
rows are uniform in t on a chain of 4000, which refines a fixed smooth curve as K doubles: K ≪ T keeps rounding to rows
out of the measurement, K ≥ 100 the higher orders.
"""

import math

import numpy as np
import pytest
import torch
from diffusion_cases import denoiser, no_noise
from gaussian_data import GaussianData

from alphabar.diffusion import DDIM, FIXED_LARGE, FIXED_SMALL, Ancestral, cosine, linear, reverse_process, spaced

DATA = GaussianData()


def chain(schedule, variance=FIXED_SMALL):
    return denoiser(schedule, "x0", variance, DATA.network(schedule, "x0"))


def map_error(schedule, steps: int) -> float:
    """|DDIM's map − the exact flow| at u = 1.7, relative to s."""
    short = schedule.respace(spaced(schedule, "uniform", steps))
    mean, variance = DATA.marginal(float(schedule.alpha_bar[-1]))
    u = 1.7
    x = torch.full((1, 1, 1, 1), mean + math.sqrt(variance) * u, dtype=torch.float64)
    *_, last = reverse_process(DDIM(0.0), chain(short), x, noise=no_noise)
    return abs(float(last.x) - (DATA.mean + DATA.std * u)) / DATA.std


def order(errors: list[float], steps: list[int]) -> float:
    return -float(np.polyfit(np.log(steps), np.log(errors), 1)[0])


@pytest.mark.parametrize("schedule", [linear, cosine], ids=lambda s: s.__name__)
def test_ddim_is_of_first_order(schedule):
    steps = [100, 200, 400]
    errors = [map_error(schedule(4000), k) for k in steps]
    assert order(errors, steps) == pytest.approx(1.0, abs=0.15), errors
    assert errors[-1] < 0.02


def ancestral_variance_error(T: int, variance) -> float:
    """|Var[x_0] / s² − 1| of the full T-step chain started at N(0, 1), propagated exactly."""
    d = chain(cosine(T), variance)
    x = torch.tensor([0.0, 1.0], dtype=torch.float64).reshape(2, 1, 1, 1)
    spread = 1.0
    for t in range(T, 0, -1):
        still = Ancestral().step(d, x, t, (), torch.zeros_like).x.flatten()
        noisy = Ancestral().step(d, x[:1], t, (), torch.ones_like).x.flatten()
        spread = float(still[1] - still[0]) ** 2 * spread + float(noisy[0] - still[0]) ** 2
    return abs(spread / DATA.std**2 - 1)


@pytest.mark.parametrize("variance", [FIXED_SMALL, FIXED_LARGE], ids=lambda v: v.name)
def test_a_longer_ancestral_chain_is_closer_to_the_data(variance):
    steps = [125, 250, 500, 1000]
    errors = [ancestral_variance_error(T, variance) for T in steps]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.03
    assert order(errors, steps) == pytest.approx(1.0, abs=0.25), errors
