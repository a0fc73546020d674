"""What holds for every data set, and which of them a path is taken for."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from alphabar.cli.data import app
from alphabar.data import DATASETS, DataOptions, ImageSet, detect, inspect, load, pack_source
from alphabar.data import mnist as mnist_module
from alphabar.data.fit import with_channels
from alphabar.errors import AlphabarError
from covering import covering

Writer = Callable[..., Path]
WRITERS = {"idx": "write_idx", "cifar10": "write_cifar", "twemoji": "write_twemoji"}


@pytest.fixture(params=sorted(DATASETS))
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, DataOptions]:
    """Each data set with options under which it loads; the published ones from small files, their checksums waived."""
    name = request.param
    if name == "digits":
        return name, DataOptions()
    if name in ("mnist", "fashion_mnist"):
        read = mnist_module.read_idx
        monkeypatch.setattr(mnist_module, "read_idx", lambda path, rank, sha256: read(path, rank))
        return name, DataOptions(data_root=request.getfixturevalue("write_idx")())
    if name == "npz":
        path = request.getfixturevalue("tmp_path") / "a.npz"
        np.savez(path, np.random.default_rng(0).integers(0, 256, (9, 8, 6, 3), dtype=np.uint8), np.arange(9) % 3)
        return name, DataOptions(path=path)
    if name == "folder":
        for label in "ab":
            request.getfixturevalue("photos")(4, name=f"photos/{label}")
        return name, DataOptions(path=request.getfixturevalue("tmp_path") / "photos")
    if name == "packed":
        for label in "ab":
            request.getfixturevalue("photos")(4, name=f"photos/{label}")
        path = request.getfixturevalue("tmp_path") / "pack"
        pack_source(DataOptions(path=path.with_name("photos")), path, lambda line: None)
        return name, DataOptions(path=path)
    if name == "archive":
        for label in "ab":
            request.getfixturevalue("photos")(4, name=f"photos/{label}")
        monkeypatch.setenv("XDG_CACHE_HOME", str(request.getfixturevalue("tmp_path") / "cache"))
        path = request.getfixturevalue("tmp_path") / "photos.zip"
        shutil.make_archive(str(path.with_suffix("")), "zip", path.with_suffix(""))
        return name, DataOptions(path=path)
    return name, DataOptions(path=request.getfixturevalue(WRITERS[name])())


def test_every_source_keeps_the_contract(source: tuple[str, DataOptions]) -> None:
    name, options = source
    images = load(name, options)
    assert images.images.dtype == torch.uint8
    assert images.images.is_contiguous()
    assert images.images.shape == (len(images), *images.shape)
    assert images.labels is not None
    assert images.labels.dtype == torch.int64
    assert 0 <= int(images.labels.min()) <= int(images.labels.max()) < images.num_classes
    assert images.name
    assert images.source
    assert images.images.float().std() > 10
    assert load(name, options).fingerprint() == images.fingerprint()


@covering({"channels": [1, 3, 4], "rule": ["pad", "crop", "stretch"]})
def test_every_source_honours_size_and_channels(source: tuple[str, DataOptions], rule: str, channels: int) -> None:
    name, options = source
    images = load(name, replace(options, image_size=(12, 10), resize=rule, channels=channels))
    assert images.shape == (channels, 12, 10)


def test_every_source_refuses_another_size_without_a_rule(source: tuple[str, DataOptions]) -> None:
    name, options = source
    with pytest.raises(AlphabarError, match=r"not 9x9|another size than 9x9"):
        load(name, replace(options, image_size=(9, 9)))


def test_every_source_that_reads_a_path_is_detected(source: tuple[str, DataOptions]) -> None:
    name, options = source
    if options.path is not None:
        assert detect(options.path) == name
        assert inspect(options.path, DataOptions()).kind == name


def test_every_source_has_a_line_for_the_list() -> None:
    listed = CliRunner().invoke(app, ["list"]).output.splitlines()
    assert [line.split()[0] for line in listed] == list(DATASETS)
    assert all(line.endswith(".") and len(line) < 120 for line in listed)


def test_digits_are_the_1797_of_uci() -> None:
    digits = load("digits", DataOptions())
    assert (len(digits), digits.shape) == (1797, (1, 8, 8))
    assert (int(digits.images.min()), int(digits.images.max())) == (0, 255)
    assert digits.labels is not None
    assert torch.bincount(digits.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    with pytest.raises(AlphabarError, match="no 'test' split"):
        load("digits", DataOptions(split="test"))


def test_unknown_names_and_paths_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(AlphabarError, match="did you mean 'cifar10'"):
        load("cifar", DataOptions())
    with pytest.raises(AlphabarError, match="There is no file or folder"):
        detect(tmp_path / "missing")
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(AlphabarError, match=r"not a data set\. Expected a folder"):
        detect(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"split": "tset"}, "did you mean 'test'"),
        ({"resize": "corp", "image_size": (8, 8)}, "did you mean 'crop'"),
        ({"resize": "pad"}, "set data.image_size"),
        ({"image_size": (0, 8)}, "0x8"),
        ({"channels": 0}, "at least 1; got 0"),
        ({"background": (0, 0, 256)}, "256"),
    ],
)
def test_options_that_no_source_could_honour_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(AlphabarError, match=words):
        DataOptions(**changes)


def test_fingerprints_tell_pixels_shapes_and_labels_apart() -> None:
    images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    base = ImageSet("a", images, torch.tensor([0, 1]), ("x", "y"), "here")
    others = [
        replace(base, images=images + 1),
        replace(base, images=images.reshape(2, 1, 2, 8)),
        replace(base, labels=torch.tensor([1, 0])),
        replace(base, labels=None, class_names=()),
    ]
    assert replace(base, name="b", source="there").fingerprint() == base.fingerprint()
    assert len({base.fingerprint(), *(other.fingerprint() for other in others)}) == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"images": torch.zeros(2, 1, 4, 4)},
        {"images": torch.zeros(0, 1, 4, 4, dtype=torch.uint8)},
        {"labels": torch.tensor([0])},
        {"labels": torch.tensor([0, 2])},
        {"labels": torch.tensor([-1, 0])},
    ],
)
def test_an_image_set_cannot_be_inconsistent(changes: dict[str, torch.Tensor]) -> None:
    good = ImageSet("a", torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, 1]), ("x", "y"), "here")
    with pytest.raises(AlphabarError, match="'a'"):
        replace(good, **changes)


@pytest.mark.parametrize(("have", "want", "mode"), [(1, 3, "RGB"), (3, 1, "L"), (3, 4, "RGBA"), (1, 4, "RGBA")])
def test_channels_are_converted_as_pillow_does(have: int, want: int, mode: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 6, 7, have), dtype=np.uint8)
    for image, made in zip(images, with_channels(images, want, (0, 0, 0), "test"), strict=True):
        expected = Image.fromarray(image.squeeze()).convert(mode)
        assert np.array_equal(made.squeeze(), np.asarray(expected))


# ---- inspect ----------------------------------------------------------------------------------------------------


def test_inspect_counts_everything_and_its_settings_make_the_folder_loadable(photos: Writer) -> None:
    folder = photos(20, (40, 40, 3))
    Image.new("L", (50, 30)).save(folder / "grey.png")
    Image.new("RGBA", (35, 60)).save(folder / "alpha.webp")
    (folder / "bad.png").write_bytes(b"")
    (folder / "notes.txt").write_text("x")
    report = inspect(folder, DataOptions())
    assert (report.found, report.loaded) == (23, 22)
    assert report.skipped == (("bad.png", "the file is empty"),)
    assert report.sizes == {(40, 40): 20, (30, 50): 1, (60, 35): 1}
    assert report.modes == {"RGB": 20, "L": 1, "RGBA": 1}
    assert report.contents.left_out == ("1 image that cannot be used", "1 file (.txt)")
    assert report.contents.transparency == "1 transparent image on data.background=white"
    assert "3 different sizes" in (report.problem or "")
    found = {"data.image_size": "32", "data.resize": "crop", "data.channels": "3", "data.background": "[255,255,255]"}
    assert report.settings == found
    assert len(load("folder", DataOptions(path=folder, image_size=(32, 32), resize="crop", channels=3))) == 22


def test_inspect_sees_images_whose_pixels_are_cut_off(photos: Writer) -> None:
    folder = photos(10, (30, 30, 3))
    (folder / "004.png").write_bytes((folder / "004.png").read_bytes()[:500])
    report = inspect(folder, DataOptions())
    assert [name for name, _ in report.skipped] == ["004.png"]
    assert "1 of 10" in (report.problem or "")


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ((28, 28), "32 pad 1"),
        ((32, 32, 3), "32 none 3"),
        ((48, 64, 3), "48x64 none 3"),
        ((200, 300, 3), "32 crop 3"),
    ],
)
def test_inspect_suggests_the_least_change(shape: tuple[int, ...], settings: str, photos: Writer) -> None:
    size, rule, channels = settings.split()
    found = inspect(photos(3, shape), DataOptions()).settings
    assert found == {"data.image_size": size, "data.resize": rule, "data.channels": channels}


@pytest.mark.parametrize(
    "changes", [{"channels": 7}, {"image_size": (10**6, 10**6), "resize": "crop"}, {"image_size": (9, 9)}]
)
def test_what_inspect_suggests_can_be_done_even_if_what_was_asked_cannot(
    changes: dict[str, object], photos: Writer
) -> None:
    report = inspect(photos(3, (28, 28)), replace(DataOptions(), **changes))
    assert report.problem
    assert report.settings == {"data.image_size": "32", "data.resize": "pad", "data.channels": "1"}


def test_inspect_repeats_what_was_asked_if_it_can_be_done(photos: Writer) -> None:
    report = inspect(photos(3, (28, 28)), DataOptions(image_size=(16, 24), resize="crop", channels=3))
    assert report.problem is None
    assert report.memory == 3 * 3 * 16 * 24
    assert report.settings == {"data.image_size": "16x24", "data.resize": "crop", "data.channels": "3"}


def test_the_command_prints_what_was_found_and_a_line_to_copy(
    photos: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = photos(30, (28, 28), name="my photos")
    (folder / "[bold]bad.png").write_bytes(b"")
    result = CliRunner().invoke(app, ["inspect", str(folder)], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "30 x 28x28" in result.output
    assert "[bold]bad.png: the file is empty" in result.output
    line = result.output.splitlines()[-1]
    assert line == f"alphabar train folder --data '{folder}' --run runs/my-photos --minutes 60"


@pytest.mark.parametrize("size", ["x", "32x", "-1", "3.5", "32x32x3", "²"])
def test_a_size_that_is_none_is_refused(size: str, photos: Writer) -> None:
    result = CliRunner().invoke(app, ["inspect", str(photos(1)), f"--image-size={size}"])
    assert isinstance(result.exception, AlphabarError)
    assert "HEIGHTxWIDTH" in str(result.exception)
