"""What an evaluation does that nobody asked for is sensible, and said."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation_cases import Counting
from PIL import Image
from rich.console import Console

import alphabar
from alphabar import cli
from alphabar.data import DataOptions
from alphabar.evaluation import extractors, scores
from alphabar.metrics import EXTRACTORS, Extractor, efficientnet
from alphabar.training import loop

AUTO = extractors.AUTO


@pytest.fixture
def offline(monkeypatch) -> None:
    """No weights of inception, and an EfficientNet that takes no time."""
    monkeypatch.setitem(
        EXTRACTORS, "efficientnet-lite0", lambda *_: Extractor("efficientnet-lite0", "0" * 64, "none", 4, 3, Counting())
    )
    monkeypatch.setattr(efficientnet, "is_installed", lambda: True)
    monkeypatch.setattr("alphabar.plots.neighbours", lambda *args, **more: None)


def test_auto_is_inception_where_its_weights_are_and_else_what_is_installed(cache, monkeypatch) -> None:
    assert efficientnet.is_installed() == (extractors.chosen(AUTO, None, "digits")[0] == "efficientnet-lite0")
    monkeypatch.setattr(efficientnet, "is_installed", lambda: True)
    name, note = extractors.chosen(AUTO, None, "digits")
    assert name == "efficientnet-lite0" and "no FID; `alphabar data fetch inception`" in note
    assert extractors.chosen(AUTO, Path("weights.pth"), "digits") == ("inception", None)
    assert extractors.chosen(AUTO, None, "fashion_mnist") == ("fashion-cnn", None)
    assert extractors.chosen("inception", None, "digits") == ("inception", None)
    monkeypatch.setattr(efficientnet, "is_installed", lambda: False)
    assert extractors.chosen(AUTO, None, "digits") == ("inception", None)
    monkeypatch.setattr(efficientnet, "is_installed", lambda: True)
    extractors.inception_path().parent.mkdir(parents=True)
    extractors.inception_path().touch()
    assert extractors.chosen(AUTO, None, "digits") == ("inception", None)


def test_the_packages_of_efficientnet_are_found_without_importing_them(monkeypatch) -> None:
    monkeypatch.setattr(efficientnet, "PACKAGES", ("json", "no_such_package"))
    assert not efficientnet.is_installed()


def test_a_fallback_is_recorded_in_the_row_and_printed(offline, tmp_path, monkeypatch, capsys) -> None:
    noise = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (60, 1, 8, 8), dtype=np.uint8))
    alphabar.images.save_npz(tmp_path / "noise.npz", noise)
    monkeypatch.setattr(sys, "argv", ["alphabar", "evaluate", str(tmp_path / "noise.npz"), "--reference", "digits"])
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr()
    row = json.loads(said.out)
    assert row["extractor"]["name"] == "efficientnet-lite0" and "no FID" in row["warnings"][-1]
    assert "the weights of inception are not at" in " ".join(said.err.split())


def test_a_fallback_is_said_while_training(offline, tiny, tmp_path) -> None:
    console = Console(file=io.StringIO(), width=500)
    config = tiny("evaluation.every=6", "evaluation.count=8")
    loop.train(config, tmp_path / "run", torch.device("cpu"), console)
    assert "warning: the weights of inception are not at" in console.file.getvalue()


@pytest.mark.parametrize(("n", "count"), [(None, 10_000), (3, 500), (1_597, 1_597), (60_000, 10_000)])
def test_as_many_images_as_the_reference_has_are_sampled_within_limits(n, count) -> None:
    assert scores.sensible_count(n) == count


def test_a_run_is_sampled_as_often_as_its_reference_is_large(offline, tiny, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(scores, "FEWEST", 10)
    loop.train(tiny(), tmp_path / "run", torch.device("cpu"), Console(quiet=True))
    folder = tmp_path / "few"
    folder.mkdir()
    for k in range(14):
        Image.fromarray(np.full((8, 8), k, np.uint8)).save(folder / f"{k}.png")
    row = alphabar.evaluate(tmp_path / "run", reference=folder, metrics="fd", device="cpu")
    assert row["n_fake"] == row["n_real"] == 14


@pytest.mark.parametrize(
    ("terminal", "flags", "printed"), [(True, [], False), (True, ["--json"], True), (False, [], True)]
)
def test_the_row_goes_to_a_terminal_only_if_asked(
    offline, tmp_path, monkeypatch, capsys, terminal, flags, printed
) -> None:
    noise = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (20, 1, 8, 8), dtype=np.uint8))
    alphabar.images.save_npz(tmp_path / "noise.npz", noise)
    args = ["alphabar", "evaluate", str(tmp_path / "noise.npz"), "--reference", "digits", "--metrics", "fd", *flags]
    monkeypatch.setattr(sys, "argv", [*args, "--out", str(tmp_path / "out")])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr()
    assert bool(said.out) == printed and "95 % interval" in said.err
    assert (tmp_path / "out" / "evaluations.jsonl").read_text().count("\n") == 1


def test_white_is_that_of_both_sides_or_the_one_that_is_named(offline, tmp_path, capsys) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for k in range(4):
            deep = np.random.default_rng(k + 9 * (name == "b")).integers(0, 4096, (8, 8), np.uint16)
            Image.fromarray(deep).save(tmp_path / name / f"{k}.png")
    dark = alphabar.evaluate(tmp_path / "a", reference=tmp_path / "b", metrics="fd", device="cpu")
    for side in ("evaluated", "reference"):
        (warning,) = (w for w in dark["warnings"] if f"the {side} images are dark" in w)
        assert warning.endswith("white is 65535; if that level is white, add --white 4095")
    row = alphabar.evaluate(tmp_path / "a", reference=tmp_path / "b", white=4095, metrics="fd", device="cpu")
    assert not any("dark" in warning for warning in row["warnings"]) and row["images"]["levels"]["white"] == 4095
    assert row["images"]["white"] == row["reference"]["white"] == 4095
    light = alphabar.data.load("folder", DataOptions(path=tmp_path / "b", white=4095))
    assert row["reference"]["fingerprint"] == light.fingerprint()
    report = alphabar.inspect(tmp_path / "a", white=4095)
    assert report.settings["data.white"] == "4095" and not report.contents.warning.startswith("The images are dark")
