"""Work in forked processes, which start in milliseconds because torch is imported already."""

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path


def forked(work: Callable[[], object], output: Path | int | None = None) -> int:
    """The number of a process that does `work`. Its stdout and stderr are `output`, a file or its descriptor."""
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if isinstance(output, Path) else output
    child = os.fork()
    if child == 0:
        if file is not None:
            os.dup2(file, 1)
            os.dup2(file, 2)
        os._exit(status_of(work))
    if file is not None:
        os.close(file)
    return child


def status_of(work: Callable[[], object]) -> int:
    """The status with which a program that does `work` exits; 97 after an error that nobody expected."""
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    try:
        work()
    except SystemExit as error:
        return int(error.code or 0)
    except BaseException:
        with contextlib.suppress(OSError):
            traceback.print_exc(file=sys.stderr)
        return 97
    return 0


def wait(child: int) -> int:
    """The exit status of a process; −9 if it was killed."""
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def killed(work: Callable[[], object]) -> bool:
    """Whether `work`, in a process of its own, ended by SIGKILL."""
    return wait(forked(work)) == -signal.SIGKILL


def killed_after(seconds: float, work: Callable[[], object], output: Path | None = None) -> bool:
    """Whether `work`, in a process of its own, still went on after so many seconds; it is killed then.

    If it ended by itself, it must have ended well.
    """
    child = forked(work, output)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (ended := os.waitpid(child, os.WNOHANG))[0]:
            status = os.waitstatus_to_exitcode(ended[1])
            assert status == 0, (status, output.read_text(errors="replace")[-2000:] if output else "")
            return False
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    status = wait(child)
    assert status in (0, -signal.SIGKILL), (status, output.read_text(errors="replace")[-2000:] if output else "")
    return status != 0


def wait_for(text: str, output: Path, seconds: float = 60) -> str:
    """The content of the file `output`, once it holds `text`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if output.exists() and text in (said := output.read_text(errors="replace")):
            return said
        time.sleep(0.005)
    raise AssertionError(f"{text!r} was not said: {output.read_text() if output.exists() else None}")
