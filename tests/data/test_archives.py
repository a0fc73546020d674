"""A zip or tar of images is a folder of images; it is unpacked once, whole, into the cache and nowhere else."""

import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alphabar.data import DataOptions, NoSplitError, detect, inspect, load
from alphabar.data import archive as archive_module
from alphabar.data.archive import unpacked
from alphabar.errors import AlphabarError

Writer = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "alphabar" / "archives"


@pytest.fixture
def icons(photos: Writer) -> Path:
    """A folder with two classes."""
    photos(4, name="icons/cat")
    return photos(3, (8, 8), name="icons/dog").parent


def png(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, files: dict[str, bytes | tarfile.TarInfo], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = data if isinstance(data, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.name = name
            content = b"" if isinstance(data, tarfile.TarInfo) else data
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(AlphabarError) as caught:
        load("archive", DataOptions(path=path))
    assert str(caught.value).isprintable()
    assert path.name in str(caught.value)
    return str(caught.value)


def left(cache: Path) -> list[Path]:
    return sorted(cache.iterdir()) if cache.exists() else []


SUFFIXES = {".zip": "zip", ".tar": "tar", ".tar.gz": "gztar", ".tgz": "gztar", ".tar.xz": "xztar", ".tar.bz2": "bztar"}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("inside", [True, False], ids=["in a folder", "at the top"])
def test_an_archive_of_a_folder_is_that_folder(suffix: str, inside: bool, icons: Path, tmp_path: Path) -> None:
    made = shutil.make_archive(
        str(tmp_path / "made"),
        SUFFIXES[suffix],
        icons.parent if inside else icons,
        icons.name if inside else None,
    )
    path = Path(made).rename(tmp_path / f"pets{suffix}")
    assert detect(path) == "archive"
    read, whole = load("archive", DataOptions(path=path)), load("folder", DataOptions(path=icons))
    assert read.fingerprint() == whole.fingerprint()
    assert read.class_names == ("cat", "dog")
    assert (read.name, read.source) == ("pets", str(path))
    report = inspect(path, DataOptions())
    assert (report.kind, report.source, report.classes) == ("archive", str(path), {"cat": 4, "dog": 3})


def test_an_archive_of_icons_is_not_taken_for_cifar(icons: Path, write_cifar: Writer, tmp_path: Path) -> None:
    made = Path(shutil.make_archive(str(tmp_path / "icons"), "gztar", icons.parent, icons.name))
    assert detect(made.rename(tmp_path / "icons.tgz")) == "archive"
    write_cifar()
    made = Path(shutil.make_archive(str(tmp_path / "batches"), "gztar", tmp_path, "cifar-10-batches-py"))
    assert detect(made) == "cifar10"
    assert detect(made.rename(tmp_path / "any.tgz")) == "cifar10"


def test_an_archive_is_unpacked_once(icons: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(shutil.make_archive(str(tmp_path / "a"), "zip", icons))
    first = unpacked(path)
    monkeypatch.setattr(archive_module, "_unpack", lambda *_: pytest.fail("unpacked again"))
    assert unpacked(path) == first
    assert unpacked(Path(shutil.copy(path, tmp_path / "copy.zip"))) == first


def test_a_tidied_cache_is_filled_anew(icons: Path, tmp_path: Path) -> None:
    path = Path(shutil.make_archive(str(tmp_path / "a"), "zip", icons))
    whole = load("archive", DataOptions(path=path))
    for spoil in (lambda file: file.unlink(), lambda file: file.write_bytes(b"")):
        spoil(next(unpacked(path).rglob("*.png")))
        assert load("archive", DataOptions(path=path)).fingerprint() == whole.fingerprint()


def test_splits_in_an_archive_are_splits(photos: Writer, tmp_path: Path) -> None:
    photos(3, name="d/train")
    photos(2, name="d/test")
    path = Path(shutil.make_archive(str(tmp_path / "a"), "tar", tmp_path / "d"))
    assert len(load("archive", DataOptions(path=path))) == 3
    assert len(load("archive", DataOptions(path=path, split="test"))) == 2
    with pytest.raises(NoSplitError, match=r"a\.tar has no folder of the 'val' split"):
        load("archive", DataOptions(path=path, split="val"))


def test_errors_name_the_archive_and_not_the_cache(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"notes.txt": b"x"})
    assert refusal(path) == (f"{path} has files but no images (1 .txt); " + refusal(path).partition("; ")[2])


# ---- dataset.json -----------------------------------------------------------------------------------------------


def stylegan(labels: object, count: int = 3) -> dict[str, bytes]:
    """What StyleGAN's and EDM's dataset_tool.py writes."""
    names = [f"0000{k % 2}/img0000000{k}.png" for k in range(count)]
    listed = labels if labels is None or not callable(labels) else [[name, labels(k)] for k, name in enumerate(names)]
    return {name: png(k) for k, name in enumerate(names)} | {"dataset.json": json.dumps({"labels": listed}).encode()}


def test_labels_in_dataset_json_are_the_classes_and_its_folders_are_not(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", stylegan(lambda k: 10 - 3 * k))
    read = load("archive", DataOptions(path=path))
    assert read.labels is not None
    assert {
        name: read.class_names[k] for name, k in zip(sorted(stylegan(None))[:3], read.labels.tolist(), strict=True)
    } == {
        "00000/img00000000.png": "10",
        "00000/img00000002.png": "4",
        "00001/img00000001.png": "7",
    }
    assert read.class_names == ("4", "7", "10")
    assert not read.contents.left_out
    assert inspect(path, DataOptions()).classes == {"4": 1, "7": 1, "10": 1}


def test_dataset_json_without_labels_means_that_there_are_no_classes(tmp_path: Path) -> None:
    read = load("archive", DataOptions(path=zipped(tmp_path / "a.zip", stylegan(None))))
    assert read.labels is None
    assert not read.contents.left_out


def test_dataset_json_counts_in_a_folder_too_and_above_the_only_one_that_holds_images(tmp_path: Path) -> None:
    (tmp_path / "d" / "00000").mkdir(parents=True)
    for k in range(2):
        (tmp_path / "d" / "00000" / f"{k}.png").write_bytes(png(k))
    (tmp_path / "d" / "dataset.json").write_text('{"labels": [["00000/0.png", 5], ["00000/1.png", 2]]}')
    read = load("folder", DataOptions(path=tmp_path / "d"))
    assert read.class_names == ("2", "5")
    assert read.labels is not None
    assert read.labels.tolist() == [1, 0]


def test_labels_of_images_that_do_not_exist_are_said(tmp_path: Path) -> None:
    files = stylegan(lambda k: k)
    del files["00001/img00000001.png"]
    read = load("archive", DataOptions(path=zipped(tmp_path / "a.zip", files)))
    assert read.class_names == ("0", "2")
    assert "1 label of images that do not exist" in read.described()


def test_a_dataset_json_about_something_else_is_a_file_like_others(tmp_path: Path) -> None:
    files = {"a/1.png": png(), "b/2.png": png(1), "dataset.json": b'{"name": "pets"}'}
    read = load("archive", DataOptions(path=zipped(tmp_path / "a.zip", files)))
    assert read.class_names == ("a", "b")
    assert read.contents.left_out == ("1 file (.json)",)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([["00000/img00000000.png", 1]], "no label for 2 of 3 images"),
        ({"a": 1}, "must be a list of"),
        (lambda k: [0, 1], "must be a list of"),
        (lambda k: -1, "must be a list of"),
        (lambda k: True, "must be a list of"),
        (lambda k: 1.5, "must be a list of"),
        (lambda k: 1 << 50, "must be a list of"),
        ([["a\x1b.png"]], "must be a list of"),
        ([["00000/img00000000.png", 1], ["00000/img00000000.png", 2]], "two labels"),
    ],
)
def test_labels_that_are_not_one_number_for_each_image_are_refused(labels: object, words: str, tmp_path: Path) -> None:
    assert words in refusal(zipped(tmp_path / "a.zip", stylegan(labels)))


@pytest.mark.parametrize("data", [b"{", b"[" * 100_000, b'{"labels": ' + b"1" * 5000 + b"}", b"\xff", b""])
def test_a_dataset_json_that_is_no_json_is_refused(data: bytes, tmp_path: Path) -> None:
    assert "dataset.json" in refusal(zipped(tmp_path / "a.zip", {"a.png": png(), "dataset.json": data}))


# ---- names, links and kinds of files ------------------------------------------------------------------------------

OUTSIDE = ["../evil.png", "/tmp/evil.png", "a/../../evil.png", "..", "C:/evil.png", "a/b/../../../evil.png"]


@pytest.mark.parametrize("name", [*OUTSIDE, "..\\evil.png", "C:\\evil.png", "\\evil.png"])
def test_a_zip_that_names_a_file_elsewhere_is_refused(name: str, tmp_path: Path, cache: Path) -> None:
    assert "outside of its own folder" in refusal(zipped(tmp_path / "a.zip", {"a.png": png(), name: png()}))
    assert not left(cache)
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_tar_that_names_a_file_elsewhere_is_refused(name: str, tmp_path: Path, cache: Path) -> None:
    assert "outside of its own folder" in refusal(tarred(tmp_path / "a.tar", {"a.png": png(), name: png()}))
    assert not left(cache)
    assert not list(tmp_path.rglob("evil*"))


def test_backslashes_of_windows_are_folders(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"cat\\1.png": png(), "dog\\2.png": png(1)})
    assert load("archive", DataOptions(path=path)).class_names == ("cat", "dog")


