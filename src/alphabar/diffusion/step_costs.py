"""What each step of a shorter chain costs: the terms of the bound of all respacings, from one network call for each t.

x̂_0(x_t) depends on t and not on the other steps, so one call at t gives the term of the step from t to any s < t.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from alphabar.diffusion.decoder import discretized_log_prob
from alphabar.diffusion.denoiser import Denoiser, Prediction
from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.likelihood import predicted, prior_term, term_of
from alphabar.diffusion.process import q_sample
from alphabar.diffusion.schedule import NoiseSchedule
from alphabar.diffusion.spacing import spaced

NODES = 16
"""Variances at which the decoder is computed for each t; between them L_0 is interpolated, to about 1e-6 bits."""


@dataclass(frozen=True, eq=False)
class StepCosts:
    """The terms of the bound of each step between M candidate timesteps, bits/dim, float64, the means over images.

    rows: the candidates, ascending timesteps of the network's own chain.
    prior: (M,) L_T of a chain that starts at rows[j].
    steps: (M, M) the term of the step from rows[j] to rows[i] at [i, j], i < j; NaN elsewhere.
    decoder: (M, M) L_0 of a chain that ends rows[j], rows[i], x_0, at [i, j], i < j; at [i, i] that of the chain which
        has rows[i] alone. It depends on rows[j] because fixed and bounded variances replace β̃_1 = 0 by β̃_2.
    """

    rows: tuple[int, ...]
    prior: Tensor
    steps: Tensor
    decoder: Tensor

    def bound(self, rows: Sequence[int]) -> float:
        """The bound of the chain that visits `rows`, some of the candidates, ascending."""
        if not rows or not set(rows) <= set(self.rows):
            raise DiffusionError(f"The costs of steps are known between the timesteps {self.rows}; got {list(rows)}.")
        places = [self.rows.index(row) for row in rows]
        total = self.prior[places[-1]] + self.decoder[places[0], places[min(1, len(places) - 1)]]
        for i, j in pairwise(places):
            total = total + self.steps[i, j]
        return float(total)


def candidates(schedule: NoiseSchedule, count: int) -> list[int]:
    """At most `count` ≥ 2 timesteps to choose from: all, or a grid in log-SNR and a quadratic one, half each."""
    if count >= schedule.T:
        return list(range(1, schedule.T + 1))
    return sorted({row for name in ("half_log_snr", "quadratic") for row in spaced(schedule, name, count // 2)})


def step_costs(
    denoiser: Denoiser,
    x0: Tensor,
    rows: Sequence[int],
    noise: Callable[[int], Tensor],
    watch: Callable[[], object] = lambda: None,
) -> StepCosts:
    """The costs for the images x0 (B, C, H, W), by one call of the network at each of `rows`.

    denoiser: on the network's own chain. Its variance may depend on the chain through β_t and β̃_t alone.
    noise: t -> ε like x0, one sample for all steps from t. watch: is called after each timestep.
    """
    M = len(rows)
    prior, steps, decoder = (torch.full(shape, math.nan, dtype=torch.float64) for shape in ((M,), (M, M), (M, M)))
    for j, t in enumerate(rows):
        terms = _Terms.of(denoiser, x0, t, noise(t))
        prior[j] = prior_term(denoiser.schedule.respace([t]), x0).mean()
        for i in range(j):
            steps[i, j] = terms.mean(denoiser.schedule.respace([rows[i], t]), 2)
        decoder[j, j] = terms.mean(denoiser.schedule.respace([t]), 1)
        decoder[j, j + 1 :] = _decoder_terms(terms, denoiser.schedule, t, rows[j + 1 :])
        watch()
    return StepCosts(tuple(rows), prior, steps, decoder)


def mean_costs(parts: Sequence[tuple[int, StepCosts]]) -> StepCosts:
    """The costs for all images, from those of batches with the numbers of their images."""
    count = sum(size for size, _ in parts)

    def mean(tables: Iterable[Tensor]) -> Tensor:
        weighted = [table * (size / count) for (size, _), table in zip(parts, tables, strict=True)]
        return torch.stack(weighted).sum(0)

    columns = zip(*((costs.prior, costs.steps, costs.decoder) for _, costs in parts), strict=True)
    return StepCosts(parts[0][1].rows, *map(mean, columns))


@dataclass(frozen=True, eq=False)
class _Terms:
    """A call of the network at x_t, from which the term of a step from there follows on any chain."""

    denoiser: Denoiser
    x0: Tensor
    prediction: Prediction
    raw: Tensor | None

    @classmethod
    def of(cls, denoiser: Denoiser, x0: Tensor, t: int, eps: Tensor) -> "_Terms":
        with torch.no_grad():
            x_t = q_sample(denoiser.schedule, x0, t, eps)
            output = denoiser.output(x_t, t)
            prediction = predicted(denoiser, output, x_t, t)
        raw = None if output.variance is None else output.variance.to(prediction.x0)
        return cls(denoiser, x0.to(prediction.x0), prediction, raw)

    def mean(self, chain: NoiseSchedule, row: int) -> float:
        """The term of step `row` of a chain that has this x_t there; the mean over images, bits/dim."""
        x_t = self.prediction.x_t
        log_var = self.denoiser.variance.log_var(chain, x_t, row, self.raw)
        prediction = replace(self.prediction, log_var=log_var, schedule=chain, t=row)
        return float(term_of(chain, prediction, self.x0, x_t, row, discretized_log_prob).mean())


def _decoder_terms(terms: _Terms, full: NoiseSchedule, t: int, following: Sequence[int]) -> Tensor:
    """L_0 at t of the chains whose second step is from each of `following`; (len(following),).

    They are values of one smooth function of log β̃_2. If there are many, it is computed at Chebyshev's nodes only.
    """
    chains = [full.respace([t, later]) for later in following]
    if len(chains) <= NODES:
        return torch.tensor([terms.mean(chain, 1) for chain in chains], dtype=torch.float64)
    wanted = torch.stack([chain.log_beta_tilde[2] for chain in chains]).cpu()
    low, high = wanted.min(), wanted.max()
    angles = (torch.arange(NODES, dtype=torch.float64) + 0.5) * (math.pi / NODES)
    nodes = low + (high - low) * (angles.cos() + 1) / 2
    values = torch.tensor([terms.mean(_with_second(full, t, float(node)), 1) for node in nodes], dtype=torch.float64)
    orders = torch.arange(NODES, dtype=torch.float64)
    coefficients = torch.linalg.solve((angles[:, None] * orders).cos(), values)
    places = (2 * (wanted - low) / (high - low) - 1).clamp(-1, 1).acos()
    interpolated: Tensor = (places[:, None] * orders).cos() @ coefficients
    return interpolated


def _with_second(full: NoiseSchedule, t: int, log_beta_tilde: float) -> NoiseSchedule:
    """A chain of two steps, the first at t, and the second where β̃_2 = (1 − ᾱ_2/ᾱ_1)(1 − ᾱ_1)/(1 − ᾱ_2) is as given."""
    alpha_bar = float(full.alpha_bar[t])
    share = math.exp(log_beta_tilde) / (1 - alpha_bar)
    second = (1 - share) / (1 / alpha_bar - share)
    return NoiseSchedule(
        full.alpha_bar.new_tensor([1.0, alpha_bar, second]), full.timesteps.new_tensor([0, t, t]), full
    )
