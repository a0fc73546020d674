"""A pack holds the images that its source gives in memory, to the bit; it is whole, or it is refused."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import alphabar
from alphabar.data import DataOptions, ImageSet, ShuffledStream, advised, detect, inspect, load, memory, pack_source
from alphabar.data.packs import partial, record, source, writing
from alphabar.errors import AlphabarError
from processes import killed_after

Photos = Callable[..., Path]


@pytest.fixture
def zoo(photos: Photos) -> Path:
    """Three classes, of sizes that differ, transparent and grey ones and a broken one among them; a test split."""
    for split, count in (("train", 9), ("test", 4)):
        for k, name in enumerate("abc"):
            folder = photos(count, (12 + k, 16, 4 if k == 1 else 3), name=f"zoo/{split}/{name}")
    Image.new("L", (9, 9), 77).save(folder.parents[1] / "train" / "a" / "grey.png")
    (folder.parents[1] / "train" / "b" / "broken.png").write_bytes(b"no image")
    return folder.parents[1]


def same(found: ImageSet, expected: ImageSet) -> bool:
    """Whether two sets have the same images and say the same of them; the recorded fingerprint is the true one."""
    assert found.fingerprint() == expected.fingerprint() == replace(found, hashed=None).fingerprint()
    assert found.class_names == expected.class_names
    assert found.contents == expected.contents
    assert (found.stored is None) == (expected.stored is None)
    if found.stored is not None and expected.stored is not None:
        assert torch.equal(found.stored, expected.stored)
    return torch.equal(found.images, expected.images)


def verified(pack: Path) -> int:
    return sum(record.verify(pack))


def packed(path: Path, tmp_path: Path, name: str = "pack", **options: object) -> Path:
    pack_source(replace(DataOptions(path=path), **options), tmp_path / name, lambda line: None)
    return tmp_path / name


@pytest.mark.parametrize(
    "options",
    [
        {"image_size": (8, 8), "resize": "crop"},
        {"image_size": (24, 24), "resize": "pad", "background": (255, 255, 255)},
        {"image_size": (8, 6), "resize": "stretch", "channels": 1},
        {"image_size": (8, 8), "resize": "crop", "crop": "random", "crop_room": 1.5},
    ],
)
def test_a_pack_of_a_folder_is_the_folder_in_memory(zoo: Path, tmp_path: Path, options: dict[str, object]) -> None:
    pack = packed(zoo, tmp_path, **options)
    assert detect(pack) == "packed"
    for split in ("train", "test"):
        asked = replace(DataOptions(path=zoo, split=split), **options)
        assert same(load("packed", replace(asked, path=pack)), load("folder", asked))


def test_a_pack_needs_no_options_again(zoo: Path, tmp_path: Path) -> None:
    pack = packed(zoo, tmp_path, image_size=(8, 8), resize="crop")
    expected = load("folder", DataOptions(path=zoo, image_size=(8, 8), resize="crop"))
    assert same(load("packed", DataOptions(path=pack)), expected)


def test_a_pack_is_mapped_and_what_is_written_to_its_images_never_reaches_the_file(zoo: Path, tmp_path: Path) -> None:
    pack = packed(zoo, tmp_path, image_size=(8, 8), resize="crop")
    images = load("packed", DataOptions(path=pack)).images
    images.zero_()
    verified(pack)
    assert str(tmp_path / "pack" / "train.images") in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("flags", ["private", "read-only"])
def test_a_pack_larger_than_the_memory_of_the_machine_starts_at_once(
    photos: Photos, tmp_path: Path, flags: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = packed(photos(5), tmp_path)
    said = json.loads((pack / "pack.json").read_text())
    count = (4 << 40) // (8 * 8 * 3)  # 4 TB; the file is sparse
    said["splits"]["train"] |= {"count": count, "parts": [{"count": count, "sha256": "0" * 64}]}
    del said["sha256"]
    record.files.write_json(pack / "pack.json", said | {"sha256": record.files.digest(said)})
    with (pack / "train.images").open("r+b") as file:
        file.truncate(count * 8 * 8 * 3)
    if flags == "read-only":
        monkeypatch.setattr(source.mmap, "PROT_WRITE", 1 << 20)  # refused by the system, as where memory is counted
    images = load("packed", DataOptions(path=pack))
    assert len(images) == count
    assert len(images.fingerprint()) == 64
    assert images.images[-1].sum() == 0


def test_the_stream_of_a_pack_is_that_of_the_memory(zoo: Path, tmp_path: Path) -> None:
    asked = {"image_size": (8, 8), "resize": "crop", "crop": "random"}
    pack = packed(zoo, tmp_path, **asked)
    for options in (asked, {"image_size": (10, 10), "resize": "crop"}):
        kept, read = (
            load(name, replace(DataOptions(path=path), **options)) for name, path in (("packed", pack), ("folder", zoo))
        )
        assert same(kept, read)
        for start in (0, 13, 100):
            a, b = (ShuffledStream(each, 3, True).batch(start, 20) for each in (kept, read))
            assert torch.equal(a.images, b.images)
            assert torch.equal(a.labels, b.labels)


def test_held_out_images_are_those_of_the_memory(photos: Photos, tmp_path: Path) -> None:
    options = DataOptions(path=photos(60), holdout=0.3)
    pack = packed(options.path, tmp_path, holdout=0.3)
    for split in ("train", "test"):
        expected = load("folder", replace(options, split=split))
        assert 0 < len(expected) < 60
        assert same(load("packed", replace(options, path=pack, split=split)), expected)
        assert same(load("packed", DataOptions(path=pack, split=split)), expected)
    with pytest.raises(AlphabarError, match=r"packed with data.holdout=0.3; got data.holdout=0.5"):
        load("packed", replace(options, path=pack, holdout=0.5))
    later = load("packed", replace(options, path=packed(options.path, tmp_path, "whole")))
    assert same(later, load("folder", options))


def test_arrays_and_archives_are_packed_too(photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pixels = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", train_images=pixels, train_labels=np.arange(30) % 3, test_images=pixels[:7])
    for label in "xy":
        photos(5, name=f"photos/{label}")
    shutil.make_archive(str(tmp_path / "b"), "zip", tmp_path / "photos")
    for name, kind in (("a.npz", "npz"), ("b.zip", "archive")):
        pack = packed(tmp_path / name, tmp_path, f"{name}.pack")
        assert same(load("packed", DataOptions(path=pack)), load(kind, DataOptions(path=tmp_path / name)))
    assert len(load("packed", DataOptions(path=tmp_path / "a.npz.pack", split="test"))) == 7


def test_inspect_reads_a_pack(zoo: Path, tmp_path: Path) -> None:
    report = inspect(packed(zoo, tmp_path, image_size=(8, 8), resize="crop"), DataOptions())
    assert report.kind == "packed"
    assert report.classes == {"a": 10, "b": 9, "c": 9}
    assert report.settings["data.image_size"] == "8"
    assert report.problem is None


def killed(path: Path, tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs until the `after`th file is opened for writing, and stops there as a kill would."""

    class Killed(BaseException):
        pass

    writes = 0
    write = partial._write

    def counting(file: object, raw: bytes) -> None:
        nonlocal writes
        writes += 1
        if writes == after:
            file.write(raw[: len(raw) // 2])  # type: ignore[attr-defined]
            raise Killed
        write(file, raw)  # type: ignore[arg-type]

    monkeypatch.setattr(partial, "_write", counting)
    with pytest.raises(Killed):
        packed(path, tmp_path)
    monkeypatch.setattr(partial, "_write", write)


@pytest.mark.parametrize("after", [1, 3, 4, 8, 12])
def test_a_pack_that_was_killed_is_completed_without_decoding_again(
    photos: Photos, tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(50)
    (folder / "003.png").write_bytes(b"no image")
    monkeypatch.setattr(writing, "_SHARD", 10)
    killed(folder, tmp_path, after, monkeypatch)
    assert not (tmp_path / "pack").exists()
    said: list[str] = []
    pack_source(DataOptions(path=folder), tmp_path / "pack", said.append)
    finished = 10 * ((after - 1) // 3)
    assert [line for line in said if "packed before" in line] == (
        [f"{finished} images were packed before, and not decoded again."] if finished else []
    )
    assert same(load("packed", DataOptions(path=tmp_path / "pack")), load("folder", DataOptions(path=folder)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pack", "photos"]


def test_what_was_begun_of_other_images_is_not_taken_up(
    photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(30)
    monkeypatch.setattr(writing, "_SHARD", 10)
    killed(folder, tmp_path, 8, monkeypatch)
    (folder / "000.png").unlink()
    assert len(load("packed", DataOptions(path=packed(folder, tmp_path)))) == 29


def test_every_damage_to_a_pack_is_refused_with_a_sentence(photos: Photos, tmp_path: Path) -> None:
    for label in "xy":
        photos(5, name=f"photos/{label}")
    pack = packed(tmp_path / "photos", tmp_path)
    size = verified(pack)
    assert size == 10 * 8 * 8 * 3 + 10 * 8
    files = {path.name: path.read_bytes() for path in pack.iterdir()}
    assert set(files) == {"pack.json", "train.images", "train.labels"}
    rng = np.random.default_rng(0)
    for name, raw in files.items():
        for damaged in (raw[:-1], raw + b"x", b"", *(_flipped(raw, int(k)) for k in rng.integers(0, len(raw), 20))):
            (pack / name).write_bytes(damaged)
            with pytest.raises(AlphabarError) as caught:
                load("packed", DataOptions(path=pack))
                verified(pack)
            assert "\n" not in str(caught.value)
            assert "pack" in str(caught.value)
        (pack / name).unlink()
        with pytest.raises(AlphabarError):
            load("packed", DataOptions(path=pack))
        (pack / name).write_bytes(raw)
    assert verified(pack) == size


def _flipped(raw: bytes, place: int) -> bytes:
    return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]


def test_a_record_that_says_something_else_is_refused(photos: Photos, tmp_path: Path) -> None:
    pack = packed(photos(5), tmp_path)
    said = json.loads((pack / "pack.json").read_text())
    for change in (
        {"shape": [3, 8, -8]},
        {"format": "alphabar pack 9"},
        {"splits": {"../x": {}}},
        {"shape": [1 << 41] * 3},
    ):
        changed = {key: value for key, value in (said | change).items() if key != "sha256"}
        record.files.write_json(pack / "pack.json", changed | {"sha256": record.files.digest(changed)})
        with pytest.raises(AlphabarError, match=r"pack.json|test"):
            load("packed", DataOptions(path=pack))
    (pack / "pack.json").unlink()
    os.mkfifo(pack / "pack.json")
    assert detect(pack) != "packed"


def test_a_pack_replaces_nothing_and_is_not_packed_again(photos: Photos, tmp_path: Path) -> None:
    pack = packed(photos(5), tmp_path)
    with pytest.raises(AlphabarError, match=r"pack is a pack already; name a new folder"):
        packed(tmp_path / "photos", tmp_path)
    with pytest.raises(AlphabarError, match=r"is a pack already; name what it was made of"):
        packed(pack, tmp_path, "again")
    with pytest.raises(AlphabarError, match=r"leave data.white unset"):
        load("packed", DataOptions(path=pack, white=15))
    with pytest.raises(AlphabarError, match=r"no 'test' split"):
        load("packed", DataOptions(path=pack, split="test"))


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which 30 photos do not fit into memory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(memory, "machine_bytes", lambda: 10_000)


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize("holdout", [0.0, 0.3])
def test_a_folder_that_does_not_fit_is_packed_once_and_again_when_it_has_changed(
    photos: Photos, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, holdout: float
) -> None:
    folder = photos(60)
    options = DataOptions(path=folder, holdout=holdout)
    found = load("folder", options)
    assert "does not fit into memory: its 60 images are packed once into" in caplog.text
    caplog.clear()
    assert torch.equal(load("folder", options).images, found.images)
    assert not caplog.text
    assert "/packs/" in Path("/proc/self/maps").read_text()
    (folder / "000.png").unlink()
    changed = load("folder", options)
    assert "does not fit" in caplog.text
    monkeypatch.setattr(memory, "machine_bytes", lambda: 1 << 30)
    shutil.rmtree(Path(os.environ["XDG_CACHE_HOME"]))
    assert same(changed, load("folder", options))
    assert changed.source == load("folder", options).source


@pytest.mark.usefixtures("small_memory")
def test_an_archive_that_does_not_fit_is_packed(
    photos: Photos, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.make_archive(str(tmp_path / "b"), "zip", photos(60))
    images = load("archive", DataOptions(path=tmp_path / "b.zip"))
    assert "b.zip does not fit into memory" in caplog.text
    assert (images.name, len(images)) == ("b", 60)


def test_the_disk_is_looked_at_first(photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 99, 1))
    with pytest.raises(AlphabarError, match=r"The pack of .* takes 0.0 MB, and .* has room for 0.0 MB; make room"):
        packed(photos(5), tmp_path)


def test_too_many_unusable_images_are_no_pack(photos: Photos, tmp_path: Path) -> None:
    folder = photos(10)
    for k in range(3):
        (folder / f"00{k}.png").write_bytes((folder / f"00{k}.png").read_bytes()[:60])
    with pytest.raises(AlphabarError, match=r"3 of 10 images in .* cannot be used, more than 5%"):
        packed(folder, tmp_path)


@pytest.mark.heavy
def test_several_processes_share_the_memory_of_a_pack(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (400, 256, 256, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", pixels)
    pack = packed(tmp_path / "a.npz", tmp_path)
    code = (
        "import sys; from pathlib import Path; from alphabar.data import DataOptions, load\n"
        "images = load('packed', DataOptions(path=Path(sys.argv[1]))).images\n"
        "print(int(images.sum()), flush=True); sys.stdin.read()"
    )
    readers = [
        subprocess.Popen([sys.executable, "-c", code, str(pack)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        sums = [int((reader.stdout or sys.stdin).readline()) for reader in readers]
        assert sums == [int(pixels.sum(dtype=np.int64))] * 2
        for reader in readers:
            lines = Path(f"/proc/{reader.pid}/smaps").read_text().split("train.images")[1].splitlines()
            kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:12] if line.endswith("kB")}
            assert kilobytes["Rss"] > pixels.nbytes // 1024 * 0.9
            assert kilobytes.get("Private_Dirty", 0) == 0
            assert kilobytes["Pss"] < 0.7 * kilobytes["Rss"]  # each has half of them
    finally:
        for reader in readers:
            reader.communicate()


def test_the_front_door_packs_with_the_settings_of_training(photos: Photos, tmp_path: Path) -> None:
    folder = photos(12, (20, 30, 3))
    said = alphabar.pack(folder, tmp_path / "pack", overrides=["data.image_size=8", "data.resize=crop"])
    assert said == ["train  12 images 3x8x8", f"{tmp_path / 'pack'}  0.0 MB"]
    expected = load("folder", DataOptions(path=folder, image_size=(8, 8), resize="crop"))
    assert same(load("packed", DataOptions(path=tmp_path / "pack")), expected)
    for wrong in ("training.steps=3", "data.horizontal_flip=true", "data.path=x"):
        with pytest.raises(AlphabarError, match=rf"say how files become images; got {wrong.partition('=')[0]}"):
            alphabar.pack(folder, tmp_path / "other", overrides=[wrong])
    with pytest.raises(AlphabarError, match=r"data.resize=crop needs a target size"):
        alphabar.pack(folder, tmp_path / "other", overrides=["data.resize=crop"])


def test_a_pack_keeps_its_size_in_a_plan(photos: Photos, tmp_path: Path) -> None:
    pack = packed(photos(12, (72, 72, 3)), tmp_path)
    assert advised(DataOptions(path=pack), "packed", 32).image_size == (72, 72)
    assert advised(DataOptions(path=tmp_path / "photos"), "folder", 32).image_size == (32, 32)


@pytest.mark.heavy
def test_a_packing_process_that_is_killed_at_any_moment_is_completed(
    photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, pack = photos(1500), tmp_path / "pack"
    with monkeypatch.context() as patch:
        patch.setattr(writing, "_SHARD", 20)
        for delay in (0.0, 0.1, 0.2, 0.4, 0.8):
            if not pack.exists():
                killed_after(delay, lambda: pack_source(DataOptions(path=folder), pack, lambda *_: None))
    if not pack.exists():
        packed(folder, tmp_path)
    assert verified(pack) == 1500 * 8 * 8 * 3
    assert same(load("packed", DataOptions(path=pack)), load("folder", DataOptions(path=folder)))
