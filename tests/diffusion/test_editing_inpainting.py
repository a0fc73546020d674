"""RePaint: its levels, what it does with the known pixels, and what it makes of the others.

For jointly Gaussian pixels the right answer is the conditional distribution. The whole of `inpaint` is then affine in
the noise that it draws, so its mean and variance are read off by feeding it one unit of noise at a time, all in one
batch: no Monte Carlo.
"""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from correlated_data import ExactReverse, given_the_first, x0_network
from diffusion_cases import denoiser, end_of, no_noise, normal, replayed

from alphabar.diffusion import (
    DDIM,
    FIXED_LARGE,
    FIXED_SMALL,
    SAMPLERS,
    Ancestral,
    Sampler,
    SeededNoise,
    clip,
    cosine,
    linear,
    reverse_process,
    spaced,
)
from alphabar.diffusion.editing import inpaint, inpainting_levels
from alphabar.diffusion.schedules import jsd

MASK = torch.tensor([[1, 1, 0], [0, 0, 0], [1, 0, 1]]).reshape(1, 1, 3, 3)
MEMORYLESS = [name for name in SAMPLERS if not SAMPLERS[name]().memory]
OPTIONS = {"jump_length": 2, "resamplings": 3}


def chain(T: int = 50, steps: int = 7, **more):
    schedule = cosine(T)
    return denoiser(schedule, "v", FIXED_LARGE, **more).respaced(spaced(schedule, "uniform", steps))


def inpainted(sampler, d, x0, known=MASK, noise=None, **options):
    last = end_of(inpaint(sampler, d, x0, known, noise=noise or replayed(), **OPTIONS | options))
    return last.x


VALUE = 0.6
"""What the first of three pixels is known to be."""


def from_noise(
    noise, images: int, resamplings: int, jump_length: int = 1, steps: int = 20, sampler: Sampler | None = None
) -> torch.Tensor:
    """(images, 2): the two pixels next to a known one, made by `inpaint` from this noise."""
    schedule = linear(1000)
    d = denoiser(schedule, "x0", FIXED_SMALL, x0_network(schedule)).respaced(spaced(schedule, "half_log_snr", steps))
    x0 = torch.full((images, 1, 1, 3), VALUE, dtype=torch.float64)
    first = torch.tensor([1, 0, 0]).reshape(1, 1, 1, 3)
    options = {"jump_length": jump_length, "resamplings": resamplings}
    return end_of(inpaint(sampler or ExactReverse(), d, x0, first, noise=noise, **options)).x.flatten(1)[:, 1:]


def mean_error(*chain_options) -> float:
    """What `inpaint` gets wrong of the conditional means: the larger error, in standard deviations."""
    true_mean, true_covariance = given_the_first(VALUE)
    mean = from_noise(torch.zeros_like, 1, *chain_options)[0]
    return float(((mean - true_mean) / true_covariance.diagonal().sqrt()).abs().max())


def variance_error(*chain_options) -> float:
    """What it gets wrong of the conditional variances: the larger error, relative. Its cost is quadratic in the number
    of draws: a chain of its own for each number that is drawn."""
    draws = []

    def count(x):
        draws.append(len(draws))
        return torch.zeros_like(x)

    from_noise(count, 1, *chain_options)
    size, turn = 3 * len(draws), iter(draws)

    def one_unit(x):
        z, k = torch.zeros(size + 1, 3, dtype=torch.float64), 3 * next(turn)
        z[k : k + 3] = torch.eye(3)
        return z.reshape(x.shape)

    ends = from_noise(one_unit, size + 1, *chain_options)
    variance = (ends[:-1] - ends[-1]).square().sum(0)
    return float((variance / given_the_first(VALUE)[1].diagonal() - 1).abs().max())


def test_without_resampling_it_is_far_from_the_conditional_distribution():
    assert mean_error(1) > 0.6 and variance_error(1) > 0.5


def test_with_resampling_it_comes_to_the_conditional_distribution():
    """Within 5 % of a standard deviation and of the variance at r = 40, and on the way to 0: half as far at twice r."""
    for error in (mean_error, variance_error):
        whole, half = error(20), error(40)
        assert half < 0.05 and half == pytest.approx(whole / 2, rel=0.06)


