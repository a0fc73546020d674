"""How training samples t: uniformly, evenly within each batch, or by importance. One line each in TIMESTEP_SAMPLERS."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.learned_timesteps import LearnedTimesteps


class TimestepSampler(Protocol):
    """Samples t ~ p(t) with weights w, so that E[w · loss(t)] is the mean of loss over t = 1..T.

    A sampler that learns nothing from the losses inherits all methods but `sample`.
    """

    def sample(self, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """t (batch,) int64 in 1..T and w (batch,) float32, from torch's default generator of `device`.

        `device` is the schedule's, which supports float64.
        """
        ...

    def update(self, t: Tensor, loss: Tensor) -> None:
        """Learn from the losses at t (batch,).

        loss: (batch,) the terms of the bound, T · L_{t−1} before any weight: "vlb" of `training_loss`.
        """

    def state_dict(self) -> dict[str, Tensor]:
        """The state that a checkpoint must hold for an exact resume."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from `state_dict`."""


@dataclass(frozen=True)
class Uniform(TimestepSampler):
    """Every t is equally likely (DDPM Alg. 1)."""

    T: int

    def sample(self, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """t ~ Uniform{1..T}, weight 1."""
        return torch.randint(1, self.T + 1, (batch,), device=device), torch.ones(batch, device=device)


@dataclass(frozen=True)
class Antithetic(TimestepSampler):
    """t_i = 1 + ⌊T · frac(u + i/B)⌋ with one u ~ Uniform[0, 1): one t in each B-th part of the chain.

    The low-discrepancy sampler of Kingma et al. 2021 (VDM). Each t_i alone is uniform over 1..T, weight 1; the mean of
    a smooth loss over all of them varies less than over independent ones.
    """

    T: int

    def sample(self, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """One u for the whole batch."""
        u = torch.rand((), device=device, dtype=torch.float64)
        place = (u + torch.arange(batch, device=device, dtype=torch.float64) / batch) % 1
        t = (place * self.T).long().clamp(max=self.T - 1) + 1
        return t, torch.ones(batch, device=device)


@dataclass(eq=False)
class LossSecondMoment(TimestepSampler):
    """Importance sampling of the bound (IDDPM §3.3): p(t) ∝ √E[L_t²] over the last `history_per_term` losses of each t.

    It is mixed with `uniform_prob` of the uniform distribution, and is uniform until every t has that many losses. The
    weight 1 / (T · p(t)) makes up for p, so that E[weight · loss] does not change. Nothing here makes the host wait for
    the device. A loss that is not finite is left out.

    history: (T + 1, history_per_term) float64, newest last; row 0 stays 0.
    count: (T + 1,) int64, how many entries of each row are losses, counted from the right.
    """

    T: int
    history_per_term: int = 10
    uniform_prob: float = 0.001
    history: Tensor = field(init=False, repr=False)
    count: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.history = torch.zeros(self.T + 1, self.history_per_term, dtype=torch.float64)
        self.count = torch.zeros(self.T + 1, dtype=torch.int64)

    def p(self) -> Tensor:
        """(T,) float64: p(t) in column t − 1."""
        uniform = torch.full_like(self.history[1:, 0], 1 / self.T)
        size = self.history[1:].square().mean(1).sqrt()
        mixed = (1 - self.uniform_prob) * size / size.sum() + self.uniform_prob * uniform
        known = (self.count[1:] == self.history_per_term).all() & (size.sum() > 0)
        return torch.where(known, mixed, uniform)

    def sample(self, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """t ~ p(t), weight 1 / (T · p(t))."""
        self.history, self.count = self.history.to(device), self.count.to(device)
        p = self.p()
        edges = p.cumsum(0)
        u = torch.rand(batch, device=device, dtype=torch.float64) * edges[-1]
        column = torch.searchsorted(edges, u, right=True).clamp(max=self.T - 1)
        return column + 1, (1 / (self.T * p[column])).float()

    def update(self, t: Tensor, loss: Tensor) -> None:
        """Append each loss to the history of its t, in the order of the batch; the oldest are dropped."""
        t, loss = t.to(self.history.device), loss.detach().to(self.history.device).double()
        row = torch.where(loss.isfinite(), t, 0)  # row 0 takes what is left out
        row, order = row.sort(stable=True)
        new = torch.zeros_like(self.count).index_add_(0, row, torch.ones_like(row))
        column = torch.arange(len(row), device=row.device) - torch.searchsorted(row, row)  # 0, 1, .. within each t
        column = column + self.history_per_term - new[row]  # the newest goes last; negative: pushed out at once
        place = torch.where(column < 0, 0, row * self.history_per_term + column)
        shifted = torch.arange(self.history_per_term, device=row.device) + new[:, None]
        history = self.history.gather(1, shifted.clamp(max=self.history_per_term - 1))
        self.history = history.flatten().index_put((place,), loss[order]).reshape(history.shape)
        self.history[0] = 0
        self.count = (self.count + new).clamp(max=self.history_per_term)
        self.count[0] = 0

    def state_dict(self) -> dict[str, Tensor]:
        """The history and its counts."""
        return {"history": self.history, "count": self.count}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from `state_dict`; ValueError if it is of another chain or another length of history."""
        if state["history"].shape != self.history.shape:
            raise DiffusionError(
                f"The history of losses in the checkpoint is {tuple(state['history'].shape)}, this run's is "
                f"{tuple(self.history.shape)}: (steps + 1, losses kept per step)."
            )
        if state["count"].shape != self.count.shape or not 0 <= state["count"].min() <= state["count"].max() <= (
            self.history_per_term
        ):
            raise DiffusionError(f"The counts of losses in the checkpoint must lie in 0..{self.history_per_term}.")
        self.history, self.count = (state[name].to(self.history.device).clone() for name in ("history", "count"))


TIMESTEP_SAMPLERS: dict[str, Callable[[int], TimestepSampler]] = {
    "uniform": Uniform,
    "antithetic": Antithetic,
    "loss_second_moment": LossSecondMoment,
    "learned": LearnedTimesteps,
}
"""T -> how t is sampled from 1..T."""
