"""What a training would find in its run directory; nothing is written."""

from collections.abc import Set
from pathlib import Path

from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.runs import checkpoint, resuming
from alphabar.runs.run import Run, described


def prospect(path: Path, config: c.Config, facts: c.ImageFacts, allowed: Set[str] = frozenset()) -> str:
    """A phrase: whether a run begins or resumes at `path`, or why neither is possible.

    allowed: the settings that may differ from those that the run had so far.
    """
    run = Run(path)
    try:
        saved = checkpoint.latest(run.checkpoints)
        if saved is None:
            return _without_checkpoint(run)
        if kind := checkpoint.model_alone(saved):
            return f"{path} is an {kind} run, which cannot be trained; choose another --run"
        old_config, old_facts = described(saved)
    except AlphabarError as error:
        return f"{path} cannot be resumed ({str(error).rstrip('.')}); choose another --run"
    step = saved.state.get("step")
    if changed := resuming.refused(path, old_config, config, allowed):
        return f"{path} holds another run, at step {step:,} ({'; '.join(changed.values())}); choose another --run"
    if old_facts != facts:
        return f"{path} holds a run on other images, at step {step:,}; choose another --run"
    changes = f", with {'; '.join(said)}" if (said := c.remedies(old_config, config)) else ""
    return f"{path} holds this run; it would resume at step {step:,}{changes}"


def _without_checkpoint(run: Run) -> str:
    names = {path.name for path in run.path.glob("[!.]*")} if run.path.is_dir() else set()
    if run.config.exists():
        return f"{run.path} holds a run without a checkpoint; it would begin again"
    if names - {run.checkpoints.name, run.samples.name}:
        return f"{run.path} holds other files than those of a run; choose another --run"
    return f"{run.path} is new" if not run.path.is_file() else f"{run.path} is a file; choose another --run"
