"""How fast the distribution of a sampler that draws noise comes near the exact one, with no Monte Carlo.

For Gaussian data a whole chain is one affine map of x_T and its draws, multistep samplers and churn included, so that
its mean and variance are exact; x_T starts from its exact marginal, and the level of comparison is a clean one.
"""

import math

import pytest
from diffusion_cases import denoiser
from gaussian_data import GaussianData
from solver_cases import BELOW, affine, even, order, uneven

from alphabar.diffusion import DDIM, FIXED_LARGE, FIXED_SMALL, Ancestral, NoiseSchedule, ReverseVariance
from alphabar.diffusion.samplers import DPMpp2MSDE, DPMpp3MSDE, Euler, Heun

DATA = GaussianData()
STEPS = [32, 64, 128]
GRIDS = pytest.mark.parametrize("grid", [even, uneven], ids=lambda grid: grid.__name__)


def errors(
    sampler, schedule: NoiseSchedule, end: int = 1 + BELOW, variance: ReverseVariance = FIXED_SMALL
) -> tuple[float, float, float]:
    """Of the mean, the standard deviation, and the regression of x_end on x_T, which the reverse SDE has too."""
    a = schedule.alpha_bar.tolist()
    full = schedule.full or schedule
    (chain,) = affine(sampler, denoiser(schedule, "x0", variance, DATA.network(full, "x0")), end)
    mean, variance_end = chain.moments(*DATA.marginal(a[-1]))
    exact_mean, exact_variance = DATA.marginal(a[end])
    return (
        abs(mean - exact_mean),
        abs(math.sqrt(variance_end) - math.sqrt(exact_variance)),
        abs(chain.from_start - DATA.reverse(a[-1], a[end])[0]),
    )


@GRIDS
@pytest.mark.parametrize(
    "sampler, variance, expected",
    [
        (Ancestral(), FIXED_SMALL, 1),
        (Ancestral(), FIXED_LARGE, 1),
        (DDIM(1.0), FIXED_SMALL, 1),
        (DDIM(0.5), FIXED_SMALL, 1),
        (DPMpp2MSDE(1.0), FIXED_SMALL, 2),
        (DPMpp2MSDE(0.5), FIXED_SMALL, 2),
    ],
    ids=lambda v: v.name if isinstance(v, ReverseVariance) else repr(v),
)
def test_the_spread_has_its_order(sampler, variance, expected, grid):
    mean, std, _ = zip(*(errors(sampler, grid(k), variance=variance) for k in STEPS), strict=True)
    assert max(mean) < 1e-12
    assert order(std, STEPS) == pytest.approx(expected, abs=0.15), std


@GRIDS
@pytest.mark.parametrize("eta", [1.0, 0.5])
def test_three_x0_give_the_noisy_chain_no_higher_order_than_two(grid, eta):
    """As x̂_0 then has noise of its own in it, of order √h a step; near 2 from below or from above."""
    mean, std, _ = zip(*(errors(DPMpp3MSDE(eta), grid(k)) for k in STEPS), strict=True)
    assert max(mean) < 1e-12
    assert 1.65 < order(std, STEPS) < 2.5, std


@GRIDS
@pytest.mark.parametrize("sampler", [Ancestral(), DDIM(1.0), DPMpp2MSDE(1.0), DPMpp3MSDE(1.0)], ids=repr)
def test_with_eta_1_a_chain_forgets_x_T_exactly_as_the_reverse_sde_does(sampler, grid):
    """In a few steps too: E[x̂_0 | x_T] is then the same at every level, and a constant is integrated exactly."""
    assert errors(sampler, grid(8))[2] < 1e-12


@pytest.mark.parametrize("sampler", [DDIM(0.5), DPMpp2MSDE(0.5), DPMpp3MSDE(0.5), Euler(0.0), Heun(5.0)], ids=repr)
def test_with_less_noise_it_remembers_more(sampler):
    assert errors(sampler, even(32))[2] > 1e-4


@pytest.mark.parametrize("sampler, expected", [(Euler(5.0), 1), (Heun(5.0), 2)], ids=repr)
def test_a_churned_chain_has_the_order_of_the_one_without(sampler, expected):
    """The noise is raised to rows of the network's own, finer chain."""
    full = even(2048)

    def error(steps: int) -> float:
        rows = [1, *range(1 + BELOW, full.T + 1, 2048 // steps)]
        return errors(sampler, full.respace(rows), end=2)[1]

    found = [error(k) for k in STEPS]
    assert order(found, STEPS) == pytest.approx(expected, abs=0.2), found
