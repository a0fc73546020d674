"""β_1..β_T of diffusers' schedules, in float64, and the name that a table of β has here."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from alphabar.diffusion import SCHEDULES, from_betas
from alphabar.diffusion.schedule import NoiseSchedule
from alphabar.diffusion.schedules import cosine
from alphabar.errors import AlphabarError


def _line(start: float, end: float, T: int) -> Tensor:
    return torch.linspace(start, end, T, dtype=torch.float64)


def _of_alpha_bar(T: int, alpha_bar: Callable[[float], float]) -> Tensor:
    """β_t = min(1 − ᾱ(t/T)/ᾱ((t − 1)/T), 0.999)."""
    table = [alpha_bar(t / T) for t in range(T + 1)]
    return torch.tensor([min(1 - table[t + 1] / table[t], 0.999) for t in range(T)], dtype=torch.float64)


def _laplace(u: float) -> float:
    snr = math.exp(-0.5 * math.copysign(1, 0.5 - u) * math.log(1 - 2 * abs(0.5 - u) + 1e-6))
    return math.sqrt(snr / (1 + snr))


TABLES: dict[str, Callable[[float, float, int], Tensor]] = {
    "linear": _line,
    "scaled_linear": lambda start, end, T: _line(start**0.5, end**0.5, T) ** 2,
    "squaredcos_cap_v2": lambda start, end, T: cosine(T).beta[1:],
    "sigmoid": lambda start, end, T: torch.sigmoid(_line(-6, 6, T)) * (end - start) + start,
    "laplace": lambda start, end, T: _of_alpha_bar(T, _laplace),
}
"""`beta_schedule` -> (beta_start, beta_end, T) -> β. They do not depend on T as our "linear" does."""


def betas(scheduler: Mapping[str, Any], source: str) -> Tensor:
    """β_1..β_T of a scheduler's config, float64."""
    if (trained := scheduler["trained_betas"]) is not None:
        table = torch.as_tensor(trained, dtype=torch.float64)
    else:
        name = scheduler["beta_schedule"]
        if name not in TABLES:
            raise AlphabarError(f"{source} has the beta_schedule {name!r:.40}; it must be one of {', '.join(TABLES)}.")
        ends = (scheduler["beta_start"], scheduler["beta_end"])
        if not all(0 < end < 1 for end in ends):
            raise AlphabarError(f"{source} has beta_start={ends[0]} and beta_end={ends[1]}; both must lie in (0, 1).")
        table = TABLES[name](*ends, max(1, scheduler["num_train_timesteps"]))
    return _to_zero_snr(table) if scheduler["rescale_betas_zero_snr"] else table


def _to_zero_snr(table: Tensor) -> Tensor:
    """√ᾱ shifted and scaled so that it ends at 0 and begins where it did (Lin et al. 2023, Alg. 1)."""
    root = (1 - table).cumprod(0).sqrt()
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    alpha_bar = root**2
    return 1 - torch.cat([alpha_bar[:1], alpha_bar[1:] / alpha_bar[:-1]])


def named(table: Tensor) -> str | None:
    """The name of the schedule with these β here; None if it has none."""
    return next((name for name, make in SCHEDULES.items() if _is(table, make)), None)


def _is(table: Tensor, make: Callable[[int], NoiseSchedule]) -> bool:
    try:
        own = make(len(table)).beta[1:]
    except ValueError:  # no such chain has so few steps
        return False
    return torch.allclose(own, table, rtol=1e-6, atol=0)


def chain(table: Tensor | Sequence[float]) -> dict[str, Any]:
    """The settings of [diffusion] for these β."""
    beta = torch.as_tensor(table, dtype=torch.float64)
    from_betas(beta)  # says what is wrong with them
    name = named(beta)
    return {"steps": len(beta), **({"schedule": name} if name else {"betas": beta.tolist()})}


def foreign(beta: Tensor) -> dict[str, Any]:
    """The fields of a scheduler's config for β_1..β_T."""
    for name, make in TABLES.items():
        if name != "laplace" and torch.allclose(make(1e-4, 0.02, len(beta)), beta, rtol=1e-6, atol=0):
            return {"beta_schedule": name, "beta_start": 1e-4, "beta_end": 0.02, "trained_betas": None}
    return {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02, "trained_betas": beta.tolist()}
