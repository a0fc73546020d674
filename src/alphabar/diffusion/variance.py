"""The variance Σ_θ(x_t, t) of the reverse step, always as a log-variance."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.process import Time, per_image
from alphabar.diffusion.schedule import NoiseSchedule


@dataclass(frozen=True)
class ReverseVariance:
    """A choice of log σ_t² of p(x_{t−1} | x_t).

    learned: whether the network has a second half of output channels for the variance.
    log_var(schedule, x_t, t, raw): log σ_t², broadcasts against x_t; `raw` is that second half (B, C, H, W), or None.
    """

    name: str
    learned: bool
    log_var: Callable[[NoiseSchedule, Tensor, Time, Tensor | None], Tensor]


def _fixed_small(schedule: NoiseSchedule, x_t: Tensor, t: Time, raw: Tensor | None) -> Tensor:
    return per_image(schedule.log_beta_tilde[t], x_t)


def _fixed_large(schedule: NoiseSchedule, x_t: Tensor, t: Time, raw: Tensor | None) -> Tensor:
    return per_image(schedule.log_beta_clipped[t], x_t)


def _learned(schedule: NoiseSchedule, x_t: Tensor, t: Time, raw: Tensor | None) -> Tensor:
    assert raw is not None, "a learned variance reads the second half of the network's channels"
    return raw


def _learned_range(schedule: NoiseSchedule, x_t: Tensor, t: Time, raw: Tensor | None) -> Tensor:
    assert raw is not None, "a learned variance reads the second half of the network's channels"
    low, high = per_image(schedule.log_beta_tilde[t], x_t), per_image(schedule.beta[t].log(), x_t)
    fraction = (raw + 1) / 2
    return fraction * high + (1 - fraction) * low


FIXED_SMALL = ReverseVariance("fixed_small", False, _fixed_small)
"""σ_t² = β̃_t, optimal if x_0 is a single point (DDPM §3.2); β̃_2 at t = 1."""

FIXED_LARGE = ReverseVariance("fixed_large", False, _fixed_large)
"""σ_t² = β_t, optimal for x_0 ~ N(0, I) (DDPM §3.2); β̃_2 at t = 1."""

LEARNED = ReverseVariance("learned", True, _learned)
"""log σ_t² is the network's output, for each pixel."""

LEARNED_RANGE = ReverseVariance("learned_range", True, _learned_range)
"""log σ_t² = f log β_t + (1 − f) log β̃_t, f = (v + 1)/2, where v is the network's output for each pixel (IDDPM Eq. 15).

v is not limited to [−1, 1]. Its values −1 and 1 mean the two bounds, which are those of the respaced chain, if it is
respaced. At t = 1 the lower bound is log β̃_2. If T = 1, both are log β_1, and there is nothing to learn.
"""


def analytic(x0_mse: Tensor, learned: bool) -> ReverseVariance:
    """σ_t² = β̃_t + (∂μ̃_t/∂x_0)² E‖x_0 − x̂_0(x_t)‖²/D, the best isotropic variance of p(x_{t−1} | x_t) for its mean μ̃_t.

    It is the mean squared distance of x_{t−1} ~ q(x_{t−1} | x_t) from μ̃_t(x_t, x̂_0), and so minimizes the bound. If the
    score s is exact, E‖x_0 − x̂_0‖²/D = (1 − ᾱ_t)/ᾱ_t · (1 − (1 − ᾱ_t) E‖s‖²/D), and this is Theorem 1 of Analytic-DPM
    (Bao et al. 2022a). The error of x̂_0 includes the errors of the network (the optimal covariance with imperfect mean,
    Bao et al. 2022b), is never negative, and is finite at ᾱ_T = 0. At t = 1, σ_1² is the error of x̂_0, the variance of
    the decoder; sampling adds no noise in the last step.

    x0_mse: E‖x_0 − x̂_0‖²/D by timestep of the network's own chain, float64 (T+1,), NaN where it was not measured (see
        `x0_error`). x̂_0 does not depend on the other steps, so the table is valid for every respacing of that chain.
    learned: whether the network has a second half of output channels, which is not read.
    """
    if x0_mse.ndim != 1 or bool((x0_mse < 0).any()) or bool(x0_mse.isinf().any()):
        raise DiffusionError(
            "The error of x̂_0 must be a list by timestep of finite numbers >= 0, or NaN if not measured."
        )

    def log_var(schedule: NoiseSchedule, x_t: Tensor, t: Time, raw: Tensor | None) -> Tensor:
        from_x0 = schedule.mu_tilde[0][t]
        variance = schedule.beta_tilde[t] + from_x0**2 * _looked_up(x0_mse, schedule.timesteps[t])
        return per_image(variance.clamp(min=torch.finfo(torch.float32).tiny).log(), x_t)  # at t = 1 it may be 0

    return ReverseVariance("analytic", learned, log_var)


def _looked_up(x0_mse: Tensor, timesteps: Tensor) -> Tensor:
    """The entries of x0_mse at `timesteps`; raises ValueError unless all of them were measured."""
    rows = timesteps.to(x0_mse.device)
    measured = len(x0_mse) > rows
    measured &= ~x0_mse[rows.clamp(max=len(x0_mse) - 1)].isnan()
    if not bool(measured.all()):
        raise DiffusionError(
            f"The variance 'analytic' needs the error of x̂_0 at timestep {int(rows[~measured].min())}, where it was "
            "not measured; measure it at every timestep that the chain visits."
        )
    return x0_mse[rows].to(timesteps.device)


def with_last_noise(variance: ReverseVariance, most: float) -> ReverseVariance:
    """`variance` with σ_2 ≤ most, for sampling, as in Analytic-DPM (Bao et al. 2022a), whose code bounds E|σ_2 ε|.

    A large σ_2 is right for the bound, but it describes errors that are correlated between neighbouring pixels. Noise
    sampled independently in each pixel with that σ_2 is more than the network expects at t = 1, and stays in the image.
    Chains that end noisier, √(1 − ᾱ_1) > most, keep their σ_2, because the last network call removes that noise.
    """

    def log_var(schedule: NoiseSchedule, x_t: Tensor, t: Time, raw: Tensor | None) -> Tensor:
        plain = variance.log_var(schedule, x_t, t, raw)
        last = (torch.as_tensor(t, device=schedule.alpha_bar.device) == 2) & (1 - schedule.alpha_bar[1] <= most**2)
        ceiling = schedule.alpha_bar.new_tensor([math.inf, 2 * math.log(most)])[last.long()]
        return plain.minimum(per_image(ceiling, x_t))

    return replace(variance, log_var=log_var)


VARIANCES: dict[str, ReverseVariance] = {
    "fixed_small": FIXED_SMALL,
    "fixed_large": FIXED_LARGE,
    "learned": LEARNED,
    "learned_range": LEARNED_RANGE,
}
