"""The training loss of a checkpoint over t."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from alphabar import build, plots
from alphabar.data import ImageSet
from alphabar.diffusion import training_loss
from alphabar.errors import check_number
from alphabar.figures.runs import conditioned, names
from alphabar.images import to_signed
from alphabar.plots import Band
from alphabar.runs.model import LoadedModel
from alphabar.seeds import MOST
from alphabar.terminal.progress import progress

BINS = 50
BATCH = 100


def loss(models: Sequence[LoadedModel], count: int, split: str = "train") -> plots.Figure:
    """Mean and standard error of (target − output)² per pixel, of `count` samples of (x_0, t, ε) in each bin of t."""
    check_number("--count", count, 2, MOST)
    named = dict(zip(names([model.path for model in models]), models, strict=True))
    sets = {name: model.images(split) for name, model in named.items()}
    edges = {name: bins(model.denoiser.schedule.T) for name, model in named.items()}
    parts, curves = [], {}
    with progress("loss", sum(count * len(rows) for rows in edges.values())) as advance:
        for name, model in named.items():
            T, first, last = model.denoiser.schedule.T, *edges[name].T
            losses = _losses(model, sets[name], edges[name], count, advance).double().numpy()
            mean, error = losses.mean(1), losses.std(1, ddof=1) / math.sqrt(count)
            how = {"run": name, "step": model.step, "weights": model.weights, "split": split, "n": count, "T": T}
            parts.append(how | {"t_first": first, "t_last": last, "mse": mean, "standard_error": error})
            label = f"{name} ({model.config.diffusion.parameterization}, step {model.step:,})"
            curves[label] = Band((first + last) / 2 / T, mean, error)
    note = f"{split} images, {count} samples for each point"
    return plots.Figure(plots.loss(curves, note), plots.Table.of(*parts))


def bins(T: int) -> plots.Array:
    """The first and the last t of each bin, (K, 2) int64: bins of nearly equal length that cover 1..T."""
    edges = np.unique(np.linspace(0, T, min(BINS, T) + 1).round().astype(np.int64))
    return np.stack([edges[:-1] + 1, edges[1:]], axis=1)


def _losses(
    model: LoadedModel, images: ImageSet, edges: plots.Array, count: int, advance: Callable[[float], None]
) -> Tensor:
    """The losses (K, count)."""
    generator, objective = torch.Generator().manual_seed(0), build.objective(model.config)
    first, last = (torch.from_numpy(edges[:, side]).repeat_interleave(count) for side in (0, 1))
    t = first + (torch.rand(len(first), generator=generator, dtype=torch.float64) * (last - first + 1)).long()
    rows = torch.randint(len(images), t.shape, generator=generator)
    parts = []
    for k in range(0, len(t), BATCH):
        batch = rows[k : k + BATCH]
        x0 = to_signed(images.images[batch].to(model.device))
        eps = torch.randn(x0.shape, generator=generator).to(model.device)
        with torch.no_grad():
            losses = training_loss(conditioned(model, images, batch, x0), objective, x0, t[k : k + BATCH], eps)
        parts.append(losses["mse"].cpu())
        advance(len(batch))
    return torch.cat(parts).reshape(len(edges), count)