def link(kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE], ids=["symbolic", "hard"])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../../etc/passwd", "missing.png", "link.png", "d"])
def test_links_out_of_a_tar_or_to_no_file_are_refused(kind: bytes, target: str, tmp_path: Path, cache: Path) -> None:
    files = {"a.png": png(), "d/b.png": png(1), "link.png": link(kind, target)}
    assert "link.png" in refusal(tarred(tmp_path / "a.tar", files)) or "outside" in refusal(tmp_path / "a.tar")
    assert not left(cache)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE], ids=["symbolic", "hard"])
def test_links_inside_a_tar_are_the_files_that_they_name(kind: bytes, tmp_path: Path) -> None:
    target = "../a/1.png" if kind == tarfile.SYMTYPE else "a/1.png"
    path = tarred(tmp_path / "a.tar.gz", {"b/2.png": link(kind, target), "a/1.png": png()}, "w:gz")
    read = load("archive", DataOptions(path=path))
    assert read.class_names == ("a", "b")
    assert (read.images[0] == read.images[1]).all()


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_in_a_tar_are_refused(kind: bytes, tmp_path: Path, cache: Path) -> None:
    assert "a device or a pipe" in refusal(tarred(tmp_path / "a.tar", {"a.png": png(), "x": link(kind, "")}))
    assert not left(cache)


