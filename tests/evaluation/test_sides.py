"""The two sides of an evaluation: both are read in the same way, and a number or a warning is of the side it names."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import alphabar
from alphabar import cli, data
from alphabar.cli.mistakes import in_options
from alphabar.data import DataOptions
from alphabar.data.options import manner, of_manner
from alphabar.errors import AlphabarError
from alphabar.evaluation.reading import HowRead
from alphabar.evaluation.report import report
from tiny_settings import TINY

FASHION = ["--features", "fashion-cnn", "--metrics", "kid"]
WHITE = [255, 255, 255]


@pytest.fixture(autouse=True)
def no_picture(monkeypatch) -> None:
    """The picture of neighbours has tests of its own, and takes seconds."""
    monkeypatch.setattr("alphabar.plots.neighbours", lambda *args, **more: None)


def call(monkeypatch, *args: object) -> int:
    monkeypatch.setattr("sys.argv", ["alphabar", *map(str, args)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return int(caught.value.code or 0)


def row(monkeypatch, capsys, *args: object) -> dict:
    assert call(monkeypatch, "evaluate", *args) == 0
    return json.loads(capsys.readouterr().out)


def sentence(monkeypatch, capsys, *args: object) -> str:
    assert call(monkeypatch, *args) == 2
    said = capsys.readouterr().err
    assert said.startswith("alphabar: ") and said.count("\n") == 1, said
    return said


def save(folder: Path, count: int, mode: str, size: tuple[int, int] = (6, 8), seed: int = 0) -> Path:
    """Noise as PNGs of a mode; those with an alpha channel are transparent in places."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for k in range(count):
        pixels = rng.integers(0, 256, (*size, len(mode)), dtype=np.uint8)
        Image.fromarray(pixels.squeeze(), mode).save(folder / f"{k:02d}.png")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("folders")
    made = {
        "icons": save(root / "icons", 12, "RGBA"),
        "others": save(root / "others", 12, "RGBA", seed=1),
        "opaque": save(root / "opaque", 12, "L", (8, 8)),
        "one": save(root / "one", 1, "L", (8, 8)),
        "three": save(root / "three", 3, "L", (8, 8)),
        "mixed": save(root / "mixed", 4, "L", (8, 8)),
        "colour": save(root / "colour", 4, "RGB", (8, 8)),
    }
    Image.new("L", (9, 11)).save(made["mixed"] / "large.png")
    return made


@pytest.fixture(scope="module")
def run(folders, tmp_path_factory) -> Path:
    """A run whose data are grey icons, padded with white to 8x8."""
    path = tmp_path_factory.mktemp("run") / "run"
    overrides = [
        *TINY, "data.channels=1", "data.image_size=8", "data.resize=pad", "data.background=[255,255,255]",
        "training.steps=2", "network.class_conditional=false",
    ]  # fmt: skip
    alphabar.train("ddpm_digits", data=folders["icons"], run=path, overrides=overrides, device="cpu")
    return path


def expected(path: Path, background: list[int], resize: str = "pad") -> str:
    return data.load(
        "folder", DataOptions(path=path, image_size=(8, 8), channels=1, resize=resize, background=tuple(background))
    ).fingerprint()


def test_the_reference_of_a_run_is_read_as_the_runs_own_data_were(run, folders, monkeypatch, capsys) -> None:
    made = row(monkeypatch, capsys, run, "--count", 12, "--reference", folders["others"], *FASHION)
    real = made["reference"]
    assert (real["resize"], real["background"], real["image_size"]) == ("pad", WHITE, "8x8")
    assert real["fingerprint"] == expected(folders["others"], WHITE) and real["transparent"] == 12
    assert (made["images"]["data"]["resize"], made["images"]["data"]["background"]) == ("pad", WHITE)
    assert not any("--background" in w or "--resize" in w for w in made["warnings"])


def test_samples_in_a_folder_know_how_the_data_of_their_run_were_read(
    run, folders, tmp_path, monkeypatch, capsys
) -> None:
    out = tmp_path / "samples"
    assert call(monkeypatch, "sample", run, "--num", 12, "--out", out) == 0
    capsys.readouterr()
    made = row(monkeypatch, capsys, out, "--reference", folders["others"], *FASHION)
    assert made["reference"]["fingerprint"] == expected(folders["others"], WHITE)
    assert not any("--background" in w or "--resize" in w for w in made["warnings"])


