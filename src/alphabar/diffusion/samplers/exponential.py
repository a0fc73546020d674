"""The exponential integrator in λ = half_log_snr that DPM-Solver++ and UniPC step with.

With α = √ᾱ and σ = √(1 − ᾱ), the flow from λ_t to λ_s is x_s = (σ_s/σ_t) x_t + σ_s ∫ e^λ x̂_0(λ) dλ (DPM-Solver++
Eq. 8): the linear part is solved exactly, and each method estimates x̂_0 within the step from the last few values.
"""

from torch import Tensor

from alphabar.diffusion.process import per_image
from alphabar.diffusion.samplers.sampler import Noise
from alphabar.diffusion.schedule import NoiseSchedule


def log_snr_gap(schedule: NoiseSchedule, t: int, s: int) -> Tensor:
    """h = λ_s − λ_t, from level t down to s < t; ∞ if s = 0 or ᾱ_t = 0."""
    return schedule.half_log_snr[s] - schedule.half_log_snr[t]


def exponential_step(
    schedule: NoiseSchedule, x: Tensor, x0: Tensor, t: int, s: int, eta: float = 0.0, noise: Noise | None = None
) -> Tensor:
    """x_s = (σ_s/σ_t) e^{−ηh} x_t + α_s (1 − e^{−(1+η)h}) x̂_0 + σ_s √(1 − e^{−2ηh}) z, exact where x̂_0 is constant.

    eta: 0 is the flow (of first order, as here: DDIM), 1 the reverse SDE (SDE-DPM-Solver++, ibid. §4.3); in between as
    in k-diffusion. With η = 0, or s = 0, no noise is sampled.
    """
    signal, width = schedule.signal, schedule.width
    decay = (signal[t] * width[s]) / (signal[s] * width[t])  # e^{−h}, 0 where h = ∞
    kept = width[s] / width[t] * decay**eta
    x_s = per_image(kept, x) * x + per_image(signal[s] * (1 - decay ** (1 + eta)), x) * x0
    if noise is None or eta == 0 or s == 0:
        return x_s
    return x_s + per_image(width[s] * (1 - decay ** (2 * eta)).sqrt(), x) * noise(x)