def test_jumps_up_to_a_25th_of_the_chain_are_as_good_and_long_ones_worse():
    single, some, long = (mean_error(5, j, 50) for j in (1, 2, 20))
    assert some == pytest.approx(single, rel=0.05) and long > 1.5 * single


def algorithm_1(T: int, U: int) -> list[int]:
    """RePaint Alg. 1, line by line: the levels of x."""
    levels = [T]
    for t in range(T, 0, -1):
        for u in range(1, U + 1):
            levels.append(t - 1)
            if u == U or t == 1:
                break
            levels.append(t)
    return levels


@pytest.mark.parametrize("T, resamplings", [(1, 1), (1, 10), (2, 3), (9, 1), (9, 4)])
def test_jumps_of_one_level_are_algorithm_1(T, resamplings):
    assert inpainting_levels(T, 1, resamplings) == algorithm_1(T, resamplings)


@pytest.mark.parametrize("T, jump_length, resamplings", [(250, 10, 10), (50, 7, 3), (20, 19, 4), (30, 3, 1)])
def test_the_levels_fall_by_one_and_rise_by_a_jump(T, jump_length, resamplings):
    levels = inpainting_levels(T, jump_length, resamplings)
    assert levels[0] == T and levels[-1] == 0 and max(levels) == T and levels.count(0) == 1
    rises = [s for s, t in pairwise(levels) if t > s]
    assert all(t - s in (-1, jump_length) for s, t in pairwise(levels))
    jumps_from = range(1, T - jump_length + 1, jump_length)
    assert sorted(rises) == sorted(level for level in jumps_from for _ in range(resamplings - 1))
    assert len(levels) - 1 - len(rises) == T + jump_length * len(rises)  # reverse steps


def test_the_papers_jump_is_the_default():
    assert inpainting_levels(250) == inpainting_levels(250, 10, 10)
    assert inpainting_levels(20) == inpainting_levels(20, 1, 10)
    assert len(inpainting_levels(1)) == 2


@pytest.mark.parametrize("name", MEMORYLESS)
@pytest.mark.parametrize("transform", [None, clip])
def test_the_known_pixels_are_the_given_ones_to_the_last_bit(name, transform):
    x0 = normal(2).float()
    x = inpainted(SAMPLERS[name](), chain(x0_transform=transform), x0)
    known = MASK.bool().expand_as(x)
    assert torch.equal(x[known], x0[known]) and not torch.isclose(x[~known], x0[~known]).any()


@pytest.mark.parametrize("shape", [(1, 1, 3, 3), (1, 2, 3, 3), (2, 1, 3, 3), (2, 2, 3, 3)])
@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float32])
def test_a_mask_may_be_one_for_all_images_and_channels_or_one_each(shape, dtype):
    known = (normal(shape[0], 9, shape[1:]) > 0).to(dtype)
    x = inpainted(Ancestral(), chain(), normal(2), known)
    given = known.bool().expand_as(x)
    assert torch.equal(x[given], normal(2)[given]) and not torch.isclose(x[~given], normal(2)[~given]).any()


def test_at_every_level_the_known_pixels_have_the_noise_of_that_level():
    d, x0, known = chain(), normal(2000), MASK.bool().expand(2000, 2, 3, 3)
    for step in inpaint(Ancestral(), d, x0, MASK, noise=replayed(), **OPTIONS):
        alpha_bar = float(d.schedule.alpha_bar[step.t])
        z = step.x[known] - math.sqrt(alpha_bar) * x0[known]
        assert float(z.mean()) == pytest.approx(0, abs=0.05)
        assert float(z.std()) == pytest.approx(math.sqrt(1 - alpha_bar), rel=0.05)


def test_what_stands_in_the_hole_is_not_read():
    x0 = normal(2)
    filled = torch.where(MASK.bool(), x0, torch.full_like(x0, math.nan))
    assert torch.equal(inpainted(Ancestral(), chain(), x0), inpainted(Ancestral(), chain(), filled))