@pytest.mark.parametrize(
    ("option", "value", "background", "resize"),
    [("--background", "0,0,0", [0, 0, 0], "pad"), ("--resize", "crop", WHITE, "crop")],
)
def test_sides_that_are_read_in_different_ways_are_so_by_wish_and_with_a_warning(
    option, value, background, resize, run, folders, monkeypatch, capsys
) -> None:
    made = row(monkeypatch, capsys, run, "--count", 12, "--reference", folders["others"], option, value, *FASHION)
    assert made["reference"]["fingerprint"] == expected(folders["others"], background, resize)
    assert sum(option in warning for warning in made["warnings"]) == 1


def test_another_white_than_that_of_the_runs_data_is_a_warning() -> None:
    like, black = DataOptions(white=4095.0), {"background": [0, 0, 0], "resize": "none"}
    (warning,) = HowRead(white=65535.0).differences({}, like, {**black, "white": 65535.0})
    assert "--white 65535," in warning and "with 4095;" in warning
    assert HowRead().differences({}, like, {**black, "white": 4095.0}) == []


@pytest.mark.parametrize(
    ("subject", "reference", "side"), [("opaque", "grey icons", "reference"), ("grey icons", "opaque", "evaluated")]
)
def test_transparency_on_one_side_alone_is_a_warning_unless_the_background_is_named(
    subject, reference, side, folders, tmp_path, monkeypatch, capsys
) -> None:
    save(tmp_path / "grey icons", 12, "LA", (8, 8))
    places = folders | {"grey icons": tmp_path / "grey icons"}
    args = [places[subject], "--reference", places[reference], *FASHION]
    (warning,) = (w for w in row(monkeypatch, capsys, *args)["warnings"] if "--background" in w)
    assert f"12 of the {side} images" in warning and "[0, 0, 0]" in warning
    for white in ("[255, 255, 255]", "white", "#fff"):
        made = row(monkeypatch, capsys, *args, "--background", white)
        assert not any("--background" in w for w in made["warnings"])
        assert made["images"]["background"] == made["reference"]["background"] == WHITE
    alike = row(monkeypatch, capsys, places["grey icons"], "--reference", places["grey icons"], *FASHION)
    assert not any("--background" in w for w in alike["warnings"])


def test_what_a_run_is_compared_with_of_its_own_cannot_be_read_in_another_way(run, monkeypatch, capsys) -> None:
    for option, value in (("--background", "255,255,255"), ("--image-size", "8"), ("--resize", "none")):
        said = sentence(monkeypatch, capsys, "evaluate", run, "--count", 5, option, value, *FASHION)
        assert option in said and "--reference" in said


@pytest.mark.parametrize(
    "colour",
    ["whitish", "#ff", "#ff00ff80", "255", "255,255", "256,0,0", "-1,0,0", "1,2,3,4", "nan,0,0", "", "1e2,0,0"],
)
def test_a_background_that_is_no_colour_is_a_sentence(colour, run, folders, monkeypatch, capsys) -> None:
    args = [run, "--count", 5, "--reference", folders["others"], f"--background={colour}", *FASHION]
    assert "background" in sentence(monkeypatch, capsys, "evaluate", *args)


MIXED = {
    "subject": ["evaluate", "{mixed}", "--reference", "{opaque}", *FASHION],
    "subject with a rule": ["evaluate", "{mixed}", "--reference", "{opaque}", "--resize", "crop", *FASHION],
    "reference": ["evaluate", "{opaque}", "--reference", "{mixed}", *FASHION],
    "reference that is published": ["evaluate", "{three}", "--reference", "digits", "--image-size", "9", *FASHION],
    "figure": ["plot", "forward", "--data", "{mixed}"],
    "figure of another size": ["plot", "forward", "--data", "{opaque}", "--image-size", "9"],
    "rule without a size": ["plot", "forward", "--data", "{opaque}", "--resize", "crop"],
}


