"""The forward process q and its conditional distributions, which are Gaussians (DDPM §2)."""

from dataclasses import dataclass

from torch import Tensor

from alphabar.diffusion.schedule import NoiseSchedule

Time = int | Tensor
"""The step t in 1..T: an int for the whole batch, or int64 (B,)."""


def per_image(coefficient: Tensor, like: Tensor) -> Tensor:
    """A float64 coefficient () or (B,), in the precision and on the device of images (B, ...), ready to multiply them.

    Every coefficient of the schedule passes through this function before it is applied to images.
    """
    if coefficient.ndim == 0:
        return coefficient.to(like.dtype)
    return coefficient.to(like.dtype).to(like.device).reshape(-1, *[1] * (like.ndim - 1))


@dataclass(frozen=True, eq=False)
class Gaussian:
    """The Gaussian N(mean, exp(log_var) I) with independent elements; `log_var` broadcasts against `mean`."""

    mean: Tensor
    log_var: Tensor

    def sample(self, eps: Tensor) -> Tensor:
        """mean + σ ε for the given ε ~ N(0, I)."""
        return self.mean + (0.5 * self.log_var).exp() * eps

    def kl(self, other: "Gaussian") -> Tensor:
        """KL(self ‖ other) of each element, in nats."""
        gap = self.log_var - other.log_var
        return 0.5 * (gap.expm1() - gap + (self.mean - other.mean) ** 2 * (-other.log_var).exp())


def q_step(schedule: NoiseSchedule, x_prev: Tensor, t: Time) -> Gaussian:
    """q(x_t | x_{t−1}) = N(√α_t x_{t−1}, β_t I), DDPM Eq. 2."""
    return Gaussian(per_image(schedule.alpha[t].sqrt(), x_prev) * x_prev, per_image(schedule.beta[t].log(), x_prev))


def q_marginal(schedule: NoiseSchedule, x0: Tensor, t: Time) -> Gaussian:
    """q(x_t | x_0) = N(√ᾱ_t x_0, (1 − ᾱ_t) I), DDPM Eq. 4."""
    return Gaussian(per_image(schedule.signal[t], x0) * x0, per_image((1 - schedule.alpha_bar[t]).log(), x0))


def q_sample(schedule: NoiseSchedule, x0: Tensor, t: Time, eps: Tensor) -> Tensor:
    """x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε, DDPM Eq. 4."""
    return per_image(schedule.signal[t], x0) * x0 + per_image(schedule.width[t], x0) * eps


def q_posterior(schedule: NoiseSchedule, x0: Tensor, x_t: Tensor, t: Time) -> Gaussian:
    """q(x_{t−1} | x_t, x_0) = N(μ̃_t(x_t, x_0), β̃_t I), DDPM Eq. 6–7; at t = 1 its mean is x_0.

    log_var is the clipped log β̃_t, finite at t = 1.
    """
    return Gaussian(mu_tilde(schedule, x0, x_t, t), per_image(schedule.log_beta_tilde[t], x_t))


def mu_tilde(schedule: NoiseSchedule, x0: Tensor, x_t: Tensor, t: Time) -> Tensor:
    """μ̃_t(x_t, x_0), the mean of q(x_{t−1} | x_t, x_0), DDPM Eq. 7."""
    from_x0, from_x_t = schedule.mu_tilde
    return per_image(from_x0[t], x_t) * x0 + per_image(from_x_t[t], x_t) * x_t
