"""What a run leaves behind, to the bit, and settings that use all that a run can."""

import json
import os
import signal
from pathlib import Path

import pytest

from alphabar.runs import checkpoint

EVERYTHING = (
    "network.dropout=0.2",
    "network.class_conditional=true",
    "data.horizontal_flip=true",
    "data.augment=0.5",
    "training.micro_batch_size=5",
    "training.ema_rates=[0.9, 0.99]",
    "training.sample_every=3",
    "training.steps=9",
    "training.log_every=2",
    "training.checkpoint_every=2",
)

SCORED = (
    "evaluation.every=2",
    "evaluation.count=12",
    "evaluation.features=fashion-cnn",
    'evaluation.metrics=["fd", "pr"]',
    "evaluation.best=fd",
    "training.steps=8",
    "training.keep_checkpoints=1",
)

SMALL = ("network.channel_mult=[1]", "network.attention_resolutions=[]")
"""A network of one level, where its shape does not matter."""


def die_at_call(monkeypatch: pytest.MonkeyPatch, module: object, name: str, call: int) -> None:
    real, calls = getattr(module, name), iter(range(1, 10**6))

    def fatal(*args: object, **kwargs: object) -> object:
        if next(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, fatal)


def everything(path: Path) -> dict[str, object]:
    """All that a run leaves behind, less its clock."""
    clock = ("seconds", "aside", "images_per_second")
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    found = checkpoint.latest(path / "checkpoints")
    assert found is not None
    files = {f"{name}/{key}": t.numpy().tobytes() for name in found.names() for key, t in found.tensors(name).items()}
    return {
        "metrics": [{key: value for key, value in row.items() if key not in clock} for row in rows],
        "state": {key: value for key, value in found.state.items() if key not in clock},
        "samples": {png.name: png.read_bytes() for png in sorted((path / "samples").iterdir())},
        "checkpoints": [p.name for p in checkpoint.steps(path / "checkpoints")],
        **files,
    }
