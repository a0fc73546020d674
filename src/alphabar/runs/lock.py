"""One process at a time trains in a run directory. The kernel releases the lock of a killed one, so none is stale."""

import fcntl
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from alphabar.errors import AlphabarError
from alphabar.files import open_regular

_PATIENCE = 0.3
"""Seconds for which a lock is asked for again: `check_free` of another process holds it for an instant."""
_HOLDER = re.compile(rb"process \d{1,19} on [\w.-]{1,255}")


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """The run directory at `run`, for this process alone; AlphabarError if another one has it, or it cannot be had."""
    try:
        file = _path(run).open("ab")
    except OSError as error:
        raise unwritable(run, error) from None
    with file:
        try:
            _lock(file)
        except BlockingIOError:
            raise _taken(run) from None
        except OSError as error:
            raise AlphabarError(
                f"{run} lies on a file system without locks ({error.strerror or error}); choose another --run."
            ) from None
        with suppress(OSError):  # of a full disk: the lock holds without the note
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
            file.flush()
        yield


def check_free(run: Path) -> None:
    """AlphabarError if a process trains in `run`. It may begin in the next moment: this only spares a long start."""
    try:
        with open_regular(_path(run)) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _taken(run) from None
    except OSError:
        return  # there is no lock yet; or what is wrong is said when the run is opened


def unwritable(run: Path, error: OSError) -> AlphabarError:
    """What is said of a run directory that cannot be written."""
    is_of_another_kind = isinstance(error, FileExistsError | IsADirectoryError | NotADirectoryError)
    where = f"{error.filename}: " if is_of_another_kind and error.filename is not None else ""
    return AlphabarError(f"The run directory {run} cannot be written ({where}{error.strerror}); choose one with --run.")


def _lock(file: IO[bytes]) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def _taken(run: Path) -> AlphabarError:
    note = b""
    with suppress(OSError), open_regular(_path(run)) as file:
        note = file.read(300)
    who = f"Another process ({note.decode()[len('process ') :]})" if _HOLDER.fullmatch(note) else "Another process"
    return AlphabarError(f"{who} is training in {run}; wait for it, or choose another --run.")


def _path(run: Path) -> Path:
    return run / ".lock"
