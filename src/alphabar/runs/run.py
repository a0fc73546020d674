"""A run directory: everything that a training run leaves behind, enough to resume it or to sample from it.

config.json        the resolved settings
environment.jsonl  a line per start: command, versions, git commit, machine; and per change of rate or micro-batch
metrics.jsonl      a line per `training.log_every` steps
checkpoints/       step-XXXXXXXX/ (see checkpoint.py)
samples/           a preview grid of the same seeds every `training.sample_every` steps, and latest.png
best.json          the checkpoint with the best `evaluation.best` so far, if one is named
loss.png           the loss over training
scores.png         the metrics over training, if `evaluation.every` is set
evaluations.jsonl  a row per `alphabar evaluate`
trackers.json      what the trackers of `training.tracker` call the run
"""

from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.files import json_lines, read_json, sweep, write_json
from alphabar.runs import bundled, checkpoint, provenance, resuming
from alphabar.runs.lock import locked, unwritable


@dataclass(frozen=True)
class Run:
    """The paths of a run directory."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved settings."""
        return self.path / "config.json"

    @property
    def environment(self) -> Path:
        """What each start of the run was made with, and what changed on the way."""
        return self.path / "environment.jsonl"

    @property
    def metrics(self) -> Path:
        """The metrics, one JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """The record of the best checkpoint."""
        return self.path / "best.json"

    @property
    def samples(self) -> Path:
        """The folder of preview grids."""
        return self.path / "samples"

    @property
    def latest_preview(self) -> Path:
        """A copy of the newest preview grid."""
        return self.samples / "latest.png"


@dataclass(frozen=True)
class Best:
    """The step whose checkpoint had the best `metric` so far, its value, and how that was measured."""

    step: int
    metric: str
    value: float
    how: Mapping[str, Any]


def read_best(run: Run) -> Best | None:
    """The best of a run; None if none was named, or its checkpoint is gone."""
    try:
        best = Best(**read_json(run.best))
    except (OSError, ValueError, TypeError):
        return None
    kinds = type(best.step) is int, isinstance(best.metric, str), type(best.value) in (int, float)
    if not all((*kinds, isinstance(best.how, dict))):
        return None
    return best if best.step in map(checkpoint.step_of, checkpoint.steps(run.checkpoints)) else None


def write_best(run: Run, best: Best) -> None:
    """Write best.json."""
    write_json(run.best, asdict(best))


def home(path: Path) -> Path:
    """The folder for the outputs of a run: the run directory `path`, or the one that the checkpoint `path` lies in."""
    return path.parent.parent if checkpoint.is_one(path) else bundled.outputs(path)


@contextmanager
def opened(
    path: Path,
    config: c.Config,
    facts: c.ImageFacts,
    say: Callable[[str], None],
    allowed: Set[str] = frozenset(),
) -> Iterator[tuple[Run, checkpoint.Checkpoint | None]]:
    """The run directory at `path`, locked, with the checkpoint to resume from, if there is one; `say` prints a line.

    allowed: the settings that may differ from the run's.

    AlphabarError if it cannot be written, is in use, is something else, or holds a run with other settings or images.
    """
    run = Run(path)
    ours = {run.checkpoints.name, run.samples.name}
    try:
        if path.exists() and not run.config.exists() and {p.name for p in path.glob("[!.]*")} - ours:
            raise AlphabarError(f"{path} holds other files than those of a run; name a new or empty folder with --run.")
        for folder in (run.checkpoints, run.samples):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from None
    with locked(path):
        for folder in (path, run.checkpoints, run.samples):
            sweep(folder)
        newest = checkpoint.newest_good(run.checkpoints, say, config.training.strict_checkpoints)
        changed = list[str]()
        if newest is not None:
            if kind := checkpoint.model_alone(newest):
                raise AlphabarError(
                    f"{path} is an {kind} run: it can be sampled, not trained; choose another --run, and start from it "
                    f"with --from {path}."
                )
            changed = _check_same(path, newest, config, facts, allowed)
        write_json(run.config, config.model_dump(mode="json"))
        json_lines.append(run.environment, provenance.environment() | {"changed": changed})
        yield run, newest


def _check_same(
    path: Path, saved: checkpoint.Checkpoint, config: c.Config, facts: c.ImageFacts, allowed: Set[str]
) -> list[str]:
    """The accepted changes of settings; AlphabarError for the others, and for other images."""
    old_config, old_facts = described(saved)
    changed = resuming.check_settings(path, old_config, config, allowed)
    resuming.check_images(path, old_facts, facts)
    return changed


def described(saved: checkpoint.Checkpoint) -> tuple[c.Config, c.ImageFacts]:
    """The config of a checkpoint, and the facts of its images."""
    settings = saved.state.get("config")
    try:
        if not isinstance(settings, dict):
            raise AlphabarError("config is not a table of settings")
        return c.parse(settings), c.ImageFacts.model_validate(saved.state.get("image_facts"))
    except AlphabarError as error:
        why = error.args[0]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        why = f"{'.'.join(map(str, ('image_facts', *first['loc'])))}: {first['msg']}"
    raise AlphabarError(f"The settings of {saved.path} do not fit this version of alphabar ({why.rstrip('.')}).")
