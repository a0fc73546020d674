"""Readers of arrays - IDX, CIFAR-10, NPZ - trust nothing in a file that they have not checked."""

import gzip
import io
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from alphabar.data import DataOptions, load
from alphabar.data.cifar10 import CLASSES
from alphabar.data.idx import read_idx
from alphabar.data.unpickle import unpickle
from alphabar.errors import AlphabarError
from alphabar.images import save_npz

Writer = Callable[..., Path]
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def sentence(name: str, options: DataOptions) -> str:
    with pytest.raises(AlphabarError) as caught:
        load(name, options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- IDX --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [True, False])
def test_idx_images_and_labels_are_read_exactly(packed: bool, write_idx: Writer) -> None:
    images = load("idx", DataOptions(path=write_idx(20, packed)))
    assert np.array_equal(images.images[:, 0], np.random.default_rng(1).integers(0, 256, (20, 6, 5)))
    assert images.labels is not None
    assert images.labels.tolist() == [k % 4 for k in range(20)]
    assert images.class_names == ("0", "1", "2", "3")


def test_idx_splits_are_told_by_their_names(write_idx: Writer) -> None:
    folder = write_idx(20)
    write_idx(8, prefix="t10k")
    assert len(load("idx", DataOptions(path=folder))) == 20
    assert len(load("idx", DataOptions(path=folder, split="test"))) == 8


def test_idx_labels_may_be_absent_but_not_of_another_length(write_idx: Writer) -> None:
    folder = write_idx(20, labels=False)
    assert load("idx", DataOptions(path=folder)).labels is None
    (folder / "train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 1, 1]))
    assert "do not belong together" in sentence("idx", DataOptions(path=folder))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: data[: len(data) // 2], "ends early|only"),
        (lambda data: data[:6], "not an IDX file"),
        (lambda data: b"", "not an IDX file"),
        (lambda data: b"<!DOCTYPE html>" + data, "not an IDX file"),
        (lambda data: data + b"\0", "more"),
        (lambda data: data[:4] + b"\xff\xff\xff\xff" + data[8:], "does not fit"),
        (lambda data: data[:2] + b"\x0d" + data[3:], "begins with 00 00 0d 03"),
    ],
    ids=["truncated", "header only", "empty", "html", "longer", "boundless", "floats"],
)
@pytest.mark.parametrize("packed", [True, False])
def test_damaged_idx_files_are_refused(
    spoil: Callable[[bytes], bytes], words: str, packed: bool, write_idx: Writer
) -> None:
    path = write_idx(20, packed=False) / "train-images-idx3-ubyte"
    data = spoil(path.read_bytes())
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(AlphabarError, match=words):
        read_idx(path, rank=3)


def test_a_cut_gzip_file_is_refused(write_idx: Writer) -> None:
    path = write_idx(20) / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(AlphabarError, match="ends early"):
        read_idx(path, rank=3)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_published_sets_must_have_their_checksum(name: str, write_idx: Writer) -> None:
    assert "not the published file" in sentence(name, DataOptions(data_root=write_idx(20), download=False))


def test_a_set_that_is_nowhere_says_where_it_was_sought_and_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "root").mkdir()
    words = sentence("mnist", DataOptions(data_root=tmp_path / "root", download=False))
    for part in (str(tmp_path / "root"), str(tmp_path / "cache/alphabar/mnist"), "https://"):
        assert part in words


def unreachable(*_: object, **__: object) -> None:
    raise OSError("no route")


def test_a_failed_download_is_a_sentence_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("alphabar.data.download.urlopen", unreachable)
    words = sentence("mnist", DataOptions())
    assert "ossci-datasets.s3.amazonaws.com: no route" in words
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_download_is_checked_before_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Reply(io.BytesIO):
        length = 4

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("alphabar.data.download.urlopen", lambda *_, **__: Reply(b"evil"))
    assert "not an IDX file" in sentence("mnist", DataOptions())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_endless_download_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Reply(io.BytesIO):
        length = None

        def read(self, size: int | None = -1) -> bytes:
            return bytes(size or 1)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("alphabar.data.download.urlopen", lambda *_, **__: Reply())
    monkeypatch.setattr("alphabar.data.download._MOST", 1_000_000)
    assert "it sends more than 1 MB" in sentence("mnist", DataOptions())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.skipif(not DEBIAN.exists(), reason="needs Debian's dataset-fashion-mnist")
