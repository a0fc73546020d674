"""Variations of an image: sampled from its noised version (SDEdit), or from a state of its chain (DDPM Fig. 7)."""

from collections.abc import Iterator

from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.editing.levels import check_level
from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.process import q_sample
from alphabar.diffusion.samplers.sampler import Noise, Sampler, Step, reverse_process


def vary(sampler: Sampler, denoiser: Denoiser, x0: Tensor, *, start: int, noise: Noise) -> Iterator[Step]:
    """Adds noise, x_t ~ q(x_t | x_0) at t = `start`, and runs the reverse process (SDEdit, Meng et al. 2022, Alg. 1).

    x0: (B, C, H, W) in [−1, 1].
    start: a step of the denoiser's chain; 1 changes almost nothing, T almost everything.
    noise: its first call gives the noise of x_t.
    """
    check_level(denoiser.schedule, start, "start")
    x_t = q_sample(denoiser.schedule, x0, start, noise(x0))
    return reverse_process(sampler, denoiser, x_t, start=start, noise=noise)


def share(sampler: Sampler, denoiser: Denoiser, x_t: Tensor, *, start: int, count: int, noise: Noise) -> Iterator[Step]:
    """`count` samples of p_θ(x_0 | x_t) for each x_t: images that share what is decided at t = `start` (DDPM Fig. 7).

    A sampler without noise gives equal images for each x_t.

    x_t: (B, C, H, W), the state of a chain at that level: `x` of a `Step` with t = `start`, or x_T.
    count: the steps have count · B images, one sample of each x_t before the second sample of each.
    noise: called for all count · B images, so that every sample has its own noise.
    """
    check_level(denoiser.schedule, start, "start")
    if count < 1:
        raise DiffusionError(f"There must be at least one sample for each x_t; count is {count}.")
    return reverse_process(sampler, denoiser, repeated(x_t, count), start=start, noise=noise)


def repeated(x: Tensor, count: int) -> Tensor:
    """The batch (B, ...) repeated `count` times, (count · B, ...)."""
    return x.repeat(count, *[1] * (x.ndim - 1))
