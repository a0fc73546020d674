"""Processes that read images: whatever happens to one of them, the results are those of one process, or a sentence."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from alphabar.data import DataOptions, decoding, load, workers
from alphabar.data.files import UnreadableError
from alphabar.data.workers import in_processes
from alphabar.errors import AlphabarError


@dataclass(frozen=True)
class Doubled:
    """2k; but of `bad` a process fails in this manner, as long as the file `once` is not there."""

    bad: int = -1
    manner: str = ""
    once: Path | None = None

    def __call__(self, k: int) -> int:
        if k == self.bad and not (self.once is not None and self.once.exists()):
            if self.once is not None:
                self.once.touch()
            if self.manner == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.manner == "hangs":
                time.sleep(1000)
            if self.manner == "stopped":
                os.kill(os.getpid(), signal.SIGSTOP)
            if self.manner == "unreadable":
                raise UnreadableError(Path("x.png"), "it is not an image")
            raise AlphabarError("The level of white is unknown.") if self.manner == "refused" else ValueError("a bug")
        return 2 * k


@dataclass(frozen=True)
class Several:
    """2k; each part fails at its own k."""

    parts: tuple[Doubled, ...]

    def __call__(self, k: int) -> int:
        return max(part(k) for part in self.parts)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))  # the processes import this module
    monkeypatch.setattr(workers, "PATIENCE", 2.0)
    monkeypatch.setattr(workers, "_START", 300)  # a busy machine may import torch slowly


def test_results_come_in_order_with_a_reason_for_what_is_unreadable_and_processes_end_with_their_reader() -> None:
    reader = in_processes(Doubled(3, "unreadable"), range(10_000), count=1)
    results = [next(reader) for _ in range(100)]
    assert isinstance(results[3], UnreadableError)
    assert results[3].reason == "it is not an image"
    assert results[:3] + results[4:] == [0, 2, 4, *range(8, 200, 2)]
    process = reader.gi_frame.f_locals["pool"][0].process
    assert process.poll() is None
    reader.close()
    assert process.poll() is not None


@pytest.mark.heavy
def test_row_15_a_process_that_is_killed_or_hangs_is_started_again_and_nothing_is_lost(tmp_path: Path) -> None:
    once = {manner: tmp_path / manner for manner in ("killed", "hangs", "stopped")}
    work = Several(tuple(Doubled(70 + 100 * k, manner, file) for k, (manner, file) in enumerate(once.items())))
    assert list(in_processes(work, range(400), count=2)) == list(range(0, 800, 2))
    assert all(file.exists() for file in once.values())


@pytest.mark.heavy
@pytest.mark.parametrize("manner", ["killed", "hangs"])
def test_row_15_an_item_that_no_process_survives_is_named_and_ends_the_work(manner: str) -> None:
    """Soon: the patience with a process that starts is none with its first item."""
    started = time.monotonic()
    with pytest.raises(AlphabarError, match=r"3 times at item 70"):
        list(in_processes(Doubled(70, manner), range(200), lambda k: f"item {k}", count=1))
    assert time.monotonic() - started < workers._START * workers.PATIENCE / 2


@pytest.mark.heavy
@pytest.mark.parametrize(("manner", "said"), [("refused", "white is unknown"), ("mistake", "ValueError: a bug")])
def test_an_error_in_a_process_is_an_error_here(manner: str, said: str) -> None:
    with pytest.raises(AlphabarError, match=said):
        list(in_processes(Doubled(3, manner), range(10), count=1))


@pytest.mark.heavy
def test_a_folder_read_by_processes_is_the_folder_read_by_threads(
    photos: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(80)
    (folder / "040.png").write_bytes(b"no image")
    (folder / "050.png").write_bytes((folder / "050.png").read_bytes()[:80])
    expected = load("folder", DataOptions(path=folder))
    monkeypatch.setattr(decoding, "MANY", 10)
    monkeypatch.setattr(decoding, "cores", lambda: 2)
    found = load("folder", DataOptions(path=folder))
    assert torch.equal(found.images, expected.images)
    assert found.contents == expected.contents
    assert len(found) == 78
