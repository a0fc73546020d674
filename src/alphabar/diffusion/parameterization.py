"""Parameterizations: what the network outputs. Each has a regression target and a conversion of the output to x̂_0."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from alphabar.diffusion.process import Time, mu_tilde, per_image, q_sample
from alphabar.diffusion.schedule import NoiseSchedule


@dataclass(frozen=True)
class Parameterization:
    """A meaning of the network's output at step t: a linear function of x_0 and ε.

    target(schedule, x0, eps, t): the regression target for x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε.
    to_x0(schedule, output, x_t, t): the x̂_0 that the output means; the inverse of `target`.
    """

    name: str
    target: Callable[[NoiseSchedule, Tensor, Tensor, Time], Tensor]
    to_x0: Callable[[NoiseSchedule, Tensor, Tensor, Time], Tensor]


def eps_to_x0(schedule: NoiseSchedule, eps: Tensor, x_t: Tensor, t: Time) -> Tensor:
    """x̂_0 = (x_t − √(1 − ᾱ_t) ε̂) / √ᾱ_t, DDPM Eq. 4 solved for x_0; infinite where ᾱ_t = 0."""
    return (x_t - per_image(schedule.width[t], x_t) * eps) / per_image(schedule.signal[t], x_t)


def x0_to_eps(schedule: NoiseSchedule, x0: Tensor, x_t: Tensor, t: Time) -> Tensor:
    """ε̂ = (x_t − √ᾱ_t x̂_0) / √(1 − ᾱ_t), DDPM Eq. 4 solved for ε."""
    return (x_t - per_image(schedule.signal[t], x_t) * x0) / per_image(schedule.width[t], x_t)


def _mu_target(schedule: NoiseSchedule, x0: Tensor, eps: Tensor, t: Time) -> Tensor:
    return mu_tilde(schedule, x0, q_sample(schedule, x0, t, eps), t)


def _mu_to_x0(schedule: NoiseSchedule, mu: Tensor, x_t: Tensor, t: Time) -> Tensor:
    from_x0, from_x_t = schedule.mu_tilde
    return (mu - per_image(from_x_t[t], x_t) * x_t) / per_image(from_x0[t], x_t)


def _v_target(schedule: NoiseSchedule, x0: Tensor, eps: Tensor, t: Time) -> Tensor:
    return per_image(schedule.signal[t], x0) * eps - per_image(schedule.width[t], x0) * x0


def _v_to_x0(schedule: NoiseSchedule, v: Tensor, x_t: Tensor, t: Time) -> Tensor:
    return per_image(schedule.signal[t], x_t) * x_t - per_image(schedule.width[t], x_t) * v


EPS = Parameterization("eps", lambda schedule, x0, eps, t: eps, eps_to_x0)
"""ε, the noise (DDPM §3.2)."""

X0 = Parameterization("x0", lambda schedule, x0, eps, t: x0, lambda schedule, x0, x_t, t: x0)
"""x_0, the image."""

MU = Parameterization("mu", _mu_target, _mu_to_x0)
"""μ̃_t(x_t, x_0), the mean of the posterior (DDPM Eq. 8).

The output is converted to x̂_0, so that clipping also affects the reverse mean. Ho's code uses the raw output instead.
"""

V = Parameterization("v", _v_target, _v_to_x0)
"""v = √ᾱ_t ε − √(1 − ᾱ_t) x_0 (Salimans & Ho 2022, App. D)."""

PARAMETERIZATIONS: dict[str, Parameterization] = {"eps": EPS, "x0": X0, "mu": MU, "v": V}
