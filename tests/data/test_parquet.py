"""Parquet of Hugging Face is unpacked like an archive, and is a folder of images from then on."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alphabar.data import DataOptions, NoSplitError, detect, inspect, load
from alphabar.errors import AlphabarError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def png(seed: int, size: int = 8) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write(
    path: Path,
    labels: Sequence[int | None] = (0, 1, 1),
    names: Sequence[str] | None = ("a cat", "dog/wolf"),
    images: Sequence[Any] | None = None,
    seed: int = 0,
) -> Path:
    """A table as Hugging Face writes it."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    cells = images or [{"bytes": png(seed + k), "path": f"{k}.png"} for k in range(len(labels))]
    label = {"_type": "ClassLabel", "names": names} if names else {"_type": "Value", "dtype": "int64"}
    about = {"info": {"features": {"image": {"_type": "Image"}, "label": label}}}
    table = pyarrow.table({"image": cells, "label": pyarrow.array(labels, pyarrow.int64())})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table.replace_schema_metadata({"huggingface": json.dumps(about)}), path)
    return path


def test_the_rows_of_a_table_are_images_with_the_names_of_their_classes(tmp_path: Path) -> None:
    path = write(tmp_path / "train-00000-of-00001.parquet")
    assert detect(path) == "archive"
    images = load("archive", DataOptions(path=path))
    assert images.shape == (3, 8, 8) and images.class_names == ("a cat", "dog%2Fwolf")
    assert images.labels is not None and images.labels.tolist() == [0, 1, 1]
    first = np.asarray(Image.open(io.BytesIO(png(0))))
    assert (images.images[0].permute(1, 2, 0).numpy() == first).all()
    report = inspect(path, DataOptions())
    assert report.found == 3 and report.classes == {"a cat": 1, "dog%2Fwolf": 2} and report.source == str(path)


@pytest.mark.parametrize("folder", ["", "data"])
def test_the_tables_of_a_folder_are_its_splits(folder: str, tmp_path: Path) -> None:
    where = tmp_path / "set" / folder
    for k in range(2):
        write(where / f"train-{k:05}-of-00002.parquet", seed=10 * k)
    write(where / "validation-00000-of-00001.parquet", [1], seed=90)
    assert detect(tmp_path / "set") == "archive"
    train = load("archive", DataOptions(path=tmp_path / "set"))
    assert len(train) == 6 and len(train.fingerprint()) == 64 and train.num_classes == 2
    assert len(load("archive", DataOptions(path=tmp_path / "set", split="val"))) == 1
    with pytest.raises(NoSplitError, match="no folder of the 'test' split"):
        load("archive", DataOptions(path=tmp_path / "set", split="test"))
    write(where / "test-00000-of-00001.parquet", [0, 1], seed=50)
    assert len(load("archive", DataOptions(path=tmp_path / "set", split="test"))) == 2


def test_labels_may_be_numbers_or_absent_and_images_plain_bytes(tmp_path: Path) -> None:
    numbered = load("archive", DataOptions(path=write(tmp_path / "a.parquet", [3, 5, 3], None)))
    assert numbered.class_names == ("3", "5")
    unlabelled = write(tmp_path / "b.parquet", [-1, None], images=[png(1), png(2)])
    images = load("archive", DataOptions(path=unlabelled))
    assert len(images) == 2 and images.labels is None


def test_pictures_of_a_table_can_be_held_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [0, 1] * 10)
    parts = [load("archive", DataOptions(path=path, split=split, holdout=0.4)) for split in ("train", "test")]
    assert sum(map(len, parts)) == 20 and min(map(len, parts))


def test_a_table_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    write(tmp_path / "d.parquet", [0, 7])
    write(tmp_path / "e.parquet", [0], images=[{"bytes": None, "path": "a.png"}])
    write(tmp_path / "f.parquet", [0], images=["a text"])
    words = {"b": "not a complete Parquet", "c": "not a complete Parquet", "d": "the label 7", "e": "names of files"}
    for name, said in (words | {"f": "no column 'image'"}).items():
        with pytest.raises(AlphabarError, match=said):
            load("archive", DataOptions(path=tmp_path / f"{name}.parquet"))


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(AlphabarError, match=r"pip install \"alphabar\[parquet\]\""):
        load("archive", DataOptions(path=tmp_path / "a.parquet"))
