"""Classifier-free guidance (Ho & Salimans 2022): extrapolation from the unconditional to the conditional prediction."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser, Network
from alphabar.diffusion.errors import DiffusionError


def guided(
    denoiser: Denoiser,
    y: Tensor,
    null_y: int,
    guidance_scale: float,
    *,
    interval: tuple[int, int] | None = None,
    rescale: float = 0.0,
) -> Denoiser:
    """The denoiser whose prediction is x̂_0(∅) + w (x̂_0(y) − x̂_0(∅)), where w is `guidance_scale`.

    w = 1 is no guidance, w = 0 is unconditional, and w > 1 favours the class. (w is 1 + the w of Ho & Salimans, Eq. 6.)
    Each step is one network call for 2B images, those with class y first. With w = 1 the result is `denoiser.given(y)`,
    which needs a call for B images only. The mean half of the output is mixed: eps, x0, v and mu are affine in x̂_0 with
    equal coefficients for both halves of the batch, so mixing them mixes x̂_0. A learned variance is that of y.

    y: (B,) int64.
    null_y: the class that means "no class" (num_classes, for a U-Net with null_class).
    interval: (first, last), the timesteps of the network's own chain with guidance, both included. At other timesteps
        w = 1, a call for B images (Kynkäänniemi et al. 2024). A fractional time counts as the nearest timestep.
    rescale: φ in [0, 1] of Lin et al. 2023, §3.4. It moves the standard deviation of each guided output towards that of
        the output for y; 0 = not at all. It acts on the network's output, and so depends on the parameterization.
    """
    _check(denoiser, y, null_y, guidance_scale, interval, rescale)
    if guidance_scale == 1:
        return denoiser.given(y)
    times = None
    if interval is not None:  # half a step wider on both sides, so that rounding of a time cannot exclude it
        times = ((interval[0] - 1.5) * denoiser.time_scale, (interval[1] - 0.5) * denoiser.time_scale)
    return replace(denoiser, network=_Guided(denoiser.network, y, null_y, guidance_scale, times, rescale))


@dataclass(frozen=True, eq=False)
class _Guided:
    """The guided network (x_t, time) -> output, in which the first C channels, the mean, are mixed.

    times: the open interval of the network's time argument in which there is guidance; None = everywhere.
    """

    network: Network
    y: Tensor
    null_y: int
    scale: float
    times: tuple[float, float] | None
    rescale: float

    def __call__(self, x: Tensor, time: Tensor, **given: Tensor) -> Tensor:
        """given: what else the network is conditioned on, with and without the class alike."""
        if len(x) != len(self.y):
            raise DiffusionError(f"There are {len(self.y)} classes y for {len(x)} images; there must be one for each.")
        inside = None if self.times is None else (self.times[0] < time) & (time < self.times[1])
        if inside is not None and not bool(inside.any()):
            return self.network(x, time, y=self.y, **given)
        y = torch.cat([self.y, torch.full_like(self.y, self.null_y)])
        twice = {name: torch.cat([value, value]) for name, value in given.items()}
        both = self.network(torch.cat([x, x]), torch.cat([time, time]), y=y, **twice).to(x.dtype)
        out, null = both.chunk(2)
        mean, null_mean = out[:, : x.shape[1]], null[:, : x.shape[1]]
        mixed = _rescaled(null_mean + self.scale * (mean - null_mean), mean, self.rescale)
        if inside is not None:
            mixed = torch.where(inside.reshape(-1, *[1] * (x.ndim - 1)), mixed, mean)
        return torch.cat([mixed, out[:, x.shape[1] :]], dim=1)


def _rescaled(mixed: Tensor, mean: Tensor, rescale: float) -> Tensor:
    """mixed · (φ std(mean)/std(mixed) + 1 − φ), with standard deviations per image; unchanged where std(mixed) = 0."""
    if rescale == 0:
        return mixed
    over = tuple(range(1, mixed.ndim))
    std, mean_std = (image.std(over, correction=0, keepdim=True) for image in (mixed, mean))
    ratio = torch.where(std > 0, mean_std / std, torch.ones_like(std))
    return mixed * (rescale * ratio + 1 - rescale)


def _check(
    denoiser: Denoiser, y: Tensor, null_y: int, scale: float, interval: tuple[int, int] | None, rescale: float
) -> None:
    """Raises ValueError if an argument of `guided` is invalid."""
    if y.ndim != 1 or y.dtype != torch.int64:
        raise DiffusionError(
            f"Classes y must be a list of int64, one per image; got {y.dtype} of shape {tuple(y.shape)}."
        )
    if null_y < 0:
        raise DiffusionError(f"null_y must be the class number >= 0 that means 'no class'; got {null_y}.")
    if not 0 <= scale < math.inf:
        raise DiffusionError(f"The guidance scale must be a finite number >= 0, where 1 means off; got {scale:g}.")
    if not 0 <= rescale <= 1:
        raise DiffusionError(f"The guidance rescale must lie in [0, 1], where 0 means off; got {rescale:g}.")
    last = int((denoiser.schedule.full or denoiser.schedule).timesteps[-1])
    if interval is not None and not 1 <= interval[0] <= interval[1] <= last:
        raise DiffusionError(
            f"The guidance interval must be two timesteps in 1..{last} in ascending order; got "
            f"{interval[0]} to {interval[1]}."
        )
