"""The named noise schedules. One function of T each, and one line in SCHEDULES."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.schedule import NoiseSchedule, from_alpha_bar, from_betas


def _linspace(start: float, end: float, steps: int) -> Tensor:
    return torch.linspace(start, end, steps, dtype=torch.float64)


def linear(T: int, beta_start: float = 1e-4, beta_end: float = 0.02) -> NoiseSchedule:
    """β linear from 1e-4 to 0.02 (DDPM §4), times 1000/T, so that ᾱ_T hardly depends on T (IDDPM)."""
    scale = 1000 / T
    if scale * beta_end >= 1:
        raise DiffusionError(
            f"The linear schedule scales β by 1000/T, so β_T = {scale * beta_end:g} is not below 1 for T = {T}; "
            f"use T > {math.floor(1000 * beta_end)} or the schedule 'cosine'."
        )
    return from_betas(_linspace(scale * beta_start, scale * beta_end, T))


def linear_raw(T: int, beta_start: float = 1e-4, beta_end: float = 0.02) -> NoiseSchedule:
    """β linear from 1e-4 to 0.02 for every T, as in Ho's code and in diffusers."""
    return from_betas(_linspace(beta_start, beta_end, T))


def quadratic(T: int, beta_start: float = 1e-4, beta_end: float = 0.02) -> NoiseSchedule:
    """√β linear from √1e-4 to √0.02 (Ho's "quad", diffusers' "scaled_linear")."""
    return from_betas(_linspace(beta_start**0.5, beta_end**0.5, T) ** 2)


def constant(T: int, beta: float = 0.02) -> NoiseSchedule:
    """β = 0.02 at every step (Ho's "const")."""
    return from_betas(torch.full((T,), beta, dtype=torch.float64))


def jsd(T: int) -> NoiseSchedule:
    """β_t = 1/(T − t + 1), that is ᾱ_t = 1 − t/T (Sohl-Dickstein et al. 2015); ᾱ_T = 0."""
    return from_betas(1 / _linspace(T, 1, T))


def warmup(T: int, fraction: float, beta_start: float = 1e-4, beta_end: float = 0.02) -> NoiseSchedule:
    """β linear over the first `fraction` of the chain, then constant (Ho's "warmup10", "warmup50")."""
    betas = torch.full((T,), beta_end, dtype=torch.float64)
    ramp = int(T * fraction)
    betas[:ramp] = _linspace(beta_start, beta_end, ramp)
    return from_betas(betas)


def warmup10(T: int) -> NoiseSchedule:
    """β linear over the first tenth of the chain, then constant (Ho's "warmup10")."""
    return warmup(T, 0.1)


def warmup50(T: int) -> NoiseSchedule:
    """β linear over the first half of the chain, then constant (Ho's "warmup50")."""
    return warmup(T, 0.5)


def sigmoid(T: int, start: float = -3.0, end: float = 3.0, tau: float = 1.0) -> NoiseSchedule:
    """ᾱ is a logistic curve between `start` and `end`, scaled to go from 1 to 0 (Jabri et al. 2022, Alg. 1)."""
    u = (start + (end - start) * _linspace(0, 1, T + 1)) / tau
    floor = torch.sigmoid(-u[-1])
    return from_alpha_bar((torch.sigmoid(-u) - floor) / (torch.sigmoid(-u[0]) - floor), max_beta=0.999)


def cosine(T: int, s: float = 0.008, max_beta: float = 0.999) -> NoiseSchedule:
    """ᾱ_t = f(t)/f(0), f(t) = cos²((t/T + s)/(1 + s) · π/2), with β_t ≤ 0.999 (IDDPM Eq. 17)."""
    u = _linspace(0, 1, T + 1)
    return from_alpha_bar(torch.cos((u + s) / (1 + s) * (math.pi / 2)) ** 2, max_beta=max_beta)


LOG_SNR = (13.3, -5.0)
"""log SNR_t = log(ᾱ_t / (1 − ᾱ_t)) at t = 1 and t = T of the schedule log_snr (Kingma et al. 2021, App. H)."""


def log_snr(T: int, first: float = LOG_SNR[0], last: float = LOG_SNR[1]) -> NoiseSchedule:
    """log SNR_t linear in t from `first` at t = 1 to `last` at t = T (Kingma et al. 2021, App. H).

    Every term L_{t−1} then weighs the squared error of ε̂ alike, as T → ∞. A chain of one step has `last`.
    """
    if not first > last:
        raise DiffusionError(
            f"The log-SNR must fall along the chain; got {first:g} at its start and {last:g} at its end."
        )
    levels = _linspace(first, last, T) if T > 1 else torch.tensor([last], dtype=torch.float64)
    return from_alpha_bar(torch.cat([torch.ones(1, dtype=torch.float64), torch.sigmoid(levels)]))


SCHEDULES: dict[str, Callable[[int], NoiseSchedule]] = {
    "linear": linear,
    "linear_raw": linear_raw,
    "quadratic": quadratic,
    "constant": constant,
    "jsd": jsd,
    "warmup10": warmup10,
    "warmup50": warmup50,
    "sigmoid": sigmoid,
    "cosine": cosine,
    "log_snr": log_snr,
}
