"""WebDataset shards and data sets of Hugging Face are packed in their order, and go on at any image after a kill."""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alphabar.data import DataOptions, ImageSet, load, pack_source
from alphabar.data.packs import shards, writing
from alphabar.errors import AlphabarError


def png(seed: int, size: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(seed, size)).save(buffer, "PNG")
    return buffer.getvalue()


def pixels(seed: int, size: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def shard(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def sample(k: int, label: str | None) -> dict[str, bytes]:
    return {f"a/{k:05}.png": png(k)} | ({f"a/{k:05}.cls": label.encode()} if label is not None else {})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three shards of 10 images of the classes 3, 5 and 7, and one of 4 test images."""
    for number in range(3):
        files: dict[str, bytes] = {}
        for k in range(10 * number, 10 * number + 10):
            files |= sample(k, f"{3 + 2 * (k % 3)}\n")
        shard(tmp_path / "wds" / f"set-train-{number:06}.tar", files)
    shard(tmp_path / "wds" / "set-test-000000.tar", {k: v for n in range(4) for k, v in sample(50 + n, "3").items()})
    return tmp_path / "wds"


def read(path: Path, out: Path, split: str = "train", **options: object) -> ImageSet:
    pack_source(replace(DataOptions(path=path), **options), out, lambda line: None)
    return load("packed", DataOptions(path=out, split=split))


def test_shards_are_packed_in_order_with_their_classes_and_splits(data: Path, tmp_path: Path) -> None:
    images = read(data, tmp_path / "pack")
    expected = torch.stack([torch.from_numpy(pixels(k)).permute(2, 0, 1) for k in range(30)])
    assert torch.equal(images.images, expected)
    assert images.class_names == ("3", "5", "7")
    assert images.labels is not None
    assert images.labels.tolist() == [k % 3 for k in range(30)]
    assert images.fingerprint() == replace(images, hashed=None).fingerprint()
    assert len(load("packed", DataOptions(path=tmp_path / "pack", split="test"))) == 4


@pytest.mark.parametrize("start", [0, 1, 9, 10, 17, 29])
def test_a_stream_goes_on_at_any_image(data: Path, start: int) -> None:
    stream = shards.origin(DataOptions(path=data)).splits["train"]
    assert [int(item.pixels.sum()) for item in stream.read(start)] == [int(pixels(k).sum()) for k in range(start, 30)]


def test_a_pack_of_shards_that_was_killed_is_completed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read(data, tmp_path / "whole")
    monkeypatch.setattr(writing, "_SHARD", 7)
    fingerprints = writing._fingerprints
    monkeypatch.setattr(writing, "_fingerprints", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        read(data, tmp_path / "pack")
    monkeypatch.setattr(writing, "_fingerprints", fingerprints)
    said: list[str] = []
    pack_source(DataOptions(path=data), tmp_path / "pack", said.append)
    assert said == ["34 images were packed before, and not decoded again."]
    assert load("packed", DataOptions(path=tmp_path / "pack")).fingerprint() == expected.fingerprint()


def test_json_says_classes_too_and_a_sample_without_an_image_is_none(tmp_path: Path) -> None:
    files = {
        "1.png": png(1),
        "1.json": b'{"label": 4, "x": "y"}',
        "2.json": b"{}",
        "3.png": png(3),
        "3.json": b'{"label": 2}',
    }
    shard(tmp_path / "wds" / "a.tar", files)
    images = read(tmp_path / "wds", tmp_path / "pack")
    assert images.class_names == ("2", "4")
    assert images.labels is not None
    assert images.labels.tolist() == [1, 0]


def test_classes_that_only_some_images_have_are_left_out_and_this_is_said(tmp_path: Path) -> None:
    shard(tmp_path / "wds" / "a.tar", sample(1, "3") | sample(2, None))
    said: list[str] = []
    pack_source(DataOptions(path=tmp_path / "wds"), tmp_path / "pack", said.append)
    assert said == ["The classes of train are left out, because only 1 of 2 images have one."]
    assert load("packed", DataOptions(path=tmp_path / "pack")).labels is None


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"1.png": png(1), "1.cls": b"cat"}, "not the number of a class"),
        ({"1.png": png(1), "1.cls": b"-3"}, "numbers from 0 on"),
        ({"1.txt": b"a"}, "no image that can be used"),
        ({"1.png": b"nothing"}, "no image that can be used"),
        ({"../1.png": png(1)}, "outside of its own folder"),
        ({"1.png": png(1), "2.png": png(2, 9)}, "it is 9x9 and not 8x8, and data.resize is not set"),
    ],
)
def test_what_is_wrong_with_shards_is_said(tmp_path: Path, files: dict[str, bytes], said: str) -> None:
    shard(tmp_path / "wds" / "a.tar", files)
    with pytest.raises(AlphabarError, match=said):
        read(tmp_path / "wds", tmp_path / "pack")


def test_training_on_shards_names_the_command_that_packs_them(data: Path) -> None:
    with pytest.raises(AlphabarError, match=r"WebDataset shards are read by `alphabar data pack`"):
        load("folder", DataOptions(path=data))


@pytest.fixture
def table(tmp_path: Path) -> Iterator[object]:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    rows = {"img": [{"bytes": png(k), "path": None} for k in range(12)], "label": [k % 2 for k in range(12)]}
    return datasets.DatasetDict({"train": datasets.Dataset.from_dict(rows, features=features)})


def test_a_saved_data_set_of_hugging_face_is_packed(table: object, tmp_path: Path) -> None:
    table.save_to_disk(str(tmp_path / "saved"))  # type: ignore[attr-defined]
    images = read(tmp_path / "saved", tmp_path / "pack")
    assert torch.equal(images.images[5].permute(1, 2, 0), torch.from_numpy(pixels(5)))
    assert images.class_names == ("cat", "dog")


def test_a_data_set_of_hugging_face_is_streamed(table: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    streamed = datasets.IterableDatasetDict({"train": table["train"].to_iterable_dataset()})  # type: ignore[index]
    monkeypatch.setattr(datasets, "load_dataset", lambda name, config, streaming: streamed)
    images = read(Path("hf:somebody/cats"), tmp_path / "pack", holdout=0.3)
    assert 0 < len(images) < 12
    assert images.contents.held_out.endswith("held out as data.split=test")
    assert images.source.endswith("pack")


def test_a_data_set_of_hugging_face_needs_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(AlphabarError, match=r'pip install "alphabar\[datasets\]"'):
        read(Path("hf:somebody/cats"), tmp_path / "pack")
