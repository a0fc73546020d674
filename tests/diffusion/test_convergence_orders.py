"""How fast the error of a sampler falls with the number of steps, on data whose probability flow is known.

What is compared is the deterministic map itself, x at a clean level against where the exact flow takes the same x: no
sampling noise. The data are Gaussian, where x̂_0 is linear in x, and a mixture, where it is not. The chains have equal
steps in λ, and steps 2 : 1 by turns, where a solver that is told wrong ratios of steps falls to first order.
"""

import math

import pytest
import torch
from diffusion_cases import end_of, no_noise
from gaussian_data import GaussianData
from mixture_data import MixtureData
from solver_cases import affine, best, even, even_in_t, flow_error, order, uneven

from alphabar.diffusion import (
    DDIM,
    FIXED_LARGE,
    FIXED_SMALL,
    Ancestral,
    Denoiser,
    cosine,
    linear,
    reverse_process,
    spaced,
)
from alphabar.diffusion.samplers import PNDM, DPMpp2M, DPMpp2MSDE, DPMpp2S, DPMpp3MSDE, Euler, Heun, UniPC

DATA = GaussianData()
BOTH = pytest.mark.parametrize("data", [DATA, MixtureData()], ids=["gaussian", "mixture"])
GRIDS = pytest.mark.parametrize("grid", [even, uneven], ids=lambda grid: grid.__name__)

ORDERS = [
    (DDIM(0.0), 1),
    (Euler(0.0), 1),
    (Heun(0.0), 2),
    (DPMpp2M(), 2),
    (DPMpp2MSDE(0.0), 2),
    (DPMpp2S(), 2),
    (UniPC(1), 2),
    (UniPC(2), 3),
]
"""By theory; the corrector of UniPC-p makes its order p + 1 (UniPC Thm. 3.1)."""


@GRIDS
@BOTH
@pytest.mark.parametrize("sampler, expected", ORDERS, ids=repr)
def test_a_solver_has_its_order(sampler, expected, data, grid):
    steps = [32, 64, 128]
    errors = [flow_error(sampler, data, grid(k)) for k in steps]
    assert order(errors, steps) == pytest.approx(expected, abs=0.15), errors


@GRIDS
@BOTH
def test_dpmpp_3m_is_of_third_order(data, grid):
    """From three known x̂_0 on; its own start, DDIM's step and one of two x̂_0, costs it nothing that shows here."""
    steps = [48, 96, 192]
    known, own = ([flow_error(DPMpp3MSDE(0.0), data, grid(k), start) for k in steps] for start in (True, False))
    assert 2.8 < order(known, steps) < 3.6, known
    assert order(own, steps) > 2.5 and own[-1] < 1e-5, own


@GRIDS
@BOTH
@pytest.mark.parametrize("known", [True, False], ids=["known", "own"])
def test_unipc_3_is_of_fourth_order_in_the_end(data, grid, known):
    """It comes near slowly on the mixture; of third order it would be without its corrector."""
    steps = [64, 128, 256]
    errors = [flow_error(UniPC(3), data, grid(k), known) for k in steps]
    assert 3.5 < order(errors, steps) < 4.25, errors


@BOTH
def test_pndm_is_of_second_order_on_even_steps_in_t(data):
    """Not of fourth as Adams–Bashforth: the mean of ε̂ over t is not its mean over √(1/ᾱ − 1), along which φ goes."""
    steps = [64, 128, 256]
    errors = [flow_error(PNDM(), data, even_in_t(k), known=True) for k in steps]
    assert order(errors, steps) == pytest.approx(2, abs=0.2), errors


@BOTH
def test_pndm_is_of_first_order_only_on_uneven_steps(data):
    """Which is why it wants an evenly spaced chain, and DPM-Solver and UniPC do not."""
    steps = [32, 64, 128]
    errors = [flow_error(PNDM(), data, uneven(k)) for k in steps]
    assert order(errors, steps) == pytest.approx(1, abs=0.2), errors


@BOTH
def test_at_few_network_calls_a_higher_order_is_nearer(data):
    """Rows of a real chain, 17 calls, down to t = 0: what the other samplers are there for."""
    schedule = cosine(1000)
    short = schedule.respace(spaced(schedule, "half_log_snr", 17))
    first, singlestep, *multistep = (
        flow_error(sampler, data, short, end=0)
        for sampler in (DDIM(0.0), DPMpp2S(), DPMpp2M(), DPMpp3MSDE(0.0), UniPC(2), UniPC(3))
    )
    assert singlestep < first / 1.8 and max(multistep) < first / 4, (first, singlestep, multistep)


def map_error(schedule, steps: int) -> float:
    """|DDIM's map to t = 0 − the exact flow| at 1.7 standard deviations from the mean, relative to the data's."""
    short = schedule.respace(spaced(schedule, "uniform", steps))
    mean, variance = DATA.marginal(float(schedule.alpha_bar[-1]))
    x = torch.full((1, 1, 1, 1), mean + math.sqrt(variance) * 1.7, dtype=torch.float64)
    last = end_of(reverse_process(DDIM(0.0), best(DATA, short), x, noise=no_noise))
    return abs(float(last.x) - (DATA.mean + DATA.std * 1.7)) / DATA.std


@pytest.mark.parametrize("schedule", [linear, cosine], ids=lambda s: s.__name__)
def test_ddim_is_of_first_order_down_to_the_data(schedule):
    """On rows uniform in t of a chain of 4000, which refine a fixed smooth curve as K doubles: K ≪ T."""
    steps = [100, 200, 400]
    errors = [map_error(schedule(4000), k) for k in steps]
    assert order(errors, steps) == pytest.approx(1.0, abs=0.15), errors
    assert errors[-1] < 0.02


def ancestral_variance_error(T: int, variance) -> float:
    """|Var[x_0] / s² − 1| of the full T-step chain started at N(0, 1), propagated exactly."""
    d = best(DATA, cosine(T))
    (chain,) = affine(Ancestral(), Denoiser(d.network, d.schedule, d.parameterization, variance))
    return abs(chain.moments(0.0, 1.0)[1] / DATA.std**2 - 1)


@pytest.mark.parametrize("variance", [FIXED_SMALL, FIXED_LARGE], ids=lambda v: v.name)
def test_a_longer_ancestral_chain_is_closer_to_the_data(variance):
    steps = [64, 128, 256]
    errors = [ancestral_variance_error(T, variance) for T in steps]
    assert errors == sorted(errors, reverse=True)
    assert order(errors, steps) == pytest.approx(1.0, abs=0.25), errors