@pytest.mark.parametrize("name", MIXED)
def test_advice_names_the_options_of_the_command(name, folders, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    said = sentence(monkeypatch, capsys, *(word.format(**folders) for word in MIXED[name]))
    assert "data." not in said and ("--resize" in said or "--image-size" in said)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("set data.image_size (for example 32) and data.resize=crop or pad.",
         "set --image-size (for example 32) and --resize crop or pad."),
        ("data.image_size=16 with data.resize=crop would fit.", "--image-size 16 with --resize crop would fit."),
        ("its images are all in data.split=train.", "its images are all in --split train."),
        ("data.image_size must be positive; got 0x0.", "--image-size must be positive; got 0x0."),
        ("leave data.channels unset.", "leave data.channels unset."),
        ("data.resize_all, my_data.resize and metadata.resize", "data.resize_all, my_data.resize and metadata.resize"),
    ],
)  # fmt: skip
def test_settings_are_named_as_options_where_there_is_one(before, after) -> None:
    assert in_options(before, ["--image-size", "--resize", "--split"]) == after


@pytest.mark.parametrize(
    ("subject", "reference", "metrics", "words"),
    [
        ("one", "opaque", None, "at least 3 evaluated images, and there is 1"),
        ("opaque", "one", None, "at least 3 reference images, and there is 1"),
        ("opaque", "one", "fd", "at least 3 reference images, and there is 1"),
        ("three", "opaque", "coverage", "at least 6 evaluated images, and there are 3"),
        ("opaque", "three", "pr", "at least 4 reference images, and there are 3"),
        ("three", "one", "is", "at least 10 evaluated images, and there are 3"),
    ],
)
def test_too_few_images_are_of_the_side_that_has_them(
    subject, reference, metrics, words, folders, monkeypatch, capsys
) -> None:
    args = [folders[subject], "--reference", folders[reference], "--features", "fashion-cnn"]
    assert words in sentence(monkeypatch, capsys, "evaluate", *args, *(["--metrics", metrics] if metrics else []))


def test_the_inception_score_needs_no_reference_images(folders, monkeypatch, capsys) -> None:
    args = [folders["opaque"], "--reference", folders["one"], "--features", "fashion-cnn", "--metrics", "is"]
    assert row(monkeypatch, capsys, *args)["n_real"] == 1


def test_warnings_count_each_side(folders, monkeypatch, capsys) -> None:
    made = row(monkeypatch, capsys, folders["opaque"], "--reference", "digits", *FASHION)
    assert [w.split(":")[0] for w in made["warnings"]] == ["only 12 evaluated images", "only 1,797 reference images"]


def test_a_table_says_why_there_is_no_interval(folders, monkeypatch, capsys) -> None:
    assert (
        call(monkeypatch, "evaluate", folders["opaque"], "--reference", "digits", *FASHION[:2], "--metrics", "fd") == 0
    )
    said = " ".join(capsys.readouterr().err.split())
    assert "FD: no interval: 12 generated images are too few for 128 features; at least 512 are needed" in said


@pytest.mark.parametrize("count", [0, -5, 2.5, True, float("nan"), "7"])
def test_a_count_that_is_none_is_a_sentence_in_python_too(count, run, folders) -> None:
    with pytest.raises(AlphabarError, match="--count is a whole number of at least 1"):
        alphabar.evaluate(folders["opaque"], reference="digits", count=count, features="fashion-cnn")
    with pytest.raises(AlphabarError, match="--count is a whole number of at least 1"):
        alphabar.bits_per_dim(run, count=count, split="train")


@pytest.mark.parametrize("size", [0, -1, 1.5])
def test_a_batch_size_that_is_none_is_a_sentence_in_python_too(size, run) -> None:
    with pytest.raises(AlphabarError, match="--batch-size is a whole number of at least 1"):
        alphabar.bits_per_dim(run, batch_size=size, split="train")


@pytest.fixture(scope="module")
def classes(tmp_path_factory) -> tuple[Path, Path]:
    """A run on two classes, of which the test split holds one, and its data."""
    root = tmp_path_factory.mktemp("classes")
    for split, name, count in (("train", "a", 8), ("train", "b", 8), ("test", "b", 6)):
        save(root / "data" / split / name, count, "L", (8, 8), seed=len(name + split))
    overrides = [*TINY, "data.image_size=8", "training.steps=2", "network.class_conditional=true"]
    alphabar.train("ddpm_digits", data=root / "data", run=root / "run", overrides=overrides, device="cpu")
    return root / "run", root / "data"


