"""Other images near an image: by its noised self (SDEdit), or by a state that its chain went through (DDPM Fig. 7)."""

from collections.abc import Iterator

from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.editing.levels import check_level
from alphabar.diffusion.process import q_sample
from alphabar.diffusion.samplers.sampler import Noise, Sampler, Step, reverse_process


def vary(sampler: Sampler, denoiser: Denoiser, x0: Tensor, *, start: int, noise: Noise) -> Iterator[Step]:
    """x_t ~ q(x_t | x_0) at t = `start`, and the reverse process from there (SDEdit, Meng et al. 2022, Alg. 1).

    x0: (B, C, H, W) in [−1, 1]. `start` counts the steps of the denoiser's own chain: 1 changes next to nothing, T next
    to all. The first draw of `noise` makes x_t.
    """
    check_level(denoiser.schedule, start, "start")
    x_t = q_sample(denoiser.schedule, x0, start, noise(x0))
    return reverse_process(sampler, denoiser, x_t, start=start, noise=noise)


def share(sampler: Sampler, denoiser: Denoiser, x_t: Tensor, *, start: int, count: int, noise: Noise) -> Iterator[Step]:
    """`count` draws of p_θ(x_0 | x_t) for each x_t: images that share what is decided at t = `start` (DDPM Fig. 7).

    x_t: (B, C, H, W), the state of a chain at that level: `step.x` of a `Step` whose t is `start`, or x_T itself. The
    steps hold count · B images, the B of the first draw before those of the second; `noise` draws for all of them, so
    that the k-th of image i has a stream of its own. A sampler without noise makes them all alike.
    """
    check_level(denoiser.schedule, start, "start")
    if count < 1:
        raise ValueError(f"There must be at least one image for each x_t; count is {count}.")
    return reverse_process(sampler, denoiser, repeated(x_t, count), start=start, noise=noise)


def repeated(x: Tensor, count: int) -> Tensor:
    """The batch (B, ...) `count` times in a row, (count · B, ...)."""
    return x.repeat(count, *[1] * (x.ndim - 1))
