"""Early stop: a run ends when the loss of held-out images has not fallen for some evaluations."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from alphabar import build, data, images
from alphabar.config import Config
from alphabar.data import classes
from alphabar.diffusion import Network, Objective, training_loss
from alphabar.errors import AlphabarError
from alphabar.evaluation import held_out
from alphabar.files import json_lines
from alphabar.runs.run import Run
from alphabar.training.state import TrainState

NAME = "held-out-loss"
"""Its name in metrics.jsonl."""
FEWEST, MOST = 512, 2048
"""Pairs of an image and a t; few images are taken at several t. They cost as much as a few training steps."""


@dataclass(frozen=True)
class HeldOutLoss:
    """The training loss of held-out images, at values of t and noise that are the same each time."""

    config: Config
    objective: Objective
    images: Tensor
    """uint8 (N, C, H, W) on the CPU; an image may occur more than once."""
    labels: Tensor | None
    t: Tensor
    """(N,) int64: 1..T, evenly spread, in random order."""
    how: dict[str, str | int]
    """Two losses are comparable if they share all of this."""

    @classmethod
    def of(cls, config: Config, train: data.ImageSet) -> "HeldOutLoss | None":
        """None without evaluation.stop_when; AlphabarError if there are no held-out images."""
        if config.evaluation.stop_when == "none":
            return None
        others = held_out.images(config, train)
        if others is None:
            raise AlphabarError(
                "evaluation.stop_when=held_out_loss needs held-out images of the size of the training images, and "
                "there are none; put some into a folder test/ beside train/, or set data.holdout=0.1."
            )
        if config.network.class_conditional:
            others = classes.matched(others, train.class_names, f"The held-out images in {others.source}")
        n = min(MOST, len(others) * math.ceil(FEWEST / len(others)))
        # Spread over all of them: they may lie by class.
        rows = torch.arange(n) * len(others) // n if n < len(others) else torch.arange(n) % len(others)
        generator = torch.Generator().manual_seed(0)
        t = torch.linspace(1, config.diffusion.steps, n).round().long()[torch.randperm(n, generator=generator)]
        return cls(
            config=config,
            objective=build.objective(config),
            images=others.images[rows],
            labels=others.labels[rows] if config.network.class_conditional and others.labels is not None else None,
            t=t,
            how={"held_out": others.fingerprint(), "pairs": n},
        )

    @torch.no_grad()
    def value(self, network: Network, device: torch.device) -> float:
        """The mean over all pairs, for a network on `device`."""
        denoiser = build.denoiser(self.config, network)
        denoiser = denoiser if device.type == "mps" else denoiser.to(device)  # MPS has no float64
        generator, size, total = torch.Generator().manual_seed(1), self.config.sampling.batch_size, 0.0
        for first in range(0, len(self.t), size):
            rows = slice(first, first + size)
            x0 = images.to_signed(self.images[rows]).to(device)
            eps = torch.randn(x0.shape, generator=generator).to(device)
            t = self.t[rows].to(denoiser.schedule.alpha_bar.device)
            labels = None if self.labels is None else self.labels[rows]
            conditioned = build.told(denoiser, x0, labels, self.config.network.low_resolution)
            total += float(training_loss(conditioned, self.objective, x0, t, eps)["loss"].double().sum())
        return total / len(self.t)


def has_ended(run: Run, config: Config, step: int) -> bool:
    """Whether the held-out losses up to `step` end the run."""
    losses = _losses(run, step)
    best = _lowest(losses)
    return config.evaluation.stop_when != "none" and len(losses) - 1 - best >= config.evaluation.patience


def farewell(run: Run, state: TrainState) -> str:
    """Why the run ends early."""
    losses, section = _losses(run, state.step), state.config.evaluation
    step, loss = losses[_lowest(losses)]
    kept = ", whose checkpoint is kept (--step best)" if section.best == "none" else ""
    return (
        f"stopped at step {state.step:,}: the loss of held-out images has not fallen for {section.patience} "
        f"evaluations; the lowest was {loss:.4g}, at step {step:,}{kept}"
    )


def _losses(run: Run, step: int) -> list[tuple[int, float]]:
    """(step, held-out loss) of each evaluation up to `step`; infinite where it was not finite."""
    rows = [row for row in json_lines.rows(run.metrics) if isinstance(row.get("evaluation"), dict)]
    rows = [row for row in rows if type(row.get("step")) is int and row["step"] <= step and NAME in row["evaluation"]]
    values = [(row["step"], row["evaluation"][NAME]) for row in rows]
    return [(at, value if type(value) in (int, float) else math.inf) for at, value in values]


def _lowest(losses: Sequence[tuple[int, float]]) -> int:
    """The position of the first of the lowest losses."""
    return min(range(len(losses)), key=lambda n: losses[n][1], default=0)
