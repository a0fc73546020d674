"""How Σ_θ(x_t, t) of the reverse step is chosen; always as a log-variance."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from alphabar.diffusion.process import Time, per_image
from alphabar.diffusion.schedule import NoiseSchedule


@dataclass(frozen=True)
class ReverseVariance:
    """log σ_t² of p(x_{t−1} | x_t).

    learned: whether the network has a second half of output channels for it.
    log_var(schedule, x_t, t, raw): broadcasts against x_t; `raw` is that second half, (B, C, H, W), or None.
    """

    name: str
    learned: bool
    log_var: Callable[[NoiseSchedule, Tensor, Time, Tensor | None], Tensor]


def _fixed_small(schedule: NoiseSchedule, x_t: Tensor, t: Time, raw: Tensor | None) -> Tensor:
    return per_image(schedule.log_beta_tilde[t], x_t)


def _fixed_large(schedule: NoiseSchedule, x_t: Tensor, t: Time, raw: Tensor | None) -> Tensor:
    # The first step borrows the posterior's width "to get a better decoder log likelihood" (Ho's code).
    table = torch.cat([schedule.log_beta_tilde[:2], schedule.beta[2:].log()])
    return per_image(table[t], x_t)


def _learned(schedule: NoiseSchedule, x_t: Tensor, t: Time, raw: Tensor | None) -> Tensor:
    assert raw is not None, "a learned variance reads the second half of the network's channels"
    return raw


def _learned_range(schedule: NoiseSchedule, x_t: Tensor, t: Time, raw: Tensor | None) -> Tensor:
    assert raw is not None, "a learned variance reads the second half of the network's channels"
    low, high = per_image(schedule.log_beta_tilde[t], x_t), per_image(schedule.beta[t].log(), x_t)
    fraction = (raw + 1) / 2
    return fraction * high + (1 - fraction) * low


FIXED_SMALL = ReverseVariance("fixed_small", False, _fixed_small)
"""σ_t² = β̃_t, optimal for x_0 a single point (DDPM §3.2); at t = 1 it takes β̃_2."""

FIXED_LARGE = ReverseVariance("fixed_large", False, _fixed_large)
"""σ_t² = β_t, optimal for x_0 ~ N(0, I) (DDPM §3.2); at t = 1 it takes β̃_2."""

LEARNED = ReverseVariance("learned", True, _learned)
"""log σ_t² is what the network says, pixel by pixel."""

LEARNED_RANGE = ReverseVariance("learned_range", True, _learned_range)
"""log σ_t² = f log β_t + (1 − f) log β̃_t, f = (v + 1)/2 for the network's v, pixel by pixel (IDDPM Eq. 15).

v is not squashed: −1 and 1 stand for the two bounds, which follow the chain when it is respaced. At t = 1 the lower one
is log β̃_2; both are log β_1 if T = 1, where there is nothing to learn.
"""

VARIANCES: dict[str, ReverseVariance] = {v.name: v for v in (FIXED_SMALL, FIXED_LARGE, LEARNED, LEARNED_RANGE)}
