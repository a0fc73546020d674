"""Classifier-free guidance (Ho & Salimans 2022): away from what the network says without the class."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser, Network


def guided(
    denoiser: Denoiser,
    y: Tensor,
    null_y: int,
    guidance_scale: float,
    *,
    interval: tuple[int, int] | None = None,
    rescale: float = 0.0,
) -> Denoiser:
    """The denoiser of x̂_0(∅) + w (x̂_0(y) − x̂_0(∅)): 1 = off, 0 = unconditional, above 1 = more of the class.

    w is 1 + the w of Ho & Salimans, Eq. 6. One call of the network for 2B images, y first; with w = 1 it is
    `denoiser.given(y)`, a call for B. What is mixed is the mean half of the output: eps, x0, v and mu are affine in x̂_0
    with the same coefficients for both, so that each of them mixes x̂_0. A learned variance is the one of y.

    y: (B,) int64; null_y: the class that means none (num_classes, in a U-Net with null_class).
    interval: (first, last), the timesteps of the network's own chain with guidance, both included; w = 1 at the others,
    a call for B (Kynkäänniemi et al. 2024). A fractional time counts as the nearest timestep.
    rescale: φ of Lin et al. 2023, §3.4: how far the standard deviation of each image's guided output is brought back to
    that of y's; 0 = not at all. It acts on what the network outputs, and so depends on the parameterization.
    """
    _check(denoiser, y, null_y, guidance_scale, interval, rescale)
    if guidance_scale == 1:
        return denoiser.given(y)
    told = None
    if interval is not None:  # half a step wider, so that no rounding of a told time falls out of it
        told = ((interval[0] - 1.5) * denoiser.time_scale, (interval[1] - 0.5) * denoiser.time_scale)
    return replace(denoiser, network=_Guided(denoiser.network, y, null_y, guidance_scale, told, rescale))


@dataclass(frozen=True, eq=False)
class _Guided:
    """(x_t, time) -> the guided output, of any number of channels; the first C are the mean.

    told: the times, as networks are told them, between which there is guidance.
    """

    network: Network
    y: Tensor
    null_y: int
    scale: float
    told: tuple[float, float] | None
    rescale: float

    def __call__(self, x: Tensor, time: Tensor) -> Tensor:
        if len(x) != len(self.y):
            raise ValueError(f"There are {len(self.y)} classes y for {len(x)} images; there must be one for each.")
        inside = None if self.told is None else (self.told[0] < time) & (time < self.told[1])
        if inside is not None and not bool(inside.any()):
            return self.network(x, time, y=self.y)
        y = torch.cat([self.y, torch.full_like(self.y, self.null_y)])
        both = self.network(torch.cat([x, x]), torch.cat([time, time]), y=y).to(x.dtype)
        out, null = both.chunk(2)
        mean, null_mean = out[:, : x.shape[1]], null[:, : x.shape[1]]
        mixed = _rescaled(null_mean + self.scale * (mean - null_mean), mean, self.rescale)
        if inside is not None:
            mixed = torch.where(inside.reshape(-1, *[1] * (x.ndim - 1)), mixed, mean)
        return torch.cat([mixed, out[:, x.shape[1] :]], dim=1)


def _rescaled(mixed: Tensor, mean: Tensor, rescale: float) -> Tensor:
    """mixed · (φ std(mean)/std(mixed) + 1 − φ), the standard deviations over each image; as it is where it is flat."""
    if rescale == 0:
        return mixed
    over = tuple(range(1, mixed.ndim))
    std, wanted = (image.std(over, correction=0, keepdim=True) for image in (mixed, mean))
    ratio = torch.where(std > 0, wanted / std, torch.ones_like(std))
    return mixed * (rescale * ratio + 1 - rescale)


def _check(
    denoiser: Denoiser, y: Tensor, null_y: int, scale: float, interval: tuple[int, int] | None, rescale: float
) -> None:
    """ValueError for what cannot be meant."""
    if y.ndim != 1 or y.dtype != torch.int64:
        raise ValueError(f"Classes y must be a list of int64, one per image; got {y.dtype} of shape {tuple(y.shape)}.")
    if null_y < 0:
        raise ValueError(f"null_y must be a class number from 0 on, the one that means 'no class'; got {null_y}.")
    if not 0 <= scale < math.inf:
        raise ValueError(f"The guidance scale must be a number from 0 on, where 1 means no guidance; got {scale:g}.")
    if not 0 <= rescale <= 1:
        raise ValueError(f"The rescaling of guidance must lie in [0, 1], where 0 means none; got {rescale:g}.")
    last = int((denoiser.schedule.full or denoiser.schedule).timesteps[-1])
    if interval is not None and not 1 <= interval[0] <= interval[1] <= last:
        raise ValueError(
            f"The interval of guidance must be two timesteps in 1..{last}, the first not after the last; got "
            f"{interval[0]} to {interval[1]}."
        )