def test_debians_fashion_mnist_is_accepted_and_padded_exactly() -> None:
    test = load("fashion_mnist", DataOptions(split="test", download=False))
    assert (len(test), test.shape, test.class_names[9]) == (10_000, (1, 28, 28), "Ankle boot")
    assert test.labels is not None
    assert torch.bincount(test.labels).tolist() == [1000] * 10
    padded = load("fashion_mnist", DataOptions(split="test", download=False, image_size=(32, 32), resize="pad"))
    assert torch.equal(padded.images[:, :, 2:30, 2:30], test.images)
    assert padded.images.sum() == test.images.sum()


# ---- CIFAR-10 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("form", ["folder", "parent", "archive"])
def test_cifar_batches_are_read_exactly(form: str, protocol: int, write_cifar: Writer, tmp_path: Path) -> None:
    folder = write_cifar(6, protocol)
    path = {"folder": folder, "parent": folder.parent, "archive": tmp_path / "cifar-10-python.tar.gz"}[form]
    if form == "archive":
        with tarfile.open(path, "w:gz") as archive:
            archive.add(folder, folder.name)
    images = load("cifar10", DataOptions(path=path))
    rng = np.random.default_rng(2)
    stored = [rng.integers(0, 256, (6, 3, 32, 32), dtype=np.uint8) for _ in range(3)]
    assert np.array_equal(images.images, np.concatenate(stored[:2]))
    assert images.labels is not None
    assert images.labels.tolist() == [0, 1, 2, 3, 4, 5] * 2
    assert images.class_names[3] == "class 3"
    assert np.array_equal(load("cifar10", DataOptions(path=path, split="test")).images, stored[2])


def test_a_python_2_batch_is_read() -> None:
    """The very opcodes of the published files: protocol 2, byte strings, NumPy's old module names."""
    data = (
        b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b"
    )
    data += (
        b"\x87Rq\x05(K\x01K\x02K\x03\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xff"
    )
    data += b"J\xff\xff\xff\xffK\x00tb\x89U\x06abcdeftbU\x06labelsq\x08]q\t(K\x06K\x09eu."
    record = unpickle(data)
    assert record["labels"] == [6, 9]
    assert record["data"].tolist() == [[97, 98, 99], [100, 101, 102]]


class Payload:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.canary,)


def gadget(module: str, name: str, argument: str) -> bytes:
    return f"c{module}\n{name}\n(S'{argument}'\ntR.".encode()


def test_a_malicious_pickle_is_refused_and_not_run(write_cifar: Writer, tmp_path: Path) -> None:
    folder, canary = write_cifar(), tmp_path / "canary"
    commands = [
        pickle.dumps({b"data": Payload(canary)}),
        gadget("os", "system", f"touch {canary}"),
        gadget("builtins", "eval", f"open({str(canary)!r}, 'w')".replace("'", "\\'")),
        gadget("builtins", "getattr", "x"),
        gadget("numpy", "load", str(canary)),
        gadget("numpy.core.multiarray", "scalar", "x"),
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R.",
    ]
    for command in commands:
        (folder / "data_batch_1").write_bytes(command)
        assert "refused" in sentence("cifar10", DataOptions(path=folder))
    assert not canary.exists()


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x80\x02]q\x00.", b"\x80\x02}q\x00."])
def test_what_is_no_cifar_batch_is_refused(content: bytes, write_cifar: Writer) -> None:
    folder = write_cifar()
    (folder / "data_batch_2").write_bytes(content)
    assert "data_batch_2" in sentence("cifar10", DataOptions(path=folder))


def test_cifar_by_name_must_have_its_checksum(write_cifar: Writer) -> None:
    assert "md5" in sentence("cifar10", DataOptions(data_root=write_cifar().parent, download=False))


def test_a_broken_archive_or_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cifar.tar.gz").write_bytes(gzip.compress(b"not a tar"))
    assert "archive" in sentence("cifar10", DataOptions(path=tmp_path / "cifar.tar.gz"))
    assert "no CIFAR-10 batch" in sentence("cifar10", DataOptions(path=tmp_path))


def test_without_names_of_its_own_a_batch_has_the_known_ten(write_cifar: Writer) -> None:
    folder = write_cifar()
    (folder / "batches.meta").unlink()
    assert load("cifar10", DataOptions(path=folder)).class_names == CLASSES


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([b"a", b"a"], "two classes called a"),
        ([b"a", "a"], "two classes called a"),
        ("abc", "not a list of names"),
        ([1, 2], "not a list of names"),
        ([b"", b"b"], "not a list of names"),
        ([b"a" * 5000], "5,000 letters long"),
    ],
)
def test_class_names_that_cannot_be_classes_are_refused(names: object, words: str, write_cifar: Writer) -> None:
    folder = write_cifar()
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": names}, protocol=4))
    assert words in sentence("cifar10", DataOptions(path=folder))


