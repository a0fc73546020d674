"""Images between two images (DDPM §4.4): their noisy versions are mixed, and the mixture is denoised."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.editing.levels import check_level
from alphabar.diffusion.editing.mixes import Mix, linear
from alphabar.diffusion.editing.variations import repeated
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
    """x_t ~ q(x_t | a) and x'_t ~ q(x_t | b) at t = `start`, mixed by each λ of `weights` and denoised (DDPM §4.4).

    a, b: (B, C, H, W) in [−1, 1]; λ = 0 is a, λ = 1 is b. `noise` draws for B images: first for a, then for b, then for
    the reverse process, which is told the same noise for every λ ("we fixed the noise for different values of λ"). The
    steps hold L · B images for the L weights, the B of the first before those of the second; labels must do so too.

    At λ = 0 and 1 the result is what comes of a's and b's own x_t, which is near a and b only if t is small. For ends
    that are a and b themselves, mix their `encode`d latents with `interpolate_latents` and DDIM(0).
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
    """The reverse process from mixtures of x_a and x_b (B, C, H, W), states at t = `start`; else as `interpolate`."""
    check_level(denoiser.schedule, start, "start")
    _check_ends(x_a, x_b, weights)
    mixed, size, count = torch.cat([mix(x_a, x_b, weight) for weight in weights]), len(x_a), len(weights)

    def same_for_every_weight(x: Tensor) -> Tensor:
        return repeated(noise(x[:size]), count)

    return reverse_process(sampler, denoiser, mixed, start=start, noise=same_for_every_weight)


def _check_ends(a: Tensor, b: Tensor, weights: Sequence[float]) -> None:
    """ValueError unless a and b are alike, and every λ lies between them."""
    if a.shape != b.shape:
        raise ValueError(
            f"Two batches of images of one shape can be mixed; these are {tuple(a.shape)} and {tuple(b.shape)}."
        )
    if not weights or not all(0 <= weight <= 1 for weight in weights):
        listed = ", ".join(f"{weight:g}" for weight in weights) or "none"
        raise ValueError(f"The weights λ must lie in [0, 1], from 0 = the first image to 1 = the second; got {listed}.")
