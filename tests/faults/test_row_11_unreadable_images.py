"""Images that the system does not give, although they are listed."""

import errno
import io
import logging
import os
from pathlib import Path

import pytest
from PIL import Image

from alphabar import data
from alphabar.data import DataOptions


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for k in range(40):
        Image.new("RGB", (8, 8), (k, 2 * k, 3 * k)).save(tmp_path / f"{k:02}.png")
    return tmp_path


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES, errno.ENOENT, errno.ESTALE])
@pytest.mark.parametrize("opening", [1, 2])
@pytest.mark.parametrize("when", ["opened", "read"])
def test_row_11_an_image_that_cannot_be_read_is_skipped_by_name(
    photos, monkeypatch, caplog, error: int, opening: int, when: str
) -> None:
    """Its disk fails, or it vanishes: before its header is read, or later, before its pixels are."""
    openings: list[str] = []

    class Failing(io.FileIO):
        def __init__(self, path: Path) -> None:
            self.bad = path.name == "07.png"
            openings.extend([path.name] * self.bad)
            if self.bad and len(openings) >= opening and when == "opened":
                raise OSError(error, os.strerror(error), str(path))
            super().__init__(path)

        def readinto(self, buffer: object) -> int:
            if self.bad and len(openings) >= opening:
                raise OSError(error, os.strerror(error))
            return super().readinto(buffer)

    monkeypatch.setattr(io, "FileIO", Failing)
    with caplog.at_level(logging.WARNING):
        images = data.load("folder", DataOptions(path=photos))
    assert len(openings) >= opening
    assert len(images) == 39 and "07.png" in caplog.text
