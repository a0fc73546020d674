"""Inpainting with a model that was not trained for it: RePaint (Lugmayr et al. 2022)."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.process import per_image, q_sample
from alphabar.diffusion.samplers.sampler import Noise, Sampler, Step
from alphabar.diffusion.schedule import NoiseSchedule


def inpaint(
    sampler: Sampler,
    denoiser: Denoiser,
    x0: Tensor,
    known: Tensor,
    *,
    jump_length: int | None = None,
    resamplings: int = 10,
    noise: Noise,
) -> Iterator[Step]:
    """Samples x_0 given some of its pixels, by a reverse process that sets these at every level (RePaint, Alg. 1).

    At level t > 0 the known pixels are set to √ᾱ_t x_0 + √(1 − ᾱ_t) ε, and at t = 0 to x_0. The sampler generates the
    others. It sees the known pixels only with the noise of x_t, when much of the image is already decided. So that both
    parts agree, the chain repeatedly jumps back up by q and comes down again, as `inpainting_levels` lists.
    `resamplings` = 1 means no jumps, which is fast but gives wrong results.

    x0: (B, C, H, W) in [−1, 1]. Its unknown pixels are not read.
    known: (B or 1, 1 or C, H, W), 1 (or True) where x0 is known, 0 elsewhere. Values in between are not allowed.
    sampler: one that does not use earlier steps (memory 0). Each level is visited many times, so errors of the reverse
        variance add up: on a short chain, ddpm with fixed_large leaves grain in images; fixed_small and ddim do not.
    jump_length, resamplings: RePaint's j and r, by default T/25 (RePaint: 10 of 250) and 10. For Gaussian data, the
        error of the conditional mean decreases as 1/r for any j up to about T/25, and hardly decreases for j ≫ T/25.

    Yields only reverse steps, one for each fall in `inpainting_levels`; t rises after a jump. The x0 of a step is the
    sampler's x̂_0 of the whole image.
    """
    if sampler.memory:
        raise DiffusionError(
            f"Inpainting jumps back up the chain, but {type(sampler).__name__} uses the results of earlier steps; "
            "choose a sampler that does not, such as ddpm or ddim."
        )
    mask = _checked_mask(known, x0)
    levels = inpainting_levels(denoiser.schedule.T, jump_length, resamplings)
    return _inpainted(sampler, denoiser, x0, mask, levels, noise)


def inpainting_levels(T: int, jump_length: int | None = None, resamplings: int = 10) -> list[int]:
    """The levels that the chain visits, from T to 0, where a rise is a jump (the time schedule of RePaint's code).

    From each of the levels 1, 1 + j, 1 + 2j, ... ≤ T − j, where j is `jump_length`, the chain jumps up by j,
    `resamplings` − 1 times. This takes about T · resamplings reverse steps. j = 1 is RePaint's Alg. 1.
    """
    jump_length = max(1, T // 25) if jump_length is None else jump_length
    if resamplings < 1:
        raise DiffusionError(f"resamplings must be at least one (which means no jumps back); got {resamplings}.")
    if not 1 <= jump_length < max(T, 2):
        raise DiffusionError(
            f"jump_length must lie in 1..{max(T, 2) - 1}, less than the length of the chain; got {jump_length}."
        )
    jumps_left = dict.fromkeys(range(1, T - jump_length + 1, jump_length), resamplings - 1)
    levels = [T]
    while levels[-1] > 0:
        level = levels[-1] - 1
        levels.append(level)
        if jumps_left.get(level, 0) > 0:
            jumps_left[level] -= 1
            levels.append(level + jump_length)
    return levels


def _inpainted(
    sampler: Sampler, denoiser: Denoiser, x0: Tensor, known: Tensor, levels: list[int], noise: Noise
) -> Iterator[Step]:
    schedule = denoiser.schedule

    def merged(unknown: Tensor, t: int) -> Tensor:
        return torch.where(known, q_sample(schedule, x0, t, noise(x0)) if t else x0, unknown)

    x = merged(noise(x0), levels[0])
    for t, s in pairwise(levels):
        if s > t:
            x = _raised(schedule, x, t, s, noise)
            continue
        with torch.no_grad():
            step = sampler.step(denoiser, x, t, (), noise)
            step = replace(step, x=merged(step.x, s))
        yield step
        x = step.x


def _raised(schedule: NoiseSchedule, x: Tensor, t: int, s: int, noise: Noise) -> Tensor:
    """x_s ~ q(x_s | x_t) = N(√(ᾱ_s/ᾱ_t) x_t, (1 − ᾱ_s/ᾱ_t) I) for s > t: s − t steps of DDPM Eq. 2 at once."""
    ratio = schedule.alpha_bar[s] / schedule.alpha_bar[t]
    return per_image(ratio.sqrt(), x) * x + per_image((1 - ratio).sqrt(), x) * noise(x)


def _checked_mask(known: Tensor, x0: Tensor) -> Tensor:
    """The mask as booleans; raises ValueError if it has other values than 0 and 1 or does not fit the images."""
    B, C, *sides = x0.shape
    if list(known.shape[2:]) != sides or known.shape[0] not in (1, B) or known.shape[1] not in (1, C):
        size = ", ".join(map(str, sides))
        raise DiffusionError(
            f"A mask for these images must have the shape (1 or {B}, 1 or {C}, {size}); got {tuple(known.shape)}."
        )
    if not bool(((known == 0) | (known == 1)).all()):
        raise DiffusionError(
            f"A mask must be 1 where the image is known and 0 where not; got values from {float(known.min()):g} to "
            f"{float(known.max()):g}."
        )
    return known.bool()