def test_control_characters_in_class_names_are_escaped(write_cifar: Writer) -> None:
    folder = write_cifar()
    names = [b"\x1b[2J", b"\xff", "bell\x07", b"line\nbreak", *[b"class %d" % k for k in range(6)]]
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": names}, protocol=4))
    images = load("cifar10", DataOptions(path=folder))
    assert images.class_names[:4] == ("\\x1b[2J", "\\xff", "bell\\x07", "line\\nbreak")


@pytest.mark.parametrize("labels", [[-1, 1], [1 << 70, 0], [True, 0], [0.0, 1], "ab", [0]])
def test_labels_of_cifar_that_are_not_numbers_of_classes_are_refused(labels: object, write_cifar: Writer) -> None:
    folder = write_cifar()
    record = {b"data": np.zeros((2, 3072), np.uint8), b"labels": labels}
    (folder / "data_batch_1").write_bytes(pickle.dumps(record, protocol=4))
    assert "is not a list of 2 classes" in sentence("cifar10", DataOptions(path=folder))


def test_a_batch_without_images_is_refused(write_cifar: Writer) -> None:
    folder = write_cifar()
    record = {b"data": np.zeros((0, 3072), np.uint8), b"labels": []}
    (folder / "data_batch_1").write_bytes(pickle.dumps(record, protocol=4))
    assert "its data_batch_1 has no images" in sentence("cifar10", DataOptions(path=folder))


# ---- NPZ --------------------------------------------------------------------------------------------------------


def test_what_save_npz_writes_npz_reads(tmp_path: Path) -> None:
    images = torch.randint(0, 256, (5, 3, 4, 6), dtype=torch.uint8)
    save_npz(tmp_path / "a.npz", images, torch.tensor([0, 2, 1, 1, 0]))
    read = load("npz", DataOptions(path=tmp_path / "a.npz"))
    assert torch.equal(read.images, images)
    assert read.labels is not None
    assert read.labels.tolist() == [0, 2, 1, 1, 0]
    assert read.class_names == ("0", "1", "2")


GOOD = np.zeros((4, 8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"before": GOOD, "after": GOOD}, "no array 'arr_0' or 'images', only before, after"),
        ({"arr_0": 2 + GOOD.astype(np.float32)}, "float32"),
        ({"arr_0": GOOD[0]}, "(8, 8, 3)"),
        ({"arr_0": GOOD.transpose(0, 3, 1, 2)}, "channels first"),
        ({"arr_0": GOOD[:0]}, "no images"),
        ({"arr_0": GOOD, "arr_1": np.zeros(3, np.int64)}, "not integers (4,)"),
        ({"arr_0": GOOD, "arr_1": np.array([0, 1, -1, 0])}, "-1"),
        ({"arr_0": GOOD, "arr_1": np.zeros(4)}, "float64"),
        ({"arr_0": np.array([Payload(Path("/nonexistent/canary"))])}, "cannot be read"),
    ],
    ids=["key", "float", "rank", "layout", "none", "label count", "negative", "label type", "pickle"],
)
def test_arrays_of_the_wrong_kind_are_refused(arrays: dict[str, np.ndarray], words: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    assert words in sentence("npz", DataOptions(path=tmp_path / "a.npz"))


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, arr_0=np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), dtype=np.uint8))
    whole = path.read_bytes()
    for content in (b"", b"PK", whole[:300], whole[:200] + b"\xff" * 50 + whole[250:]):
        path.write_bytes(content)
        assert sentence("npz", DataOptions(path=path))
    assert "no such file" in sentence("npz", DataOptions(path=tmp_path / "b.npz"))


def test_only_the_numbers_that_occur_are_classes(tmp_path: Path) -> None:
    np.savez(tmp_path / "gap.npz", np.zeros((4, 8, 8, 1), np.uint8), np.array([7, 0, 3, 7]))
    images = load("npz", DataOptions(path=tmp_path / "gap.npz"))
    assert images.class_names == ("0", "3", "7") and images.labels is not None
    assert images.labels.tolist() == [2, 0, 1, 2]
