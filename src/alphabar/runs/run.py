"""A run directory: everything that a training run leaves behind, described well enough to go on from or to sample.

config.json        the resolved settings
environment.jsonl  a line per start: command, versions, git commit, machine
metrics.jsonl      a line per `training.log_every` steps
checkpoints/       step-XXXXXXXX/ (see checkpoint.py)
samples/           a grid of the same seeds every `training.sample_every` steps
best.json          which checkpoint had the best `evaluation.best` so far, if one is named
loss.png           the loss over training
scores.png         the metrics over training, if `evaluation.every` is set
evaluations.jsonl  a row per `alphabar evaluate`
"""

import fcntl
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

import alphabar
from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.files import atomic_file
from alphabar.runs import bundled as shipped
from alphabar.runs import checkpoint

EVALUATIONS = "evaluations.jsonl"
"""One JSON row per evaluation; in a run directory, or where --out says."""


def add_evaluation(folder: Path, row: dict[str, Any]) -> None:
    """Append a row to the evaluations of `folder`, on a line of its own even if the last one was cut."""
    path = folder / EVALUATIONS
    cut = path.exists() and path.read_bytes()[-1:] not in (b"\n", b"")
    with path.open("a") as file:
        file.write("\n" * cut + json.dumps(row) + "\n")


def evaluations(folder: Path) -> list[dict[str, Any]]:
    """The rows that are whole, oldest first."""
    path, rows = folder / EVALUATIONS, []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue  # a kill came while it was written
        rows += [row] if isinstance(row, dict) else []
    return rows


@dataclass(frozen=True)
class Run:
    """The paths of a run directory."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved settings."""
        return self.path / "config.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """Which checkpoint is the best."""
        return self.path / "best.json"

    @property
    def samples(self) -> Path:
        """The folder of sample grids drawn while training."""
        return self.path / "samples"


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
        best = Best(**json.loads(run.best.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return best if best.step in map(checkpoint.step_of, checkpoint.steps(run.checkpoints)) else None


def write_best(run: Run, best: Best) -> None:
    """Remember it."""
    with atomic_file(run.best) as file:
        file.write(json.dumps(asdict(best)).encode())


def home(path: Path) -> Path:
    """The run directory that `path` is, or that the checkpoint `path` lies in; what is made with a run goes there."""
    return path.parent.parent if checkpoint.is_one(path) else shipped.written(path)


@contextmanager
def opened(path: Path, config: c.Config, facts: c.ImageFacts) -> Iterator[tuple[Run, checkpoint.Checkpoint | None]]:
    """The run directory at `path`, locked, with the checkpoint to go on from, if any.

    AlphabarError if it cannot be written, is in use, is something else, or holds a run with other settings or images.
    """
    run = Run(path)
    ours = {run.checkpoints.name, run.samples.name}
    try:
        if path.exists() and not run.config.exists() and {p.name for p in path.glob("[!.]*")} - ours:
            raise AlphabarError(f"{path} holds other things than a run; name a new or empty folder with --run.")
        for folder in (run.checkpoints, run.samples):
            folder.mkdir(parents=True, exist_ok=True)
        lock = (path / ".lock").open("w")
    except OSError as error:
        raise AlphabarError(
            f"The run directory {path} cannot be written ({error.strerror}); choose one with --run."
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlphabarError(
                f"Another process is training in {path}; wait for it, or choose another --run."
            ) from None
        found = checkpoint.latest(run.checkpoints)
        if found is not None:
            if "exported_from" in found.state:
                raise AlphabarError(
                    f"{path} was exported to be drawn from and cannot be trained; choose another --run."
                )
            _check_same(path, found, config, facts)
        with atomic_file(run.config) as file:
            file.write(config.model_dump_json(indent=1).encode())
        with (path / "environment.jsonl").open("a") as lines:
            lines.write(json.dumps(_environment()) + "\n")
        yield run, found


def _check_same(path: Path, found: checkpoint.Checkpoint, config: c.Config, facts: c.ImageFacts) -> None:
    old_config, old_facts = described(found)
    if changed := c.differences(old_config, config):
        raise AlphabarError(
            f"The run in {path} was made with other settings ({'; '.join(changed)}); "
            "give them back to resume it, or choose another --run."
        )
    if old_facts != facts:
        raise AlphabarError(
            f"The run in {path} was trained on other images ({_summary(old_facts)}) than these ({_summary(facts)}); "
            "give the same images back, or choose another --run."
        )


def _summary(facts: c.ImageFacts) -> str:
    shape = "x".join(map(str, facts.shape))
    return f"{shape}, {len(facts.class_names)} classes, sha256 {facts.fingerprint[:12]}"


def described(found: checkpoint.Checkpoint) -> tuple[c.Config, c.ImageFacts]:
    """The config of a checkpoint, and what its images decided."""
    try:
        return c.parse(found.state["config"]), c.ImageFacts.model_validate(found.state["image_facts"])
    except (AlphabarError, ValidationError, KeyError, TypeError) as error:
        raise AlphabarError(f"{found.path} was written by another version of alphabar ({error}).") from None


def command() -> list[str]:
    """What was run, without the folder that the program lies in."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def versions() -> dict[str, Any]:
    """Of what made the numbers."""
    return {
        "alphabar": alphabar.__version__,
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _environment() -> dict[str, Any]:
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": command(),
        **versions(),
        "machine": platform.platform(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _git_commit() -> str | None:
    """The commit of alphabar's own source, with '+' if it was edited since; None outside a git checkout."""
    command = [
        "git",
        "-C",
        str(Path(__file__).parent),
        "describe",
        "--always",
        "--abbrev=40",
        "--dirty=+",
        "--exclude=*",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