@pytest.mark.parametrize(
    ("mode", "content", "words"),
    [
        (stat.S_IFLNK, b"/etc/passwd", "outside of its own folder"),
        (stat.S_IFLNK, b"../../x", "outside of its own folder"),
        (stat.S_IFLNK, b"x" * 9000, "too long a name"),
        (stat.S_IFIFO, b"", "a device or a pipe"),
        (stat.S_IFCHR, b"", "a device or a pipe"),
    ],
)
def test_links_and_devices_in_a_zip_are_refused(mode: int, content: bytes, words: str, tmp_path: Path) -> None:
    info = zipfile.ZipInfo("x.png")
    info.external_attr = (mode | 0o644) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", png())
        archive.writestr(info, content)
    assert words in refusal(tmp_path / "a.zip")


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.png": png()})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert "a.png is encrypted" in refusal(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused_not_merged(tmp_path: Path, cache: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", png())
        archive.writestr("a.png", png(1))
    assert "two files called a.png" in refusal(tmp_path / "a.zip")
    assert "two files called" in refusal(zipped(tmp_path / "b.zip", {"d/a.png": png(), "d//a.png": png(1)}))
    assert refusal(zipped(tmp_path / "c.zip", {"a.png": png(), "a.png/b.png": png(1)}))
    assert not left(cache)