def test_only_reverse_steps_are_yielded_and_each_asks_the_network_at_its_level():
    times = []

    def network(x, time):
        times.append(int(time[0]) + 1)
        return 0.1 * x

    d = replace(chain(), network=network)
    steps = list(inpaint(Ancestral(), d, normal(1), MASK, noise=replayed(), **OPTIONS))
    levels = inpainting_levels(d.schedule.T, **OPTIONS)
    falls = [(t, s) for t, s in pairwise(levels) if s < t]
    assert [step.t for step in steps] == [s for _, s in falls]
    assert times == [int(d.schedule.timesteps[t]) for t, _ in falls]


def test_with_nothing_known_and_no_resampling_it_is_the_reverse_process():
    d, x_T = chain(), replayed()(normal(2))
    last = end_of(reverse_process(DDIM(0.0), d, x_T, noise=no_noise))
    assert torch.equal(inpainted(DDIM(0.0), d, normal(2), torch.zeros(1, 1, 3, 3), resamplings=1), last.x)


def test_with_everything_known_there_is_nothing_to_do():
    assert torch.equal(inpainted(Ancestral(), chain(), normal(2), torch.ones(1, 1, 3, 3)), normal(2))


@pytest.mark.parametrize("schedule", [jsd(9), jsd(9).respace([9]), cosine(9).respace([4])], ids=["jsd", "jsd 1", "one"])
def test_chains_that_end_in_nothing_but_noise_and_chains_of_a_single_step(schedule):
    d = denoiser(schedule, "v", FIXED_SMALL)
    last = end_of(inpaint(Ancestral(), d, normal(2), MASK, noise=replayed()))
    assert bool(last.x.isfinite().all())


@pytest.mark.parametrize("name", MEMORYLESS)
def test_an_image_does_not_depend_on_the_others_of_its_batch(name):
    d, seeds = chain(), [5, 3, 8]
    together = inpainted(SAMPLERS[name](), d, normal(3), noise=SeededNoise(seeds))
    for i, seed in enumerate(seeds):
        alone = inpainted(SAMPLERS[name](), d, normal(3)[i : i + 1], noise=SeededNoise([seed]))
        torch.testing.assert_close(alone, together[i : i + 1], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name not in MEMORYLESS])
def test_a_sampler_that_looks_back_is_refused(name):
    with pytest.raises(ValueError, match=f"{type(SAMPLERS[name]()).__name__}.*such as ddpm or ddim"):
        inpaint(SAMPLERS[name](), chain(), normal(2), MASK, noise=no_noise)


@pytest.mark.parametrize("known", [0.5 * MASK, 255 * MASK, MASK - 1, torch.full((1, 1, 3, 3), math.nan)])
def test_a_mask_of_anything_but_0_and_1_is_refused(known):
    with pytest.raises(ValueError, match="1 where the image is known and 0 where not"):
        inpaint(Ancestral(), chain(), normal(2), known, noise=no_noise)


@pytest.mark.parametrize("shape", [(3, 3), (1, 3, 3), (1, 1, 1, 1), (1, 1, 3, 4), (3, 1, 3, 3), (1, 3, 3, 3)])
def test_a_mask_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"\(1 or 2, 1 or 2, 3, 3\)"):
        inpaint(Ancestral(), chain(), normal(2), torch.ones(shape), noise=no_noise)


@pytest.mark.parametrize("options", [{"jump_length": 0}, {"jump_length": 7}, {"resamplings": 0}])
def test_jumps_that_are_none_are_refused_at_once(options):
    with pytest.raises(ValueError, match=r"1\.\.6|at least one"):
        inpaint(Ancestral(), chain(), normal(2), MASK, noise=no_noise, **options)


def test_ten_resamplings_of_ddim_are_near_the_conditional_and_forty_nearer():
    """What docs/sampling.md says of a quick setting: a sixth of a standard deviation off in the mean."""
    assert mean_error(10, 4, 100, DDIM(0.5)) == pytest.approx(0.169, abs=0.005)
    assert variance_error(10, 4, 100, DDIM(0.5)) == pytest.approx(0.054, abs=0.005)
    assert mean_error(40, 4, 100, DDIM(0.5)) < 0.05
