"""A new run starts from the weights of another one: what fits is taken, the rest is listed, and it resumes exactly."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import alphabar
from alphabar.networks import UNet
from alphabar.networks.transfer import transferred
from alphabar.runs import checkpoint
from alphabar.runs.model import load_model
from alphabar.training import loop, start
from alphabar.training.state import TrainState
from alphabar.training.step import Update, train_step
from digits_folder import digits_folder
from tiny_settings import TINY

CPU = torch.device("cpu")
SETTINGS = [*TINY, "network.class_conditional=true", "network.label_dropout=0.2", "training.ema_rates=[0.9,0.5]"]
LENGTH = [word for word in TINY if word.split(".")[0] in ("training", "sampling", "optimizer")]
"""Overrides of a new run, whose network and diffusion are those of the other run."""


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("source") / "run"
    alphabar.train("ddpm_digits", run=path, overrides=SETTINGS, device="cpu")
    return path


@pytest.fixture(scope="module")
def colours(tmp_path_factory) -> Path:
    """RGB pictures of 16x16 in three class folders, two of which the source knows."""
    folder = tmp_path_factory.mktemp("colours")
    random = np.random.default_rng(0)
    for name in ("3", "7", "boat"):
        (folder / name).mkdir()
        for k in range(6):
            Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / name / f"{k}.png")
    return folder


def first_loss(state: TrainState) -> float:
    images = loop.build.image_set(state.config.data)
    batch = loop.data.ShuffledStream(images, 0, False).batch(0, 8)
    train_step(Update.of(state, CPU, 6), state, batch)
    return float(state.meter.read()["loss"])


def test_fine_tuning_starts_at_the_loss_of_the_weights_that_it_loads(source, tiny, tmp_path) -> None:
    average = load_model(source)
    config = tiny(*SETTINGS[len(TINY) :], f"training.initialised_from={checkpoint.latest(source / 'checkpoints').path}")
    new, same = (TrainState(config, average.facts, CPU) for _ in range(2))
    lines = start.start(new, tmp_path / "new")
    same.network.load_state_dict(average.tensors())
    for network in (new.network, *new.ema.networks.values()):
        assert all(torch.equal(tensor, average.tensors()[name]) for name, tensor in network.state_dict().items())
    assert first_loss(new) == first_loss(same) != first_loss(TrainState(config, average.facts, CPU))
    assert len(lines) == 2 and "ema-0.9 of step 6" in lines[0] and lines[1].endswith(": embedding.classes")


def network(channels: int, **more) -> UNet:
    torch.manual_seed(channels)
    net = UNet(image_size=(8, 8), in_channels=channels, out_channels=2 * channels, channels=8, channel_mult=(1, 2),
               num_blocks=1, attention_resolutions=(), **more)  # fmt: skip
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return net.eval()


@pytest.mark.parametrize(("old", "new"), [(1, 3), (3, 1)])
def test_grey_images_get_the_same_response_in_grey_and_in_colour(old, new) -> None:
    source, target = network(old), network(new)
    target.load_state_dict(dict(transferred(target.state_dict(), source.state_dict(), [], False).tensors))
    grey, t = torch.randn(2, 1, 8, 8), torch.tensor([1, 9])
    with torch.no_grad():
        before = source(grey.expand(-1, old, -1, -1), t).reshape(2, 2, old, 8, 8).mean(2, keepdim=True)
        after = target(grey.expand(-1, new, -1, -1), t).reshape(2, 2, new, 8, 8)
    assert torch.allclose(after, before.expand_as(after), atol=1e-4)


@pytest.mark.parametrize(("has_classes", "null"), [(True, True), (True, False), (False, False)])
def test_a_known_class_keeps_its_row_and_another_one_starts_as_no_class(has_classes, null) -> None:
    source = network(1, num_classes=2 if has_classes else None, null_class=null)
    target = network(1, num_classes=3, null_class=True)
    rows = [1, None, 0] if has_classes else [None] * 3
    target.load_state_dict(dict(transferred(target.state_dict(), source.state_dict(), rows, null).tensors))
    x, t = torch.randn(1, 1, 8, 8), torch.tensor([5])
    with torch.no_grad():
        if has_classes:
            assert torch.equal(target(x, t, torch.tensor([0])), source(x, t, torch.tensor([1])))
        if null or not has_classes:
            assert torch.equal(target(x, t, torch.tensor([1])), source(x, t))
            assert torch.equal(target(x, t), source(x, t))
            bare = network(1)
            bare.load_state_dict(dict(transferred(bare.state_dict(), source.state_dict(), [], null).tensors))
            assert torch.allclose(bare(x, t), source(x, t), atol=1e-5)


def test_other_pictures_classes_channels_and_sizes_may_start_from_it(source, colours, tmp_path, capfd) -> None:
    run = alphabar.train("ddpm_folder", data=colours, run=tmp_path / "new", from_run=source, device="cpu",
                         overrides=[*LENGTH, "data.image_size=16", "network.class_conditional=true"])  # fmt: skip
    said, model = capfd.readouterr().err, load_model(run.path)
    assert "adapted to these images and classes: conv_in, conv_out (2), embedding.classes" in said
    assert "initialised anew" not in said and "not used" not in said
    assert model.config.network.channels == 8 and model.config.network.attention_resolutions == (8,)
    assert model.config.diffusion.schedule == "cosine" and model.facts.shape == (3, 16, 16)
    origin = checkpoint.latest(run.path / "checkpoints").state["initialised_from"]
    assert origin["step"] == 6 and origin["sha256"] == load_model(source).sha256
    assert model.config.training.initialised_from == Path(origin["path"])


def test_what_does_not_fit_is_initialised_and_listed(source, tmp_path, capfd) -> None:
    overrides = [*SETTINGS, "network.channel_mult=[1,3]", "network.attention_resolutions=[8]", "training.steps=1"]
    alphabar.train("ddpm_digits", run=tmp_path / "new", from_run=source, overrides=overrides, device="cpu")
    said = capfd.readouterr().err
    assert "initialised anew, as nothing fits: down.0 (6), down.1" in said
    assert "not used, as this network has no place for it: down.1" in said
    with pytest.raises(alphabar.AlphabarError, match=r"Hardly a weight of .* fits this network"):
        alphabar.train("ddpm_digits", run=tmp_path / "none", from_run=source, device="cpu",
                       overrides=[*SETTINGS, "network.channels=10"])  # fmt: skip
    assert not (tmp_path / "none").exists()


def test_a_run_that_started_from_another_resumes_exactly_without_it(source, tmp_path) -> None:
    copy = Path(shutil.copytree(source, tmp_path / "copy"))
    ends = []
    for name, first in (("whole", 6), ("halves", 3)):
        settings = [*SETTINGS, "optimizer.decay=constant"]
        alphabar.train("ddpm_digits", run=tmp_path / name, from_run=copy, device="cpu",
                       overrides=[*settings, f"training.steps={first}"])  # fmt: skip
        if name == "halves":
            shutil.rmtree(copy / "checkpoints")
            again = [*settings, "training.steps=4"]
            alphabar.train("ddpm_digits", run=tmp_path / name, from_run=copy, overrides=again, device="cpu")
            alphabar.train(tmp_path / name, overrides={"training.steps": 6}, device="cpu")
        ends.append(checkpoint.latest(tmp_path / name / "checkpoints"))
    whole, halves = ends
    for name in whole.names():
        tensors = halves.tensors(name)
        assert all(torch.equal(tensor, tensors[key]) for key, tensor in whole.tensors(name).items())
    assert whole.state["initialised_from"] == halves.state["initialised_from"]


def test_a_step_of_ones_own_run_starts_a_new_one(source, tmp_path) -> None:
    again = {"training.steps": 1, "optimizer.learning_rate": 1e-5}
    settings = [*SETTINGS, *(f"{key}={value}" for key, value in again.items())]
    alphabar.train("ddpm_digits", run=tmp_path / "a", from_run=source, from_step=4, overrides=settings, device="cpu")
    alphabar.train("ddpm_digits", run=tmp_path / "b", from_run=source / "checkpoints" / "step-00000004",
                   overrides=settings, device="cpu")  # fmt: skip
    for name in ("a", "b"):
        assert checkpoint.latest(tmp_path / name / "checkpoints").state["initialised_from"]["step"] == 4


def test_the_bundled_model_can_be_started_from(tmp_path) -> None:
    images = digits_folder(tmp_path)
    run = alphabar.train("ddpm_folder", data=images, run=tmp_path / "run", from_run="fashion-mnist",
                         overrides=[*LENGTH, "data.image_size=32", "data.resize=pad", "training.steps=1"],
                         device="cpu")  # fmt: skip
    assert run.finished and run.load(device="cpu").config.network.channels == 16


def refused(words: str, *args, **options) -> None:
    with pytest.raises(alphabar.AlphabarError, match=words) as caught:
        alphabar.train(*args, device="cpu", **options)
    assert len(caught.value.args) == 1


def test_a_run_that_began_otherwise_does_not_start_again(source, tmp_path) -> None:
    other = Path(shutil.copytree(source, tmp_path / "other"))
    before = {path: path.read_bytes() for path in other.rglob("*.json*")}
    refused("holds a run that started from random weights", "ddpm_digits", run=other, from_run=source)
    refused("is a run, which goes on from its own weights; leave --from", other, from_run=source)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("setting", ["schedule=linear", "parameterization=v", "steps=50", "variance=fixed_large"])
def test_what_the_weights_mean_cannot_be_changed(source, tmp_path, setting) -> None:
    settings = [*LENGTH, f"diffusion.{setting}"]
    refused(rf"mean nothing with .*; leave diffusion\.{setting.split('=')[0]} out", "ddpm_digits", run=tmp_path / "x",
            from_run=source, overrides=settings)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "words"),
    [("no-such-run", "There is no run at"), ("\0", "There is no run|cannot"), ("/dev/zero", "There is no run at"),
     (".", "is not a run directory"), ("", "is not a run directory")],
)  # fmt: skip
def test_what_is_no_run_cannot_be_started_from(tmp_path, monkeypatch, name, words) -> None:
    monkeypatch.chdir(tmp_path)
    refused(words, "ddpm_digits", run=tmp_path / "x", from_run=name, overrides=TINY)
    assert not (tmp_path / "x").exists()


def test_a_step_without_a_run_or_of_no_checkpoint_is_refused(source, tmp_path) -> None:
    refused("add --from", "ddpm_digits", run=tmp_path / "x", from_step=3)
    refused("holds no checkpoint of step 3", "ddpm_digits", run=tmp_path / "x", from_run=source, from_step=3)
    refused("holds no checkpoint of step best", "ddpm_digits", run=tmp_path / "x", from_run=source, from_step="best")


def test_damaged_weights_are_not_started_from(source, tmp_path) -> None:
    copy = Path(shutil.copytree(source, tmp_path / "copy"))
    weights = copy / "checkpoints" / "step-00000006" / "ema-0.9.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    refused("is corrupt", "ddpm_digits", run=tmp_path / "x", from_run=copy, overrides=SETTINGS)
    config = json.loads((source / "config.json").read_text())
    assert config["training"]["initialised_from"] is None and not (tmp_path / "x").exists()
