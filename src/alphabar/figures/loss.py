"""The training loss of a checkpoint by t: what one number in a log hides."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from alphabar import build, plots
from alphabar.data import ImageSet
from alphabar.diffusion import training_loss
from alphabar.figures.runs import images_of, names, told
from alphabar.images import to_signed
from alphabar.plots import Band
from alphabar.progress import progress
from alphabar.runs.model import Model, load_model

BINS = 50
BATCH = 100


def loss(
    runs: Sequence[Path],
    count: int,
    split: str,
    weights: str,
    step: str | None,
    data_root: Path | None,
    device: torch.device,
) -> plots.Drawn:
    """Mean and standard error of (target − output)² per pixel, of `count` draws of (x_0, t, ε) in each bin of t."""
    models = {name: load_model(run, weights, device, step) for name, run in zip(names(runs), runs, strict=True)}
    sets = {name: images_of(model, split, data_root) for name, model in models.items()}
    edges = {name: bins(model.denoiser.schedule.T) for name, model in models.items()}
    parts, curves = [], {}
    with progress("loss", sum(count * len(rows) for rows in edges.values())) as advance:
        for name, model in models.items():
            T, first, last = model.denoiser.schedule.T, *edges[name].T
            found = _draws(model, sets[name], edges[name], count, device, advance).double().numpy()
            mean, error = found.mean(1), found.std(1, ddof=1) / math.sqrt(count)
            how = {"run": name, "step": model.step, "weights": model.weights, "split": split, "n": count, "T": T}
            parts.append(how | {"t_first": first, "t_last": last, "mse": mean, "standard_error": error})
            label = f"{name} ({model.config.diffusion.parameterization}, step {model.step:,})"
            curves[label] = Band((first + last) / 2 / T, mean, error)
    note = f"{split} images, {count} draws for each point"
    return plots.Drawn(plots.loss(curves, note), plots.Table.of(*parts))


def bins(T: int) -> plots.Array:
    """The first and the last t of each bin, (K, 2) int64: as equal in length as can be, together 1..T."""
    edges = np.unique(np.linspace(0, T, min(BINS, T) + 1).round().astype(np.int64))
    return np.stack([edges[:-1] + 1, edges[1:]], axis=1)


def _draws(
    model: Model,
    images: ImageSet,
    edges: plots.Array,
    count: int,
    device: torch.device,
    advance: Callable[[float], None],
) -> Tensor:
    """The losses (K, count)."""
    generator, objective = torch.Generator().manual_seed(0), build.objective(model.config)
    first, last = (torch.from_numpy(edges[:, side]).repeat_interleave(count) for side in (0, 1))
    t = first + (torch.rand(len(first), generator=generator, dtype=torch.float64) * (last - first + 1)).long()
    rows = torch.randint(len(images), t.shape, generator=generator)
    found = []
    for k in range(0, len(t), BATCH):
        chosen = rows[k : k + BATCH]
        x0 = to_signed(images.images[chosen].to(device))
        eps = torch.randn(x0.shape, generator=generator).to(device)
        with torch.no_grad():
            losses = training_loss(told(model, images, chosen, device), objective, x0, t[k : k + BATCH], eps)
        found.append(losses["mse"].cpu())
        advance(len(chosen))
    return torch.cat(found).reshape(len(edges), count)
