"""The lines at the start of a run."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from alphabar import config as c
from alphabar import terminal
from alphabar.data import ImageSet
from alphabar.data.contents import warning_of_few
from alphabar.runs.checkpoint import Checkpoint
from alphabar.runs.run import described
from alphabar.training.clock.length import Length
from alphabar.training.state import TrainState, computed_on


def greet(
    console: Console,
    path: Path,
    state: TrainState,
    length: Length,
    image_set: ImageSet,
    saved: Checkpoint | None,
    notes: Sequence[str] = (),
) -> None:
    """Print the images, the network, the run directory, the length of the run and its progress.

    saved: the checkpoint that the run resumes from. notes: what the weights of a new run are.
    """
    training, optimizer = state.config.training, state.config.optimizer
    parameters = sum(p.numel() for p in state.network.parameters())
    end = length.end(state.pace)
    ends = [f"{length.steps:,} steps"] if length.steps else []
    ends += [f"{training.minutes:g} minute{'' if training.minutes == 1 else 's'}"] if training.minutes else []
    lasts = f"{' or '.join(ends)} at {training.batch_size} images per step"
    lines = [
        image_set.described(),
        f"{parameters:,} parameters on {state.device}; {lasts}; run directory {path}",
        *notes,
    ]
    if length.is_over(state.pace, state.step, state.seconds):
        lines.append(
            f"already finished at step {state.step:,}; to continue, raise the limit that ended it (--minutes N, "
            "training.steps=N, ...)"
        )
    elif state.step:
        decays = end and optimizer.decay != "constant"
        about = "about " if length.seconds is not None else ""
        decay = f"; the learning rate ends at 0 at {about}step {end:,}" if decays else ""
        lines.append(f"resumed at step {state.step:,}{decay}")
        lines += _differences(state, saved) if saved else []
        if state.rate_factor != 1:
            lines.append(f"the learning rate is {state.rate_factor:g} times what is set, since the run diverged once")
    if not state.step and end and optimizer.warmup_steps >= end:
        lines.append(f"warning: the warm-up of {optimizer.warmup_steps:,} steps is longer than the run")
    if training.precision == "fp16" and state.device.type == "cpu":
        lines.append("warning: on a CPU fp16 takes several times as long as fp32; training.precision=auto measures")
    if image_set.contents.warning:
        lines.append(f"warning: {image_set.contents.warning}")
    if not state.step and (few := warning_of_few(len(image_set))):
        lines.append(f"warning: {few}")
    for line in lines:
        terminal.outlive()
        console.print(terminal.printable(line), highlight=False, soft_wrap=True, markup=False)


def _differences(state: TrainState, saved: Checkpoint) -> list[str]:
    """Why the resumed run ends elsewhere than an uninterrupted one, if it does."""
    config, _ = described(saved)
    lines = [f"changed setting {change}" for change in c.remedies(config, state.config)]
    before, now = saved.state.get("computed_on"), computed_on(state.device)
    if isinstance(before, dict):
        changes = [f"{key} {before[key]!r} -> {now[key]!r}" for key in now if key in before and before[key] != now[key]]
        if changes:
            lines.append(f"warning: computed otherwise than so far ({', '.join(changes)}), so the last bits may differ")
    return lines
