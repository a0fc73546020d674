"""How long a training waits for a checkpoint, as a share of the time that writing it takes.

The steps are tiny, of one image, and the checkpoint is large. A wait is what the loop spends on beginning a save, with
the check of the weights, and what the next update waits for the copy.
"""

import io
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from alphabar import config as c
from alphabar.runs import checkpoint
from alphabar.training import loop, saving

OVERRIDES = [
    "network.channels=96", "network.channel_mult=[1,2,2]", "training.batch_size=1", "training.steps=60",
    "training.minutes=none",
    "training.checkpoint_every=15", "training.sample_every=0", "training.log_every=1000", "sampling.num=1",
    "sampling.steps=1",
]  # fmt: skip


def timed(owner: Any, name: str, spans: list[float], thread: Callable[[], bool]) -> None:
    """Note the seconds of each call of a function, where `thread` is true."""
    real = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        result = real(*args, **kwargs)
        if thread():
            spans.append(time.perf_counter() - began)
        return result

    setattr(owner, name, call)


def main() -> None:
    """Print the waits and the saves of a run."""
    torch.set_num_threads(1)
    waits, saves = list[float](), list[float]()
    is_main = lambda: threading.current_thread() is threading.main_thread()  # noqa: E731
    timed(loop.Session, "_save", waits, is_main)
    timed(threading.Event, "wait", waits, is_main)
    timed(saving.Saver, "_write", saves, lambda: True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        loop.train(c.load("ddpm_digits", OVERRIDES), path, torch.device("cpu"), Console(file=io.StringIO()))
        newest = checkpoint.latest(path / "checkpoints")
        assert newest is not None
        size = sum(file.stat().st_size for file in newest.path.iterdir())
    print(f"checkpoint   {size / 1e6:,.0f} MB, {len(saves)} saves of {min(saves):.2f} to {max(saves):.2f} s")
    print(f"wait         {sum(waits) / len(saves):.3f} s for each, {sum(waits) / sum(saves):.1%} of the save")


if __name__ == "__main__":
    main()
