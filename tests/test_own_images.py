"""One's own images in Python: trained, loaded and sampled in two lines, and a forgotten class is said."""

import copy
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import alphabar
from alphabar import diffusion
from digits_folder import digits_folder
from tiny_settings import TINY

ROOT = Path(__file__).parents[1]
SETTINGS = [*TINY, "data.image_size=8", "training.minutes=1"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> alphabar.Model:
    """Class-conditional, with label dropout."""
    folder = tmp_path_factory.mktemp("own")
    classes = ["network.class_conditional=true", "network.label_dropout=0.2"]
    run = alphabar.train("folder", data=digits_folder(folder), run=folder / "run", overrides=[*SETTINGS, *classes])
    return run.load(device="cpu")


def test_two_lines_train_on_a_folder_and_sample_a_class(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    digits_folder(tmp_path)
    overrides = [*SETTINGS, "network.class_conditional=true"]
    alphabar.train("folder", data="digits", overrides=overrides, device="cpu")
    assert len(alphabar.load("runs/digits", device="cpu").sample(4, label="3")) == 4


@pytest.mark.parametrize("name", ["icons.zip", "icons.tar.gz", "icons"])
def test_the_run_is_called_after_the_images(tmp_path, name) -> None:
    from alphabar.api.recipe_or_run import run_path

    (tmp_path / name).touch()
    assert run_path("folder", None, tmp_path / name) == Path("runs/icons")
    assert run_path("folder", "mine", tmp_path / name) == Path("mine")
    assert run_path("ddpm_digits", None) == Path("runs/ddpm_digits")


def test_a_model_and_its_parts_are_one_line_in_a_notebook(model) -> None:
    for thing in (model, model.loaded, model.denoiser, model.pipeline(), model.pipeline().sampler, model.sample(2)):
        assert "\n" not in repr(thing), thing
    assert len(repr(model)) < 200


def test_a_forgotten_class_is_said_once_and_a_given_one_is_not(model, caplog) -> None:
    x, noise = torch.zeros(2, 1, 8, 8), torch.zeros_like
    denoiser = model.denoiser
    with caplog.at_level(logging.WARNING):
        list(diffusion.reverse_process(diffusion.DDIM(), denoiser.given(torch.tensor([0, 1])), x, noise=noise))
        assert not caplog.records
        (*_, step) = diffusion.reverse_process(diffusion.DDIM(), copy.deepcopy(denoiser), x, noise=noise)
        assert [record.message.split(",")[0] for record in caplog.records] == ["Images without a class are sampled"]
    (*_, plain) = diffusion.reverse_process(diffusion.DDIM(), model.loaded.denoiser, x, noise=noise)
    assert torch.equal(step.x, plain.x)


def test_an_edit_of_a_picture_without_a_class_says_that_none_is_sampled(model, caplog) -> None:
    picture = Image.new("L", (8, 8), 99)
    with caplog.at_level(logging.WARNING):
        alphabar.vary(model, picture, start=2, seeds=0, label="3")
        alphabar.vary(model, picture, start=2, seeds=0, label="none")
        assert not caplog.records
        alphabar.vary(model, picture, start=2, seeds=0)
    assert "images without a class are sampled; choose a class with --class: " in caplog.text


@pytest.mark.heavy
def test_the_example_on_ones_own_images_runs(tmp_path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "own_images.py"), str(digits_folder(tmp_path)), "1", *SETTINGS]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "step 6, ema-" in done.stdout and (tmp_path / "runs" / "digits" / "config.json").exists()
    with Image.open(tmp_path / "own_images.png") as png:
        assert png.size[0] >= 32
