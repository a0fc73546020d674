"""The lines at the start of a run."""

from pathlib import Path

import torch
from rich.console import Console

from alphabar.data import ImageSet
from alphabar.terminal import printable
from alphabar.training.length import is_over
from alphabar.training.state import TrainState


def greet(
    console: Console, path: Path, state: TrainState, end: int | None, image_set: ImageSet, device: torch.device
) -> None:
    """Print the images, the network, the run directory, the length of the run and its progress."""
    training, optimizer = state.config.training, state.config.optimizer
    parameters = sum(p.numel() for p in state.network.parameters())
    ends = [f"{end:,} steps"] if end else []
    ends += [f"{training.minutes:g} minutes"] if training.minutes else []
    length = " or ".join(ends)
    lines = [
        image_set.described(),
        f"{parameters:,} parameters on {device}; {length} of {training.batch_size} images; run directory {path}",
    ]
    if is_over(training, end, state.step, state.seconds):
        lines.append(
            f"already finished at step {state.step:,}; to continue, raise the limit that ended it (training.steps, ...)"
        )
    elif state.step:
        decays = end and optimizer.decay != "constant"
        decay = f"; the learning rate's {optimizer.decay} decay ends at step {end:,}" if decays else ""
        lines.append(f"resumed at step {state.step:,}{decay}")
    if not state.step and end and optimizer.warmup_steps >= end:
        lines.append(f"warning: the warm-up of {optimizer.warmup_steps:,} steps is longer than the run")
    if image_set.contents.warning:
        lines.append(f"warning: {image_set.contents.warning}")
    for line in lines:
        console.print(printable(line), highlight=False, soft_wrap=True, markup=False)