def test_a_class_without_held_out_images_has_no_floor_of_them_and_a_warning(classes, monkeypatch, capsys) -> None:
    run, _ = classes
    args = [run, "--count", 5, *FASHION, "--class"]
    lacking, present = (row(monkeypatch, capsys, *args, name) for name in "ab")
    assert lacking["n_held_out"] is None and present["n_held_out"] == 6
    assert lacking["n_real"] == lacking["reference"]["n"] == 8
    (warning,) = (w for w in lacking["warnings"] if "held-out" in w)
    assert "no image of class 0 (a)" in warning and not any("held-out" in w for w in present["warnings"])
    asked = [*args[:5], "--metrics", "memorisation", "--class", "a"]
    assert "no image of class 0 (a)" in sentence(monkeypatch, capsys, "evaluate", *asked)


def test_a_class_without_reference_images_is_a_sentence(classes, monkeypatch, capsys) -> None:
    said = sentence(
        monkeypatch, capsys, "evaluate", classes[0], "--count", 5, "--split", "test", "--class", "a", *FASHION
    )
    assert "class 0 (a)" in said and "test images" in said


def test_how_data_were_read_is_known_again_from_json() -> None:
    options = DataOptions(image_size=(8, 6), resize="pad", background=(1, 2, 3), channels=3, split="test")
    assert of_manner(json.loads(json.dumps(manner(options)))) == DataOptions(
        image_size=(8, 6), resize="pad", background=(1, 2, 3), channels=3
    )


@pytest.mark.parametrize(
    "entry",
    [
        None, [], {}, "x", 3, {"resize": "pad"},
        {"resize": "pad", "image_size": [8, 8], "background": [0, 0]},
        {"resize": "pad", "image_size": [8, 8], "background": [0, 0, 256]},
        {"resize": "pad", "image_size": [8, 8], "background": "abc"},
        {"resize": ["pad"], "image_size": [8, 8], "background": [0, 0, 0]},
        {"resize": "none", "image_size": None, "background": [0, 0, 0], "limit_pixels": 10**15},
        {"resize": "none", "image_size": None, "background": [0, 0, 0], "path": "/etc"},
        {"resize": "pad", "image_size": {}, "background": [0, 0, 0]},
    ],
)  # fmt: skip
def test_a_damaged_record_of_how_data_were_read_counts_as_none(entry) -> None:
    assert of_manner(entry) is None


def test_a_reference_is_brought_to_the_shape_of_the_evaluated_images() -> None:
    like = DataOptions(path=Path("x"), image_size=(8, 8), resize="pad", background=(9, 9, 9), split="test", channels=3)
    read = HowRead().of_reference((1, 4, 5), like, "train", None)
    assert (read.path, read.split, read.image_size, read.channels) == (None, "train", (4, 5), 1)
    assert (read.resize, read.background) == ("pad", (9, 9, 9))
    assert HowRead(background=(0, 0, 0)).of_reference((1, 4, 5), like, "train", None).background == (0, 0, 0)


def test_the_table_says_which_way_is_better_and_does_not_break_paths() -> None:
    entry = {
        "value": 0.5,
        "interval": [0.4, 0.6],
        "interval_of": "the mean",
        "floor": {"halves": {"value": 0.1, "n_fake": 30}},
    }
    row = {
        "images": {"path": "runs/" + 60 * "x"}, "reference": {"name": "folder", "split": "train"}, "n_real": 60,
        "n_fake": 60, "extractor": {"name": "own", "dim": 3, "weights_sha256": "0123456789ab"}, "warnings": [],
        "metrics": {"KID-own": entry, "recall-own": entry},
    }  # fmt: skip
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(report(row))
    said = console.export_text()
    assert "runs/" + 60 * "x" in said and "KID: lower is better; recall: higher is better; real halves" in said
    assert "KID, recall: the interval is of the mean" in said
