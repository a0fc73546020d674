"""What figures of the reverse process ask of a run: how it draws, and whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from alphabar import build
from alphabar.build import Condition
from alphabar.config import Sampling
from alphabar.diffusion import Denoiser, Sampler
from alphabar.errors import AlphabarError
from alphabar.runs.model import Model, load_model
from alphabar.runs.run import home
from alphabar.sampling import draw as drawing
from alphabar.sampling.job import Job

MOST_ROWS = 50
"""Of images, that a picture can show."""


@dataclass(frozen=True)
class Reverse:
    """A run's model on the chain it is to go through, and the images to draw: as `alphabar sample` would draw them."""

    run: Path
    model: Model
    section: Sampling
    denoiser: Denoiser
    sampler: Sampler
    condition: Condition
    job: Job
    device: torch.device

    @property
    def K(self) -> int:
        """Steps of the chain."""
        return self.denoiser.schedule.T

    @property
    def how(self) -> str:
        """The sampler, for people."""
        return f"{drawing.described(self.section)}, {self.K:,} steps"

    @property
    def about(self) -> dict[str, str | int]:
        """For the table."""
        name, how = home(self.run).name, drawing.described(self.section)
        return {"run": name, "step": self.model.step, "weights": self.model.weights, "sampler": how, "steps": self.K}

    def name(self, k: int) -> str:
        """Of image k, with its class if it has one."""
        if self.job.labels is None:
            return f"seed {self.job.seeds[k]}"
        names = build.class_names(self.model.config, self.model.facts)
        return f"seed {self.job.seeds[k]}\n{names[self.job.labels[k]]}"


def reverse(
    run: Path,
    seeds: Sequence[int],
    changes: Mapping[str, Any],
    label: str | None,
    weights: str,
    step: str | None,
    device: torch.device,
) -> Reverse:
    """changes: to the run's [sampling]; label: a class by number or name, (seed mod classes) if None."""
    if len(seeds) > MOST_ROWS:
        raise AlphabarError(f"A picture of {len(seeds):,} rows is too tall; name at most {MOST_ROWS} seeds.")
    model = load_model(run, weights, device, step)
    section = drawing.section(model, dict(changes))
    return Reverse(
        run=run,
        model=model,
        section=section,
        denoiser=build.respaced(model.denoiser, section),
        sampler=build.sampler(section),
        condition=build.condition(model.config, model.facts, section),
        job=drawing.planned(run, model, section, list(seeds), label, None).job,
        device=device,
    )
