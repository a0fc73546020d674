"""`alphabar data inspect` as an adviser: what it finds, what it shows, and what it says."""

import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

import alphabar
from alphabar.cli.data import app
from alphabar.data import DataOptions, Report, inspect, load
from alphabar.errors import AlphabarError

Writer = Callable[..., Path]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The output of the command, run in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*args: object) -> str:
        result: Result = CliRunner().invoke(app, ["inspect", *map(str, args)], env={"COLUMNS": "200"})
        assert result.exit_code == 0, result.exception
        return result.output

    return run


def as_options(report: Report, path: Path) -> DataOptions:
    """The options that the settings of a report mean."""
    advice = report.advice
    channels = int(report.settings["data.channels"])
    return DataOptions(
        path, image_size=advice.image_size, resize=advice.resize, background=advice.background, channels=channels
    )


def icons(folder: Path) -> Path:
    """Six transparent pictures of several sizes: three white disks, two dark ones, and one white square."""
    folder.mkdir()
    for k, (level, side) in enumerate(((255, 40), (255, 50), (255, 60), (10, 40), (10, 90), (255, 33))):
        y, x = np.mgrid[0:side, 0 : side + 7]
        picture = np.full((side, side + 7, 4), level, np.uint8)
        picture[..., 3] = 255 * ((y - side / 2) ** 2 + (x - side / 2) ** 2 < 200 if k < 5 else x > 9)
        Image.fromarray(picture).save(folder / f"{k}.png")
    return folder


def test_the_pictures_are_those_that_the_network_is_trained_on(tmp_path, photos: Writer) -> None:
    pictures = photos(5, (40, 60, 3), "photos")
    Image.new("L", (50, 90), 77).save(pictures / "grey.png")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for path in sorted(pictures.iterdir()):
            file.write(path, path.name)
    np.savez(tmp_path / "a.npz", images=np.random.default_rng(0).integers(0, 4096, (9, 28, 20), dtype=np.uint16))
    for kind, path in (
        ("folder", icons(tmp_path / "icons")), ("folder", pictures), ("archive", tmp_path / "a.zip"),
        ("npz", tmp_path / "a.npz"),
    ):  # fmt: skip
        report = inspect(path, DataOptions())
        assert torch.equal(report.pictures, load(kind, as_options(report, path)).images), path


def test_a_caller_that_can_afford_more_gets_a_larger_size(photos: Writer) -> None:
    folder = photos(3, (130, 150, 3))
    assert inspect(folder, DataOptions()).pictures.shape == (3, 3, 32, 32)
    assert inspect(folder, DataOptions(), most=128).pictures.shape == (3, 3, 128, 128)


def test_of_many_images_64_are_shown(photos: Writer) -> None:
    folder = photos(70)
    report = inspect(folder, DataOptions())
    assert report.pictures.shape == (64, 3, 8, 8)
    trained = {image.numpy().tobytes() for image in load("folder", DataOptions(path=folder)).images}
    assert {image.numpy().tobytes() for image in report.pictures} <= trained


def test_the_pictures_are_written_and_only_over_such_pictures(tmp_path, photos: Writer) -> None:
    folder, out = photos(9), tmp_path / "out" / "a.png"
    for _ in range(2):
        alphabar.inspect(folder, out=out)
    with Image.open(out) as png:
        assert png.size == (8 * 64 + 7 * 8, 2 * 64 + 8) and png.text["data.image_size"] == "8"
    out.write_bytes(b"mine")
    for place in (out, folder / "inspect.png", tmp_path / "a.jpg"):
        with pytest.raises(AlphabarError, match="--out"):
            alphabar.inspect(folder, out=place)
    assert out.read_bytes() == b"mine" and len([*folder.iterdir()]) == 9


def test_without_out_a_picture_is_written_here_unless_something_else_is_there(said, photos: Writer) -> None:
    folder = photos(9)
    assert "picture  inspect.png, 9 images as the network will see them" in said(folder)
    Path("inspect.png").write_bytes(b"mine")
    output = said(folder)
    assert "No picture: inspect.png exists" in output and output.splitlines()[-1].startswith("alphabar train")
    assert Path("inspect.png").read_bytes() == b"mine"


def test_both_backgrounds_and_their_blank_pictures_are_said(tmp_path, said) -> None:
    output = said(icons(tmp_path / "icons"))
    assert "6 transparent images on data.background=black; nearly blank: 4 on white, 2 on black" in output
    assert "data.background           │ black" in output
    assert "of 6 transparent pictures, nearly blank on white: 4, on black: 2" in output
    assert "nearly blank   │ 2: 3.png, 4.png" in output