@pytest.mark.parametrize("name", ["x" * 300 + ".png", "/".join(["d" * 200] * 40) + ".png"])
def test_names_that_no_file_can_have_are_refused(name: str, tmp_path: Path) -> None:
    assert "that no file can have" in refusal(zipped(tmp_path / "a.zip", {"a.png": png(), name: png()}))


def test_files_without_a_name_are_refused(tmp_path: Path) -> None:
    for name in (".", "./."):
        assert "a file without a name" in refusal(zipped(tmp_path / "a.zip", {"a.png": png(), name: png(1)}))
        assert "a file without a name" in refusal(tarred(tmp_path / "a.tar", {"a.png": png(), name: png(1)}))
    path = zipped(tmp_path / "a.zip", {"a.png": png(), "QQQ": png(1)})
    path.write_bytes(path.read_bytes().replace(b"QQQ", bytes(3)))  # names end at a zero
    assert "a file without a name" in refusal(path)


def test_unpacked_files_cannot_be_run(tmp_path: Path) -> None:
    info = tarfile.TarInfo()
    info.mode = 0o4777
    place = unpacked(tarred(tmp_path / "a.tar", {"a.png": png(), "run.sh": info}))
    assert not any(file.stat().st_mode & 0o7111 for file in place.rglob("*") if file.is_file())


# ---- bombs ------------------------------------------------------------------------------------------------------


def test_a_zip_that_claims_far_more_than_it_holds_is_refused_before_anything_is_written(
    tmp_path: Path, cache: Path
) -> None:
    path = zipped(tmp_path / "a.zip", {"a.png": png(), "b.bmp": b"x"})
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02") + 24
    data[place : place + 4] = (2_000_000_000).to_bytes(4, "little")
    path.write_bytes(data)
    assert "more than 100 times its size" in refusal(path)
    assert not left(cache)


