"""What a training would find in its run directory; nothing is written."""

from pathlib import Path

from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.runs import checkpoint
from alphabar.runs.run import Run, described


def prospect(path: Path, config: c.Config, facts: c.ImageFacts) -> str:
    """A phrase: whether a run begins or resumes at `path`, or why neither is possible."""
    run = Run(path)
    try:
        saved = checkpoint.latest(run.checkpoints)
        if saved is None:
            return _without_checkpoint(run)
        if "exported_from" in saved.state:
            return f"{path} is an exported run, which cannot be trained; choose another --run"
        old_config, old_facts = described(saved)
    except AlphabarError as error:
        return f"{path} cannot be resumed ({str(error).rstrip('.')}); choose another --run"
    step = saved.state.get("step")
    if changed := c.differences(old_config, config):
        return f"{path} holds another run, at step {step:,} ({'; '.join(changed.values())}); choose another --run"
    if old_facts != facts:
        return f"{path} holds a run on other images, at step {step:,}; choose another --run"
    return f"{path} holds this run; it would resume at step {step:,}"


def _without_checkpoint(run: Run) -> str:
    names = {path.name for path in run.path.glob("[!.]*")} if run.path.is_dir() else set()
    if run.config.exists():
        return f"{run.path} holds a run without a checkpoint; it would begin again"
    if names - {run.checkpoints.name, run.samples.name}:
        return f"{run.path} holds other files than those of a run; choose another --run"
    return f"{run.path} is new" if not run.path.is_file() else f"{run.path} is a file; choose another --run"
