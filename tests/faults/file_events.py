"""SIGKILL before the k-th change of a folder, whichever thread makes it."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import safetensors.torch

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.truncate", "os.link", "os.symlink"}
"""What Python announces of the calls that change a file system; opening a file is looked at more closely."""


class FileEvents:
    """Counts the changes of `folder` and below in this process, for good; and kills it before change `fatal`."""

    def __init__(self, folder: Path, fatal: int | None = None) -> None:
        self.folder, self.fatal, self.count = str(folder), fatal, 0
        self.names: list[str] = []
        sys.addaudithook(self._audit)
        self._watch_syncs()
        self._watch_tensors()

    def happens(self, name: str, path: object) -> None:
        """An event `name` at `path`: this process ends here if it is the fatal one."""
        if not os.fsdecode(path).startswith(self.folder):  # type: ignore[arg-type]
            return
        self.count += 1
        self.names.append(name)
        if self.count == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def _audit(self, name: str, args: tuple[Any, ...]) -> None:
        if name == "open" and isinstance(args[0], str | bytes | os.PathLike):
            if (args[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self.happens(name, args[0])
        elif name in CHANGES:
            handle = args[-1] if isinstance(args[-1], int) else -1
            is_relative = name in ("os.remove", "os.rmdir") and handle >= 0  # as in shutil.rmtree
            self.happens(name, _path(handle) / os.fsdecode(args[0]) if is_relative else args[0])

    def _watch_syncs(self) -> None:
        real = os.fsync

        def fsync(handle: int) -> None:
            self.happens("fsync", _path(handle))
            real(handle)

        os.fsync = fsync

    def _watch_tensors(self) -> None:
        """Rust writes these files, unseen by Python. A file of which half is written is an event of its own."""
        real = safetensors.torch.serialize_file

        def serialize_file(tensors: Any, path: Path, *more: Any, **options: Any) -> None:
            self.happens("serialize_file", path)
            real(tensors, path, *more, **options)
            if self.count + 1 == self.fatal:
                os.truncate(path, Path(path).stat().st_size // 2)
            self.happens("half a file", path)

        safetensors.torch.serialize_file = serialize_file


def _path(handle: int) -> Path:
    return Path(f"/proc/self/fd/{int(handle)}").readlink()