def test_files_that_share_their_bytes_in_a_zip_are_refused(tmp_path: Path, cache: Path) -> None:
    """Fifield's bomb: many entries of the index name the same compressed bytes."""
    path = zipped(tmp_path / "a.zip", {"0.bmp": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
    data = path.read_bytes()
    start, end = data.rindex(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    entry = data[start:end]
    index = b"".join(entry[:46] + b"%d.bmp" % (k % 10) + entry[51:] for k in range(200))
    tail = bytearray(data[end:])
    tail[8:10] = tail[10:12] = (200).to_bytes(2, "little")
    tail[12:16] = len(index).to_bytes(4, "little")
    path.write_bytes(data[:start] + index + tail)
    assert "more than 100 times its size" in refusal(path)
    assert not left(cache)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_tar_header_that_claims_a_long_name_takes_no_memory(mode: str, tmp_path: Path) -> None:
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE):
        info = tarfile.TarInfo("x")
        info.type, info.size = kind, 6 << 30
        with tarfile.open(tmp_path / "a.tar", mode) as archive:  # type: ignore[call-overload]
            archive.addfile(tarfile.TarInfo("a.png"))
            archive.fileobj.write(info.tobuf(tarfile.USTAR_FORMAT))
            archive.fileobj.write(bytes(1 << 20))
        assert "claims 6,442,450,944 bytes" in refusal(tmp_path / "a.tar")


def test_a_tar_that_claims_more_than_the_disk_has_is_refused(tmp_path: Path, cache: Path) -> None:
    info = tarfile.TarInfo("a.bmp")
    info.size = 1 << 50
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    assert "more than 100 times its size" in refusal(tmp_path / "a.tar")
    assert not left(cache)


def test_an_archive_larger_than_the_free_disk_says_what_it_needs(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(tmp_path / "a.zip", {f"{k}.png": png(k) for k in range(30)})
    monkeypatch.setattr(archive_module.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 100_000))
    assert "has room for 0.1 MB; make room, or set XDG_CACHE_HOME" in refusal(path)
    assert not left(cache)


def test_too_many_files_are_refused(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "_MOST_FILES", 5)
    assert "more than 5 files" in refusal(zipped(tmp_path / "a.zip", {f"{k}.png": b"" for k in range(6)}))
    assert not left(cache)


# ---- what is damaged or changes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.xz", ".tar.bz2"])
def test_a_cut_archive_is_refused_and_leaves_nothing(suffix: str, icons: Path, tmp_path: Path, cache: Path) -> None:
    whole = Path(shutil.make_archive(str(tmp_path / "a"), SUFFIXES[suffix], icons)).read_bytes()
    path = tmp_path / f"cut{suffix}"
    for share in (0.05, 0.3, 0.6, 0.8):
        path.write_bytes(whole[: int(share * len(whole))])
        refusal(path)
    assert not left(cache)


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tgz", ".tar.xz"])
@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>" * 100, bytes(4096), b"PK\x03\x04" + bytes(100)])
def test_what_is_no_archive_is_refused(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert "neither a zip nor a tar" in refusal(path)


def test_sparse_huge_files_pipes_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    started = time.monotonic()
    for suffix in (".zip", ".tar", ".tar.gz"):
        with (tmp_path / f"sparse{suffix}").open("wb") as file:
            file.truncate(1 << 40)
        refusal(tmp_path / f"sparse{suffix}")
        os.mkfifo(tmp_path / f"pipe{suffix}")
        assert "not a regular file" in refusal(tmp_path / f"pipe{suffix}")
        (tmp_path / f"zero{suffix}").symlink_to("/dev/zero")
        assert "not a regular file" in refusal(tmp_path / f"zero{suffix}")
    assert time.monotonic() - started < 2


def test_an_archive_that_changes_while_it_is_read_is_refused(
    icons: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.make_archive(str(tmp_path / "a"), "zip", icons))
    unpack = archive_module._unpack

    def changing(source: Path, place: Path) -> None:
        unpack(source, place)
        os.utime(source, (1, 1))

    monkeypatch.setattr(archive_module, "_unpack", changing)
    assert "changed while it was read" in refusal(path)
    assert not left(cache)


def test_a_cache_that_cannot_be_written_is_a_sentence(icons: Path, tmp_path: Path) -> None:
    path = Path(shutil.make_archive(str(tmp_path / "a"), "zip", icons))
    (tmp_path / "cache").write_text("a file")
    assert "Cannot unpack" in refusal(path)


@pytest.mark.heavy
def test_a_killed_unpacking_leaves_nothing_that_is_taken_for_whole(tmp_path: Path, cache: Path) -> None:
    path = zipped(tmp_path / "a.zip", {f"{k}.png": png(k) for k in range(300)})
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom alphabar.data import archive, members\n"
        "whole = members.contents\n"
        "def slow(*a):\n    print('.', flush=True)\n    time.sleep(0.01)\n    yield from whole(*a)\n"
        "archive.contents = slow\narchive.unpacked(Path(sys.argv[1]))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    for _ in range(20):
        child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    (half,) = left(cache)
    assert half.name.endswith(".tmp")
    assert len(load("archive", DataOptions(path=path))) == 300
    os.utime(half, (1, 1))
    unpacked(zipped(tmp_path / "b.zip", {"a.png": png()}))
    assert not half.exists()
