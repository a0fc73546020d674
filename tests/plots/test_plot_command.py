"""`alphabar plot`: every figure is a picture with its numbers beside it, and every mistake a sentence."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from alphabar.cli.plot import FIGURES

ARGS: dict[str, list[str]] = {
    "variances": ["--steps", "30,60"],
    "schedules": ["--steps", "60"],
    "forward": ["--image", "3", "--steps", "60", "--columns", "4"],
    "vlb": ["{linear}", "{cosine}"],
    "rate-distortion": ["{linear}", "{cosine}"],
    "lossy": ["{linear}", "--noise", "30,100", "--count", "4", "--steps", "4", "--class", "3"],
    "gradient-noise": ["{linear}", "--batches", "8"],
    "skipped": ["{linear}", "{cosine}", "--count", "6", "--shares", "0,40", "--features", "fashion-cnn"],
    "steps": ["{linear}", "--samplers", "ddim,unipc", "--nfe", "3,5", "--count", "6", "--features", "fashion-cnn"],
    "scaling": ["{linear}", "{cosine}"],
    "loss": ["{linear}", "{cosine}", "--count", "4"],
    "progressive": ["{linear}", "--seeds", "0-3", "--columns", "5"],
    "shared": ["{linear}", "--count", "3"],
}


def test_every_figure_is_tried_here():
    assert list(ARGS) == list(FIGURES)


@pytest.fixture
def args(measured, name) -> list[str]:
    return [arg.format(**measured) for arg in ARGS[name]]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.heavy if name == "steps" else ()) for name in FIGURES]
)  # its picture takes four evaluations, which test_steps makes once
def test_a_figure_is_a_picture_and_its_numbers_and_both_places_are_said(
    name, args, call, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("plot", name, *args) == 0
    picture, numbers = Path("plots", f"{name}.png"), Path("plots", f"{name}.csv")
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[:2] == [f"picture  {picture}", f"numbers  {numbers}"]
    assert len(lines) == 2 or name == "scaling"  # which says its laws, too
    with Image.open(picture) as png:
        assert png.width > 500 and png.height > 300 and np.asarray(png.convert("L")).std() > 5
    with numbers.open() as file:
        header, *rows = csv.reader(file)
    assert len(set(header)) == len(header) > 3 and len(rows) > 1
    assert all(len(row) == len(header) for row in rows)
    assert sorted(path.name for path in Path("plots").iterdir()) == [numbers.name, picture.name]


@pytest.mark.parametrize("name", ["forward", "vlb", "skipped"])
def test_an_svg_is_xml_and_the_same_command_gives_the_same_bytes(name, args, call, tmp_path) -> None:
    pictures = [tmp_path / which / "picture.SVG" for which in ("a", "b")]
    for picture in pictures:
        assert call("plot", name, *args, "--out", picture) == 0
    root = ElementTree.parse(pictures[0]).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and len(list(root.iter())) > 50
    for suffix in (".SVG", ".csv"):
        first, second = (picture.with_suffix(suffix).read_bytes() for picture in pictures)
        assert first == second


def test_help_and_list_name_every_figure(call, capsys) -> None:
    for args in (["--help"], ["list"]):
        assert call("plot", *args) == 0
        said = capsys.readouterr().out
        assert all(f"{name} " in said for name in FIGURES)
    assert said.count("\n") == len(FIGURES)
    assert all(len(line.split(maxsplit=1)[1]) > 30 for line in said.splitlines())


@pytest.mark.parametrize(
    "args", [["--help"], ["list"], ["skiped"], ["variances", "--steps", "1k"], ["vlb", "run", "--out", "vlb.jpg"]]
)
def test_torch_is_not_imported_before_there_is_work(args) -> None:
    code = (
        "import sys; sys.argv = ['alphabar', 'plot', *sys.argv[1:]]; from alphabar import cli\n"
        "try: cli.main()\nexcept SystemExit: pass\n"
        "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, *args], check=True, capture_output=True)


MISTAKES: dict[str, tuple[list[str], list[str]]] = {
    "an unknown figure": (["skiped"], ["'skiped'", "did you mean 'skipped'"]),
    "another suffix": (["schedules", "--out", "{tmp}/a.jpg"], ["{tmp}/a.jpg", ".png or .svg"]),
    "no suffix": (["schedules", "--out", "{tmp}/a"], ["{tmp}/a", ".png or .svg"]),
    "a folder for a picture": (["schedules", "--out", "{tmp}/folder.png"], ["folder.png", "it is a folder"]),
    "below a file": (["schedules", "--out", "{tmp}/file/a.png"], ["{tmp}/file/a.png", "--out"]),
    "steps that are none": (["variances", "--steps", "100,1k"], ["--steps", "'100,1k'", "whole numbers"]),
    "too short a chain": (["variances", "--steps", "20"], ["T = 20", "T > 20"]),
    "an empty chain": (["variances", "--schedule", "jsd", "--steps", "0"], ["--steps", "at least 1", "0"]),
    "one empty chain of several": (["variances", "--steps", "1000,0"], ["--steps", "at least 1", "0"]),
    "a negative chain": (["variances", "--steps=-5"], ["--steps", "at least 1", "-5"]),
    "a chain of a fraction": (["variances", "--steps", "1.5"], ["--steps", "'1.5'", "whole numbers"]),
    "a chain that is no number": (["variances", "--steps", "nan"], ["--steps", "'nan'", "whole numbers"]),
    "a chain without end": (["variances", "--steps", "1" + 30 * "0"], ["--steps", "at most 1,000,000"]),
    "schedules without end": (["schedules", "--steps", "1" + 30 * "0"], ["--steps", "at most 1,000,000"]),
    "a forward process without end": (["forward", "--steps", "1000001"], ["--steps", "at most 1,000,000"]),
    "too short a chain for all schedules": (["schedules", "--steps", "20"], ["--steps", "21"]),
    "more columns than a picture has": (["forward", "--columns", "1000"], ["columns", "2 to 50", "1000"]),
    "no columns": (["forward", "--columns", "0"], ["columns", "0"]),
    "losses without end": (["loss", "{linear}", "--count", "1" + 30 * "0"], ["--count", "at most 1,000,000"]),
    "batches without end": (["gradient-noise", "{linear}", "--batches", "9" * 11], ["--batches", "at most 1,000,000"]),
    "images without end": (
        ["steps", "{linear}", "--features", "fashion-cnn", "--count", "9" * 11], ["--count", "at most 1,000,000"]
    ),
    "more images than there are seeds": (
        ["skipped", "{linear}", "--features", "fashion-cnn", "--count", "9" * 30], ["--count", "at most 1,000,000"]
    ),
    "a share that is no number": (["skipped", "{linear}", "--shares", "nan"], ["nan %"]),
    "an infinite share": (["skipped", "{linear}", "--shares=-inf"], ["-inf %"]),
    "no network calls": (["steps", "{linear}", "--features", "fashion-cnn", "--nfe", "0"], ["--nfe", "0"]),
    "places that are no numbers": (["shared", "{linear}", "--at", "nan"], ["--at", "nan"]),
    "places without end": (["shared", "{linear}", "--at", "inf"], ["--at", "inf"]),
    "a pipe of terms": (["vlb", "{tmp}/pipe.npz"], ["{tmp}/pipe.npz is not a terms.npz"]),
    "an unknown schedule": (["variances", "--schedule", "linaer"], ["'linaer'", "did you mean 'linear'"]),
    "no such data": (["forward", "--data", "digit"], ["'digit'", "alphabar data list"]),
    "no such image": (["forward", "--image", "1797"], ["0..1796", "1797"]),
    "one column": (["forward", "--columns", "1"], ["columns", "1"]),
    "a run that was not measured": (["vlb", "{unmeasured}"], ["alphabar evaluate {unmeasured} --bpd"]),
    "the same for rates": (["rate-distortion", "{unmeasured}"], ["alphabar evaluate {unmeasured} --bpd"]),
    "no run": (["vlb", "{tmp}/nothing"], ["There is no run at {tmp}/nothing"]),
    "no terms": (["vlb", "{tmp}/other.npz"], ["{tmp}/other.npz is not a terms.npz"]),
    "no archive": (["vlb", "{tmp}/broken.npz"], ["{tmp}/broken.npz is not a terms.npz"]),
    "no checkpoint": (["loss", "{tmp}"], ["no checkpoint"]),
    "no such split": (["loss", "{linear}", "--split", "val"], ["'val'"]),
    "few batches": (["gradient-noise", "{linear}", "--batches", "7"], ["--batches", "8", "7"]),
    "all of it skipped": (["skipped", "{linear}", "--shares", "0,100"], ["100 %"]),
    "shares that are none": (["skipped", "{linear}", "--shares", "some"], ["--shares", "'some'"]),
    "an unknown extractor": (["skipped", "{linear}", "--features", "fashion"], ["did you mean 'fashion-cnn'"]),
    "an unknown sampler": (["skipped", "{linear}", "--sampler", "dim", "--features", "fashion-cnn"], ["'dim'"]),
    "an unknown device": (["loss", "{linear}", "--device", "cuda:77"], ["'cuda:77'"]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_and_status_2(mistake, runs, call, tmp_path, capsys) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "broken.npz").write_text("no zip")
    (tmp_path / "unmeasured").mkdir()
    os.mkfifo(tmp_path / "pipe.npz")
    np.savez(tmp_path / "other.npz", arr_0=np.zeros(3))
    places = {**runs, "tmp": tmp_path, "unmeasured": tmp_path / "unmeasured"}
    args, words = MISTAKES[mistake]
    out = [] if "--out" in args else ["--out", tmp_path / "picture.png"]
    assert call("plot", *(arg.format(**places) for arg in args), *out) == 2
    said = capsys.readouterr().err
    assert said.startswith("alphabar: ") and said.count("\n") == 1
    for word in words:
        assert word.format(**places) in said
    assert not (tmp_path / "picture.png").exists() and not (tmp_path / "picture.csv").exists()
