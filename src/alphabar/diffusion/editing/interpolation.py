"""Interpolation between two images (DDPM §4.4): their noisy versions are mixed, and the mixture is denoised."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.editing.levels import check_level
from alphabar.diffusion.editing.mixes import Mix, linear
from alphabar.diffusion.editing.variations import repeated
from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.process import q_sample
from alphabar.diffusion.samplers.sampler import Noise, Sampler, Step, reverse_process


def interpolate(
    sampler: Sampler,
    denoiser: Denoiser,
    a: Tensor,
    b: Tensor,
    *,
    start: int,
    weights: Sequence[float],
    mix: Mix = linear,
    noise: Noise,
) -> Iterator[Step]:
    """Mixes x_t ~ q(x_t | a) and x'_t ~ q(x_t | b) at t = `start` by each λ of `weights`, and denoises (DDPM §4.4).

    At λ = 0 and 1 the result is denoised from a's and b's own x_t, so it is close to a and b only if t is small. To
    reproduce a and b at the ends, mix their `encode`d latents with `interpolate_latents` and DDIM(0).

    a, b: (B, C, H, W) in [−1, 1]; λ = 0 is a, λ = 1 is b.
    weights: L numbers λ in [0, 1]. The steps have L · B images, the B images of the first weight first. If the denoiser
        has labels, they must be in this order too.
    noise: called for B images, first for a, then for b, then in the reverse process. All λ share the noise ("we fixed
        the noise for different values of λ").
    """
    check_level(denoiser.schedule, start, "start")
    _check_ends(a, b, weights)
    x_a, x_b = (q_sample(denoiser.schedule, image, start, noise(image)) for image in (a, b))
    return interpolate_latents(sampler, denoiser, x_a, x_b, start=start, weights=weights, mix=mix, noise=noise)


def interpolate_latents(
    sampler: Sampler,
    denoiser: Denoiser,
    x_a: Tensor,
    x_b: Tensor,
    *,
    start: int,
    weights: Sequence[float],
    mix: Mix = linear,
    noise: Noise,
) -> Iterator[Step]:
    """The reverse process from mixtures of two latents x_a and x_b (B, C, H, W), which are states at t = `start`.

    Weights, labels, noise and the order of the images are as in `interpolate`.
    """
    check_level(denoiser.schedule, start, "start")
    _check_ends(x_a, x_b, weights)
    mixed, size, count = torch.cat([mix(x_a, x_b, weight) for weight in weights]), len(x_a), len(weights)

    def shared_noise(x: Tensor) -> Tensor:
        return repeated(noise(x[:size]), count)

    return reverse_process(sampler, denoiser, mixed, start=start, noise=shared_noise)


def _check_ends(a: Tensor, b: Tensor, weights: Sequence[float]) -> None:
    """Raises ValueError unless a and b have equal shapes and every λ lies in [0, 1]."""
    if a.shape != b.shape:
        raise DiffusionError(f"The images to mix must have equal shapes; got {tuple(a.shape)} and {tuple(b.shape)}.")
    if not weights or not all(0 <= weight <= 1 for weight in weights):
        listed = ", ".join(f"{weight:g}" for weight in weights) or "none"
        raise DiffusionError(
            f"The weights λ must lie in [0, 1], from 0 = the first image to 1 = the second; got {listed}."
        )
