"""The noise schedule: the table ᾱ_t, t = 0..T, from which all other coefficients of a DDPM follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from alphabar.diffusion.errors import DiffusionError


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """ᾱ_t = ∏_{s≤t} (1 − β_s) for t = 0..T (DDPM §2), indexed as in the papers: row 0 is the data, ᾱ_0 = 1.

    alpha_bar: (T+1,) float64, non-increasing from 1.
    timesteps: (T+1,) int64, the row of each step in the chain that the network was trained on; 0..T unless respaced.
    full: the chain that the network was trained on, if this one is a respacing of it.
    """

    alpha_bar: Tensor
    timesteps: Tensor
    full: "NoiseSchedule | None" = None

    @property
    def T(self) -> int:
        """The number of steps of the chain."""
        return len(self.alpha_bar) - 1

    @cached_property
    def signal(self) -> Tensor:
        """√ᾱ_t, the weight of the image in x_t (DDPM Eq. 4)."""
        return self.alpha_bar.sqrt()

    @cached_property
    def width(self) -> Tensor:
        """√(1 − ᾱ_t), the weight of the noise in x_t (DDPM Eq. 4)."""
        return (1 - self.alpha_bar).sqrt()

    @cached_property
    def alpha(self) -> Tensor:
        """α_t = ᾱ_t / ᾱ_{t−1} = 1 − β_t; α_0 = 1."""
        return torch.cat([self.alpha_bar[:1], self.alpha_bar[1:] / self.alpha_bar[:-1]])

    @cached_property
    def beta(self) -> Tensor:
        """β_t = 1 − α_t, the variance that step t adds; β_0 = 0."""
        return 1 - self.alpha

    @cached_property
    def beta_tilde(self) -> Tensor:
        """β̃_t = β_t (1 − ᾱ_{t−1}) / (1 − ᾱ_t), the variance of q(x_{t−1} | x_t, x_0), DDPM Eq. 7; β̃_1 = 0."""
        tilde = self.beta[1:] * (1 - self.alpha_bar[:-1]) / (1 - self.alpha_bar[1:])
        return torch.cat([torch.zeros_like(tilde[:1]), tilde])

    @cached_property
    def log_beta_tilde(self) -> Tensor:
        """log β̃_t with β̃_1 = 0 replaced by β̃_2 (by β_1 when T = 1), so that the decoder has a finite width."""
        first = self.beta_tilde[2:3] if self.T > 1 else self.beta[1:2]
        return torch.cat([first, first, self.beta_tilde[2:]]).log()

    @cached_property
    def log_beta_clipped(self) -> Tensor:
        """log β_t with β_1 replaced as β̃_1 is: "to get a better decoder log likelihood" (Ho's code)."""
        return torch.cat([self.log_beta_tilde[:2], self.beta[2:].log()])

    @cached_property
    def mu_tilde(self) -> tuple[Tensor, Tensor]:
        """The weights of x_0 and of x_t in μ̃_t, DDPM Eq. 7: √ᾱ_{t−1} β_t / (1 − ᾱ_t), √α_t (1 − ᾱ_{t−1}) / (1 − ᾱ_t).

        There is no step t = 0; its row is 1 and 0, which is the image.
        """
        alpha_bar, alpha_bar_prev = self.alpha_bar[1:], self.alpha_bar[:-1]
        from_x0 = alpha_bar_prev.sqrt() * self.beta[1:] / (1 - alpha_bar)
        from_x_t = self.alpha[1:].sqrt() * (1 - alpha_bar_prev) / (1 - alpha_bar)
        return torch.cat([self.alpha[:1], from_x0]), torch.cat([self.beta[:1], from_x_t])

    @cached_property
    def half_log_snr(self) -> Tensor:
        """λ_t = ½ log(ᾱ_t / (1 − ᾱ_t)); +∞ at t = 0, −∞ where ᾱ_t = 0."""
        return 0.5 * (self.alpha_bar.log() - (1 - self.alpha_bar).log())

    @cached_property
    def ends_in_pure_noise(self) -> bool:
        """Whether ᾱ_T = 0. Then x_T has no information on x_0, and ε̂ does not determine x̂_0."""
        return float(self.alpha_bar[-1]) == 0.0

    def respace(self, rows: Sequence[int]) -> "NoiseSchedule":
        """The shorter chain that visits only `rows`, 1 ≤ rows[0] < rows[1] < ... ≤ T (IDDPM §4)."""
        index = torch.tensor([0, *checked_rows(rows, self.T)], device=self.alpha_bar.device)
        return NoiseSchedule(self.alpha_bar[index], self.timesteps[index], self.full or self)

    def trained(self, t: int | Tensor) -> tuple["NoiseSchedule", int | Tensor]:
        """The chain that the network was trained on, and the row, () or (B,), of this chain's step t in it."""
        return (self, t) if self.full is None else (self.full, self._trained_rows[t])

    @cached_property
    def _trained_rows(self) -> Tensor:
        assert self.full is not None, "only a respaced chain has another one behind it"
        return torch.searchsorted(self.full.timesteps, self.timesteps)

    def to(self, device: torch.device | str) -> "NoiseSchedule":
        """The schedule with its tables on `device`, which must support float64 (for MPS, keep them on the CPU)."""
        full = None if self.full is None else self.full.to(device)
        return NoiseSchedule(self.alpha_bar.to(device), self.timesteps.to(device), full)


def checked_rows(rows: Sequence[int], T: int) -> list[int]:
    """`rows` as a list; raises ValueError unless 1 ≤ rows[0] < rows[1] < ... ≤ T."""
    if not rows or rows[0] < 1 or rows[-1] > T or any(a >= b for a, b in pairwise(rows)):
        raise DiffusionError(f"Timesteps must increase strictly within 1..{T}; got {_shorten(rows)}.")
    return list(rows)


def _shorten(rows: Sequence[int]) -> str:
    return str(list(rows)) if len(rows) <= 8 else f"[{rows[0]}, {rows[1]}, ..., {rows[-1]}]"


def from_betas(betas: Tensor | Sequence[float]) -> NoiseSchedule:
    """The schedule with the given β_1..β_T, 0 < β ≤ 1."""
    beta = torch.as_tensor(betas, dtype=torch.float64)
    if beta.ndim != 1 or not len(beta):
        raise DiffusionError(f"A schedule needs a list of at least one β; got the shape {tuple(beta.shape)}.")
    if not bool(((beta > 0) & (beta <= 1)).all()):
        raise DiffusionError(
            f"Every β must lie in (0, 1]; got values from {float(beta.min()):g} to {float(beta.max()):g}."
        )
    if bool((beta[:-1] == 1).any()):
        raise DiffusionError("Only the last β may be 1, because such a step removes the whole image.")
    alpha_bar = torch.cat([torch.ones(1, dtype=torch.float64), (1 - beta).cumprod(0)])
    if not bool((alpha_bar.diff() < 0).all()):
        raise DiffusionError(
            f"ᾱ_t and ᾱ_(t−1) are equal in float64 at one of the {len(beta)} steps; use larger β or fewer steps."
        )
    return NoiseSchedule(alpha_bar, torch.arange(len(alpha_bar)))


def from_alpha_bar(alpha_bar: Tensor | Sequence[float], max_beta: float = 1.0) -> NoiseSchedule:
    """The schedule with the given ᾱ_0..ᾱ_T up to a factor, where every β_t = 1 − ᾱ_t/ᾱ_{t−1} is at most `max_beta`."""
    table = torch.as_tensor(alpha_bar, dtype=torch.float64)
    if table.ndim != 1 or len(table) < 2:
        raise DiffusionError(f"ᾱ must list T + 1 ≥ 2 values for t = 0..T; got the shape {tuple(table.shape)}.")
    if not bool((table >= 0).all()):
        raise DiffusionError(f"Every ᾱ_t must be at least 0; the smallest is {float(table.min()):g}.")
    return from_betas((1 - table[1:] / table[:-1]).clamp(max=max_beta))
