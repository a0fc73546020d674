"""NumPy's files in the layouts that people have: MedMNIST, Keras, other names, and `.npy`; what is left out is said."""

from pathlib import Path

import numpy as np
import pytest

from alphabar.data import DataOptions, NoSplitError, detect, inspect, load
from alphabar.errors import AlphabarError

RNG = np.random.default_rng(3)


def images(count: int, *shape: int) -> np.ndarray:
    return RNG.integers(0, 256, (count, *(shape or (9, 7, 3))), dtype=np.uint8)


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(AlphabarError) as caught:
        load("npz", DataOptions(path=path, **options))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (9, 7, 3), (9, 7, 4)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_numpy_saves_is_read_exactly(shape: tuple[int, ...], order: str, tmp_path: Path) -> None:
    stored = np.array(images(5, *shape), order=order)  # type: ignore[call-overload]
    np.save(tmp_path / "a.npy", stored)
    np.savez(tmp_path / "a.npz", stored)
    np.savez_compressed(tmp_path / "b.npz", images=stored)
    for name in ("a.npy", "a.npz", "b.npz"):
        assert detect(tmp_path / name) == "npz"
        found = load("npz", DataOptions(path=tmp_path / name)).images
        assert np.array_equal(found, stored.reshape(5, 9, 7, -1).transpose(0, 3, 1, 2))


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_both_versions_of_the_header_are_read(version: tuple[int, int], tmp_path: Path) -> None:
    stored = images(4)
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, stored, version=version)
    assert np.array_equal(load("npz", DataOptions(path=tmp_path / "a.npy")).images.permute(0, 2, 3, 1), stored)


MEDMNIST = ("{split}_images", "{split}_labels")
KERAS = ("x_{split}", "y_{split}")


@pytest.mark.parametrize(("names", "column"), [(MEDMNIST, True), (KERAS, False), (("X_{split}", "y_{split}"), False)])
def test_splits_in_one_file_are_splits(names: tuple[str, str], column: bool, tmp_path: Path) -> None:
    arrays, expected = {}, {}
    for split, count in (("train", 6), ("val", 4), ("test", 5)):
        stored, labels = images(count, 8, 8), np.arange(count) % 3
        arrays[names[0].format(split=split)] = stored
        arrays[names[1].format(split=split)] = labels[:, None].astype(np.uint8) if column else labels
        expected[split] = stored, labels
    np.savez(tmp_path / "pathmnist.npz", **arrays)
    for split, (stored, labels) in expected.items():
        read = load("npz", DataOptions(path=tmp_path / "pathmnist.npz", split=split))
        assert np.array_equal(read.images[:, 0], stored)
        assert read.labels is not None
        assert read.labels.tolist() == labels.tolist()
        assert read.contents.split == split
        assert len(read.contents.splits) == 3
        assert not read.contents.left_out


def test_a_split_that_a_file_does_not_have_is_named_with_those_that_it_has(tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist.npz", x_train=images(4, 8, 8), x_test=images(4, 8, 8))
    with pytest.raises(NoSplitError, match=r"has no 'val' split: .*data\.split=train or test"):
        load("npz", DataOptions(path=tmp_path / "mnist.npz", split="val"))
    np.save(tmp_path / "a.npy", images(4))
    with pytest.raises(NoSplitError, match=r"has no 'test' split"):
        load("npz", DataOptions(path=tmp_path / "a.npy", split="test"))


def test_two_arrays_of_one_split_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", train_images=images(4), x_train=images(4))
    assert "both of the train split" in refusal(tmp_path / "a.npz")


def test_the_only_array_that_can_be_images_is_taken_and_said_and_so_is_what_is_left_out(tmp_path: Path) -> None:
    stored = images(4)
    np.savez(
        tmp_path / "a.npz", faces=stored, ages=np.ones(4), boxes=np.ones((4, 4), np.int64), names=np.array(["a"] * 4)
    )
    read = load("npz", DataOptions(path=tmp_path / "a.npz"))
    assert np.array_equal(read.images.permute(0, 2, 3, 1), stored)
    assert "a.npz (faces)" in read.described()
    assert "left out: 3 arrays (ages, boxes, names)" in read.described()
    assert "faces" in inspect(tmp_path / "a.npz", DataOptions()).source


def test_an_array_of_objects_beside_the_images_is_left_out_unread(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", faces=images(4), meta=np.array([{"a": 1}], dtype=object))
    assert load("npz", DataOptions(path=tmp_path / "a.npz")).contents.left_out == ("1 array (meta)",)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": images(4), "b": images(4)}, "no array 'arr_0' or 'images', only a, b"),
        ({"a": np.ones(4), "b": np.ones((4, 4))}, "no array 'arr_0' or 'images', only a, b"),
        ({"images": images(1, 8, 3)[0]}, "(8, 3)"),
        ({"images": images(8, 8, 3)}, "uint8 (8, 8, 3)"),
        ({"images": images(4, 28, 28, 28)}, "volumes"),
        ({"images": images(4, 3, 28, 28)}, "channels first"),
        ({"images": images(4, 0, 5, 3)}, "no images"),
        ({"images": np.zeros((2, 8, 8), np.complex64)}, "cannot be read"),
        ({"images": np.zeros((2, 8, 8), "U3")}, "not uint8"),
        ({"images": np.zeros((2, 8, 8), "M8[s]")}, "cannot be read"),
        ({"images": images(4), "labels": np.array([0, 1, 2, 1 << 40])}, "labels run from 0 to"),
        ({"images": images(4), "labels": np.zeros((2, 2), np.int64)}, "not integers (4,)"),
    ],
)
def test_what_is_no_array_of_images_is_refused(arrays: dict[str, np.ndarray], words: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    assert words in refusal(tmp_path / "a.npz")


def test_several_labels_for_each_image_are_no_classes_and_that_is_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "chestmnist.npz", train_images=images(4, 8, 8), train_labels=np.ones((4, 14), np.uint8))
    read = load("npz", DataOptions(path=tmp_path / "chestmnist.npz"))
    assert read.labels is None
    assert "train_labels, with 14 labels for each image" in read.described()


def test_transparent_images_of_an_array_are_counted(tmp_path: Path) -> None:
    stored = np.full((3, 8, 8, 4), 255, np.uint8)
    stored[0, 0, 0, 3] = 7
    np.save(tmp_path / "a.npy", stored)
    read = load("npz", DataOptions(path=tmp_path / "a.npy", channels=3, background=(1, 2, 3)))
    assert "1 transparent image on data.background=[1,2,3]" in read.described()


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "tab\tb", "bell\x07", "line\nbreak"])
def test_control_characters_in_names_of_arrays_never_reach_the_terminal(name: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{name: images(4), f"{name}2": images(4)})
    assert refusal(tmp_path / "a.npz").isprintable()
    np.savez(tmp_path / "b.npz", **{name: images(4), f"{name}2": np.ones(3)})
    assert load("npz", DataOptions(path=tmp_path / "b.npz")).described().isprintable()
