"""Augmentation does not leak: the network is told of every transformation, and samples images without any."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import alphabar
from alphabar import build, data, names
from alphabar.runs.model import load_model
from alphabar.sampling.pipeline import Pipeline
from alphabar.training import loop
from alphabar.training.state import TrainState
from alphabar.training.step import Update, train_step

CPU = torch.device("cpu")
EVERY_KIND = ("network.class_conditional=true", "network.label_dropout=0.2", "training.micro_batch_size=5")


def one_step(config) -> tuple[TrainState, list[dict]]:
    """The state after a step, and the conditions of each call of the network."""
    image_set = build.image_set(config.data)
    state, calls = TrainState(config, build.image_facts(image_set), CPU), []
    state.network.register_forward_pre_hook(lambda module, args, given: calls.append(given), with_kwargs=True)
    batch = data.ShuffledStream(image_set, 0).batch(0, config.training.batch_size)
    assert float(train_step(Update.of(state, CPU, 10), state, batch)) > 0
    return state, calls


def test_the_network_is_told_the_augmentation_of_each_image(tiny, monkeypatch) -> None:
    drawn, real = [], data.sampled
    monkeypatch.setattr(data, "sampled", lambda *given: drawn.append(real(*given)) or drawn[-1])
    _, calls = one_step(tiny(*EVERY_KIND, "data.augment=0.5"))
    assert [len(given["augmentation"]) for given in calls] == [5, 3] and all("y" in given for given in calls)
    (label,) = (transformation.label for transformation in drawn)
    assert torch.equal(torch.cat([given["augmentation"] for given in calls]), label) and label.any()


def test_without_it_nothing_is_augmented_and_the_network_has_no_input_for_it(tiny, monkeypatch) -> None:
    monkeypatch.setattr(data, "transformed", lambda *_: pytest.fail("augmented"))
    state, calls = one_step(tiny())
    assert calls == [{}] and not any("augmentation" in name for name in state.network.state_dict())


def test_a_network_that_is_told_starts_as_one_that_is_not(tiny) -> None:
    image_facts = build.image_facts(build.image_set(tiny().data))
    plain, told = (TrainState(tiny(*more), image_facts, CPU).network for more in ((), ("data.augment=0.1",)))
    extra = told.state_dict().keys() - plain.state_dict().keys()
    assert extra == {"embedding.augmentation.weight"} and not told.state_dict()["embedding.augmentation.weight"].any()


@pytest.mark.parametrize(
    ("network", "preset"), [(name, "ddpm") for name in names.NETWORKS] + [("unet", name) for name in names.PRESETS[1:]]
)
@pytest.mark.parametrize("classes", [(), EVERY_KIND], ids=["plain", "classes"])
def test_every_network_trains_with_augmentation(tiny, network, preset, classes) -> None:
    kind = (f"network.name={network}", f"network.preset={preset}", "network.heads=2")
    state, _ = one_step(tiny(*kind, "data.augment=0.9", *classes))
    assert "embedding.augmentation.weight" in state.network.state_dict()


@pytest.mark.parametrize(
    ("objective", "variance"), [("simple", "fixed_large"), ("hybrid", "learned_range"), ("vlb", "learned")]
)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_every_objective_and_precision_trains_with_augmentation(tiny, objective, variance, precision) -> None:
    diffusion = (f"diffusion.objective={objective}", f"diffusion.variance={variance}")
    one_step(tiny(*diffusion, f"training.precision={precision}", "data.augment=0.9"))


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("augmented") / "run"
    loop.train(tiny("data.augment=0.3", *EVERY_KIND), path, CPU, Console(quiet=True))
    return path


@pytest.mark.heavy
def test_a_run_is_sampled_exported_and_evaluated_as_any_other(trained, tmp_path) -> None:
    alphabar.export(trained, tmp_path / "small", dtype="float32")
    whole, small = (alphabar.load(path, device="cpu").sample(4, guidance=2.0) for path in (trained, tmp_path / "small"))
    assert torch.equal(whole.tensor, small.tensor)
    for kind in ("bound", "ode"):
        row = alphabar.bits_per_dim(trained, kind=kind, count=4, split="train", out=tmp_path, device="cpu")
        assert row["bits_per_dim"]["total"]["value"] > 0
    row = alphabar.evaluate(trained, features="fashion-cnn", metrics="fd", count=8, out=tmp_path, device="cpu", steps=2)
    assert row["metrics"]


@pytest.mark.heavy
def test_samples_of_an_augmented_image_are_not_augmented(tiny, tmp_path) -> None:
    """One image, an L in a corner: the samples are nearer to it than to its mirrored, turned and shifted copies."""
    (tmp_path / "one").mkdir()
    pixels = np.zeros((8, 8), np.uint8)
    pixels[1:7, 1:3], pixels[5:7, 1:5] = 255, 255
    Image.fromarray(pixels).save(tmp_path / "one" / "l.png")
    settings = (
        "data.name=folder", f"data.path={tmp_path / 'one'}", "data.channels=1", "data.augment=0.3",
        "network.channels=16", "network.channel_mult=[1]", "network.attention_resolutions=[]",
        "diffusion.parameterization=x0", "optimizer.learning_rate=4e-3", "training.ema_rates=[0.95]",
        "training.steps=300", "training.batch_size=32", "training.log_every=100", "training.checkpoint_every=300",
    )  # fmt: skip
    loop.train(tiny(*settings), tmp_path / "run", CPU, Console(quiet=True))
    pipeline = Pipeline.of(load_model(tmp_path / "run"), {"steps": 20, "sampler": "ddim"})
    samples = pipeline.images(pipeline.job(range(32))).float()
    image = torch.from_numpy(pixels).float()[None, None]
    copies = [image, image.flip(3), image.flip(2), image.transpose(2, 3), image.roll(2, 3), image.roll(1, 2)]
    copies += [torch.rot90(image, quarters, (2, 3)) for quarters in (1, 2, 3)]
    distances = torch.stack([(samples - copy).abs().flatten(1).mean(1) for copy in copies])
    assert (distances.argmin(0) == 0).float().mean() > 0.9 and distances[0].mean() < 20