def test_duplicates_and_mirrored_duplicates_are_named(tmp_path, photos: Writer, said) -> None:
    folder = photos(6)
    with Image.open(folder / "001.png") as picture:
        picture.save(folder / "copy.bmp")
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "mirror.png")
    Image.new("RGB", (8, 8), "red").save(folder / "flat.png")
    found = inspect(folder, DataOptions()).findings
    assert found.duplicates == (("copy.bmp", "001.png"),)
    assert found.mirrored == (("mirror.png", "001.png"),)
    assert found.blank == ("flat.png",)
    output = said(folder)
    assert "1: copy.bmp = 001.png" in output and "1: mirror.png = 001.png mirrored" in output
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "a.npy", np.concatenate([images, images[1:2], images[2:, :, ::-1]]))
    found = inspect(tmp_path / "a.npy", DataOptions()).findings
    assert (found.duplicates, found.mirrored) == ((("image 3", "image 1"),), (("image 4", "image 2"),))


def test_a_symmetric_picture_is_no_duplicate_of_itself(tmp_path) -> None:
    np.save(tmp_path / "a.npy", np.tile(np.arange(8, dtype=np.uint8)[:, None] * 30, (1, 1, 8)).reshape(1, 8, 8))
    found = inspect(tmp_path / "a.npy", DataOptions()).findings
    assert found.duplicates == found.mirrored == ()


def test_enlarged_pictures_are_named_where_the_rule_enlarges(photos: Writer, said) -> None:
    folder = photos(5, (40, 60, 3))
    Image.new("RGB", (50, 20)).save(folder / "low.png")
    assert inspect(folder, DataOptions()).findings.enlarged == ("low.png",)
    assert "enlarged" in said(folder)
    padded = inspect(folder, DataOptions(image_size=(32, 32), resize="pad"))
    assert padded.findings.enlarged == ()


@pytest.mark.parametrize(("count", "warns"), [(999, True), (1000, False)])
def test_few_images_are_warned_of(count, warns, tmp_path, said) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 256, (count, 5, 5), dtype=np.uint8))
    assert ("the model may memorise" in said(tmp_path / "a.npy")) == warns


def test_every_line_of_the_plan_has_its_reason(photos: Writer, said, tmp_path) -> None:
    photos(12, name="set/cats"), photos(11, name="set/dogs")
    output = said(tmp_path / "set")
    for setting in inspect(tmp_path / "set", DataOptions()).advice.reasons.items():
        assert all(words in output for words in setting)
    assert "network.class_conditional │ true  │ 2 classes of 11 to 12 pictures" in output


def test_what_was_asked_for_stands_in_the_plan_and_in_the_command(photos: Writer, said) -> None:
    output = said(photos(3, (40, 50, 3)), "--image-size", 16, "--resize", "crop", "--channels", 1)
    assert "data.image_size           │ 16    │ as asked" in output
    assert output.splitlines()[-1].endswith("data.image_size=16 data.resize=crop data.channels=1")


@pytest.mark.parametrize(
    ("folder", "run"), [("a b/ä", "ä"), ("$(x)", "x"), ("..a", "a"), ("---", "mine"), ("a.b", "a.b")]
)
def test_the_run_is_called_after_the_data_and_never_one_that_exists(folder, run, said, photos: Writer) -> None:
    path = photos(3, name=folder)
    for name in (run, f"{run}-2"):
        command = shlex.split(said(path).splitlines()[-1])
        assert command[4:7] == [str(path), "--run", f"runs/{name}"]
        (Path("runs") / name).mkdir(parents=True)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.npy", "a.npz"])
def test_the_run_of_a_file_has_its_name_without_the_suffix(name, tmp_path) -> None:
    from alphabar.cli.inspection import _run

    (tmp_path / name).touch()
    assert _run(tmp_path / name) == Path("runs/a")


def test_many_sizes_are_a_range_and_few_are_a_list() -> None:
    from alphabar.cli.inspection import _sizes

    assert _sizes({(8, 9): 2, (20, 7): 3}) == "3 x 20x7\n2 x 8x9"
    many = {(60 + k, 200 - k): 1 for k in range(100)}
    assert _sizes(many) == "100 sizes: 60 to 159 high, 101 to 200 wide"
    assert _sizes(many | {(64, 64): 7}) == "101 sizes: 60 to 159 high, 64 to 200 wide\nmost often 7 x 64x64"
