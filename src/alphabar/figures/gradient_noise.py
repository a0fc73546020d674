"""The gradient noise of the bound at one checkpoint (IDDPM §3.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from alphabar import plots
from alphabar.data import ImageSet
from alphabar.diffusion import Objective, training_loss
from alphabar.diffusion.timesteps import LossSecondMoment
from alphabar.errors import check_number
from alphabar.figures.runs import conditioned
from alphabar.images import to_signed
from alphabar.metrics.jackknife import jackknife
from alphabar.plots.gradient_noise import Uncertain
from alphabar.runs.model import LoadedModel
from alphabar.seeds import MOST
from alphabar.terminal.progress import progress

DRAWS = 32
"""Gradients in a batch."""
GROUPS = 8
"""Groups of batches, whose differences give the intervals."""
LOOK = 100
"""Images at a time where no gradient is computed."""
SIZES = 2 ** np.arange(13)
VLB = Objective("vlb")


@dataclass(frozen=True)
class Draws:
    """n samples of (x_0, t, ε) with t ~ q, and the gradient g of the term T · L_{t−1} of each.

    t, group: (n,) int64. squared: (n,) float64, |g|². sums: (GROUPS, P) float32, Σ g / (T q(t)) over a group.
    """

    t: Tensor
    group: Tensor
    squared: Tensor
    sums: Tensor


def gradient_noise(model: LoadedModel, batches: int) -> plots.Figure:
    """The variance of a batch's gradient of L_vlb, t sampled uniformly or by importance, beside its squared mean."""
    check_number("--batches", batches, GROUPS, MOST)  # the differences of the groups say how sure the numbers are
    images, T = model.images("train"), model.denoiser.schedule.T
    generator = torch.Generator().manual_seed(0)
    p = {
        "uniform": torch.full((T,), 1 / T, dtype=torch.float64),
        "importance": importance(model, images, generator).cpu(),
    }
    q = torch.stack(list(p.values())).mean(0)
    gradients = draws(model, images, q, batches * DRAWS, generator)
    traces, squared_mean = noise(gradients, p, q)
    labels = {name: f"{name} sampling of $t$" for name in p}
    figure = plots.gradient_noise({labels[name]: trace for name, trace in traces.items()}, squared_mean, SIZES)
    table = plots.Table.of(
        *(
            {
                "run": str(model.path), "step": model.step, "weights": model.weights, "draws": len(gradients.t),
                "sampler": name, "batch_size": SIZES,
                "variance": trace.value / SIZES, "standard_error": trace.error / SIZES,
                "squared_mean": squared_mean.value, "squared_mean_error": squared_mean.error,
                "noise_scale": trace.value / squared_mean.value if squared_mean.low > 0 else np.nan,
            }
            for name, trace in traces.items()
        )
    )  # fmt: skip
    return plots.Figure(figure, table)


def importance(model: LoadedModel, images: ImageSet, generator: torch.Generator) -> Tensor:
    """p(t) of `LossSecondMoment`, (T,), after its history of each t is full."""
    T = model.denoiser.schedule.T
    sampler = LossSecondMoment(T)
    with progress("losses by t", T * sampler.history_per_term) as advance, torch.no_grad():
        for t in torch.split(torch.arange(1, T + 1).repeat(sampler.history_per_term), LOOK):
            sampler.update(t, _terms(model, images, t, generator).cpu())
            advance(len(t))
    return sampler.p()


def draws(model: LoadedModel, images: ImageSet, q: Tensor, count: int, generator: torch.Generator) -> Draws:
    """`count` gradients, one by one; only their sums are kept."""
    device = model.device
    parameters = [p.requires_grad_() for p in cast(nn.Module, model.denoiser.network).parameters()]
    t = torch.multinomial(q, count, replacement=True, generator=generator) + 1
    group = torch.arange(count) // DRAWS % GROUPS
    weight = (1 / (len(q) * q[t - 1])).tolist()
    squared = torch.zeros(count, dtype=torch.float64)
    sums = torch.zeros(GROUPS, sum(p.numel() for p in parameters), device=device)
    with progress("gradients", count) as advance:
        for i in range(count):
            (term,) = _terms(model, images, t[i : i + 1], generator)
            gradient = torch.cat([g.flatten() for g in torch.autograd.grad(term, parameters)])
            squared[i] = gradient.double().square().sum() if device.type != "mps" else gradient.square().sum()
            sums[group[i]] += weight[i] * gradient
            advance(1)
    for parameter in parameters:
        parameter.requires_grad_(False)
    return Draws(t, group, squared, sums)


def _terms(model: LoadedModel, images: ImageSet, t: Tensor, generator: torch.Generator) -> Tensor:
    """T · L_{t−1} of a random image for each t, (B,) bits/dim."""
    rows = torch.randint(len(images), t.shape, generator=generator)
    x0 = to_signed(images.images[rows].to(model.device))
    eps = torch.randn(x0.shape, generator=generator).to(model.device)
    return training_loss(conditioned(model, images, rows, x0), VLB, x0, t, eps)["vlb"]


def noise(gradients: Draws, p: Mapping[str, Tensor], q: Tensor) -> tuple[dict[str, Uncertain], Uncertain]:
    """tr Σ of the gradient of a single sample t ~ p by name, weighted by 1/(T p(t)), and |G|², G its mean."""
    gram = (gradients.sums.cpu().double() @ gradients.sums.cpu().double().T).numpy()

    def numbers(groups: list[int]) -> dict[str, float]:
        rows = torch.isin(gradients.group, torch.tensor(groups))
        n, t, squared = int(rows.sum()), gradients.t[rows] - 1, gradients.squared[rows]
        own = float((squared / (len(q) * q[t]) ** 2).sum())  # each gradient with itself, which is no part of |G|²
        squared_mean = (float(gram[np.ix_(groups, groups)].sum()) - own) / (n * (n - 1))
        traces = {
            name: float((squared / (len(q) ** 2 * p_t[t] * q[t])).mean()) - squared_mean for name, p_t in p.items()
        }
        return {"": squared_mean, **traces}

    every = list(range(GROUPS))
    whole, without = numbers(every), [numbers([g for g in every if g != left_out]) for left_out in every]
    numbers_of = {}
    for name, value in whole.items():
        spread = jackknife(value, [one[name] for one in without])
        numbers_of[name] = Uncertain(value, spread.standard_error, *spread.interval(value))
    return {name: numbers_of[name] for name in p}, numbers_of[""]
