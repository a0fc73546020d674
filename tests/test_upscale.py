"""An upsampler makes large images of small ones: a network told of the small image, trained, sampled and cascaded."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

import alphabar
from alphabar import build, cli, images
from alphabar import config as c
from alphabar.data import Batch
from alphabar.diffusion import PARAMETERIZATIONS, SCHEDULES, VARIANCES, Denoiser
from alphabar.diffusion.guidance import guided
from alphabar.errors import AlphabarError
from alphabar.networks import UNet
from alphabar.runs.model import load_model
from alphabar.sampling.pipeline import Pipeline
from alphabar.training import loop
from alphabar.training.step import Update, train_step

CPU = torch.device("cpu")
UP = ("network.low_resolution=4", "data.holdout=0.1")
CLASSES = ("network.class_conditional=true", "network.label_dropout=0.3")
SIZES = {"image_size": (8, 8), "channels": 8, "channel_mult": (1, 2), "num_blocks": 1, "attention_resolutions": (4,)}


@pytest.fixture(scope="module")
def upsampler(tmp_path_factory) -> Path:
    """A run of 4x4 -> 8x8 digits, with classes."""
    from tiny_settings import TINY

    path = tmp_path_factory.mktemp("up") / "run"
    loop.train(c.load("ddpm_digits", [*TINY, *UP, *CLASSES]), path, CPU, Console(file=io.StringIO()))
    return path


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A run of digits, whose samples are taken for small images after a --resize."""
    from tiny_settings import TINY

    path = tmp_path_factory.mktemp("base") / "run"
    loop.train(c.load("ddpm_digits", [*TINY, *CLASSES]), path, CPU, Console(file=io.StringIO()))
    return path


def small(count: int = 3, side: int = 4) -> list[Image.Image]:
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side), dtype=np.uint8)
    return [Image.fromarray(each) for each in pixels]


def randomized(network: UNet) -> UNet:
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


# The network


def test_the_small_image_is_enlarged_bilinearly_and_concatenated_as_in_openais_upsampler() -> None:
    torch.manual_seed(0)
    up = randomized(UNet(in_channels=3, out_channels=3, low_resolution=(2, 4), **SIZES))
    plain = UNet(in_channels=6, out_channels=3, **SIZES).eval()
    plain.load_state_dict(up.state_dict())
    x, low_res, time = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 2, 4), torch.tensor([0.0, 9.0])
    theirs = torch.cat([x, F.interpolate(low_res, (8, 8), mode="bilinear")], dim=1)
    assert torch.equal(up(x, time, low_res=low_res), plain(theirs, time))


@pytest.mark.parametrize(
    ("arguments", "low_res", "sentence"),
    [
        ({"low_resolution": (4, 4)}, None, "got none"),
        ({"low_resolution": (4, 4)}, (2, 3, 4, 5), r"low_res \(2, 3, 4, 4\); got \(2, 3, 4, 5\)"),
        ({"low_resolution": (4, 4)}, (1, 3, 4, 4), r"got \(1, 3, 4, 4\)"),
        ({}, (2, 3, 4, 4), "takes no small images"),
    ],
)
def test_small_images_that_the_network_does_not_take_are_refused(arguments, low_res, sentence) -> None:
    network = UNet(in_channels=3, out_channels=3, **SIZES, **arguments)
    given = {} if low_res is None else {"low_res": torch.zeros(low_res)}
    with pytest.raises(AlphabarError, match=sentence):
        network(torch.zeros(2, 3, 8, 8), torch.zeros(2), **given)


@pytest.mark.parametrize("size", [(8, 8), (4, 9), (0, 4)])
def test_a_small_image_that_is_not_smaller_is_refused(size) -> None:
    with pytest.raises(AlphabarError, match="must be smaller than the images, which are 8×8"):
        UNet(in_channels=1, out_channels=1, low_resolution=size, **SIZES)


def test_guidance_gives_both_halves_of_the_batch_the_small_images() -> None:
    def network(x, time, y, low_res):
        return x * 0.1 + low_res + y.reshape(-1, 1, 1, 1)

    denoiser = Denoiser(network, SCHEDULES["cosine"](10), PARAMETERIZATIONS["eps"], VARIANCES["fixed_small"])
    x, low_res, y = torch.randn(3, 1, 2, 2), torch.randn(3, 1, 2, 2), torch.tensor([0, 1, 2])
    mixed = guided(denoiser, y, 5, 3.0).beside(low_res).output(x, 4).mean
    parts = [denoiser.given(label).beside(low_res).output(x, 4).mean for label in (y, torch.full_like(y, 5))]
    torch.testing.assert_close(mixed, parts[1] + 3 * (parts[0] - parts[1]))


# Training


def test_the_network_is_told_of_the_area_mean_of_the_image_as_it_is_augmented(tiny, monkeypatch) -> None:
    config = tiny(*UP, "data.augment=0.9", "training.micro_batch_size=3")
    image_set = build.image_set(config.data)
    state = loop.TrainState(config, build.image_facts(image_set), CPU)
    truth, seen, told, forward = [], [], build.told, state.network.forward
    monkeypatch.setattr(build, "told", lambda denoiser, x0, *more: truth.append(x0) or told(denoiser, x0, *more))
    monkeypatch.setattr(
        state.network,
        "forward",
        lambda *of, low_res, **given: seen.append(low_res) or forward(*of, low_res=low_res, **given),
    )
    train_step(Update.of(state, CPU, None), state, Batch(image_set.images[:8], None))
    assert [len(low_res) for low_res in seen] == [3, 3, 2]
    for low_res, x0 in zip(seen, truth, strict=True):
        torch.testing.assert_close(low_res, x0.reshape(-1, 1, 4, 2, 4, 2).mean((3, 5)))
    assert not torch.equal(torch.cat(truth), images.to_signed(image_set.images[:8]))


def test_an_upsampler_resumes_to_the_bit_and_shows_previews(tiny, quiet, tmp_path) -> None:
    config = tiny(*UP, "training.sample_every=3", "optimizer.decay=constant")
    loop.train(config, tmp_path / "whole", CPU, quiet)
    loop.train(
        tiny(*UP, "training.sample_every=3", "optimizer.decay=constant", "training.steps=3"),
        tmp_path / "parts",
        CPU,
        quiet,
    )
    loop.train(config, tmp_path / "parts", CPU, quiet, allowed={"training.steps"})
    whole, parts = (load_model(tmp_path / name).tensors() for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    previews = [(tmp_path / name / "samples" / "step-00000006.png").read_bytes() for name in ("whole", "parts")]
    assert previews[0] == previews[1]


@pytest.mark.heavy
def test_what_an_upsampler_learns_has_the_small_image_as_its_mean(tiny, quiet, tmp_path) -> None:
    """After 150 steps the small version of its image is nearer to the given one than other small images are."""
    config = tiny(
        *UP, "network.channels=16", "training.steps=150", "training.batch_size=32", "optimizer.learning_rate=5e-3",
        "training.ema_rates=[0.97]", "sampling.steps=10",
    )  # fmt: skip
    loop.train(config, tmp_path / "run", CPU, quiet)
    model = load_model(tmp_path / "run")
    x0 = images.to_signed(model.images("test").images[:32])
    low_res = images.to_uint8(images.smaller(x0, (4, 4)))
    pipeline = Pipeline.of(model)
    made = images.to_signed(pipeline.images(pipeline.job(range(32), low_res), bar=""))
    given = images.to_signed(low_res)
    errors = (images.smaller(made, (4, 4))[:, None] - given).square().flatten(2).mean(2)
    assert errors.diagonal().mean() < 0.05 * errors.mean()
    plain = F.interpolate(given, (8, 8), mode="nearest")
    assert (made - x0).square().mean() < (plain - x0).square().mean()


def test_the_bound_of_an_upsampler_is_that_of_the_image_given_its_small_one(upsampler) -> None:
    row = alphabar.bits_per_dim(upsampler, count=4, steps=5)
    assert 0 < row["bits_per_dim"]["total"]["value"] < 20


def test_weights_of_a_network_of_large_images_alone_start_an_upsampler(base, tiny, quiet, tmp_path) -> None:
    """Its small image has no influence at first: the weights for it are 0."""
    config = tiny(*UP, *CLASSES, f"training.initialised_from={next((base / 'checkpoints').glob('*6'))}")
    image_set = build.image_set(config.data)
    state = loop.TrainState(config, build.image_facts(image_set), CPU)
    from alphabar.training import start

    start.start(state, tmp_path / "new")
    old, new = load_model(base).tensors(), state.network.state_dict()
    assert torch.equal(new["conv_in.weight"][:, :1], old["conv_in.weight"]) and not new["conv_in.weight"][:, 1:].any()
    assert torch.equal(new["conv_out.weight"], old["conv_out.weight"])


# Sampling


def test_an_image_depends_on_its_seed_and_its_small_image_alone(upsampler) -> None:
    pipeline = Pipeline.of(load_model(upsampler))
    low_res = torch.randint(0, 256, (5, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    job = pipeline.job(range(5), low_res)
    whole = pipeline.images(job, bar="")
    assert torch.equal(pipeline.images(job.of([3, 1]), bar=""), whole[[3, 1]])
    other = pipeline.images(pipeline.job(range(5), low_res.flip(0)), bar="")
    assert all(not torch.equal(other[k], whole[k]) for k in (0, 1, 3, 4)) and torch.equal(other[2], whole[2])


def test_the_noise_of_an_upsampler_is_not_that_of_the_image_that_it_enlarges(upsampler, base) -> None:
    up, plain = Pipeline.of(load_model(upsampler)), Pipeline.of(load_model(base))
    low_res = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    assert not torch.equal(up.noise(up.job([7], low_res))[0], plain.noise(plain.job([7]))[0])


@pytest.mark.parametrize("command", [["sample"], ["vary", "0"], ["encode", "0"], ["plot", "progressive"]])
def test_what_starts_from_noise_alone_says_that_an_upsampler_needs_small_images(upsampler, command) -> None:
    arguments = [*command, str(upsampler)] if command[0] == "plot" else [command[0], str(upsampler), *command[1:]]
    result = CliRunner().invoke(cli.app, arguments)
    assert isinstance(result.exception, ValueError)
    assert "is an upsampler, which makes 8x8 images of 4x4 ones" in str(result.exception)


# The command and the function


def test_a_cascade_keeps_the_seeds_and_the_classes_of_the_samples(upsampler, base, tmp_path) -> None:
    first = alphabar.sample(base, seeds="3-6,11", out=tmp_path / "first", film=None)
    folder = tmp_path / "large"
    result = CliRunner().invoke(
        cli.app, ["upscale", str(upsampler), str(tmp_path / "first"), "--resize", "stretch", "--out", str(folder)]
    )
    assert result.exit_code == 0, result.output
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["seeds"] == [3, 4, 5, 6, 11] and settings["classes"] == list(first.job.labels)
    assert (folder / "pairs.png").is_file() and (folder / "grid.png").is_file()
    names = {path.name for path in folder.glob("seed-*.png")}
    assert names == {f"seed-{seed:06d}.png" for seed in (3, 4, 5, 6, 11)}
    again = alphabar.upscale(upsampler, first, resize="stretch", out=folder)
    assert again.sampled == 0
    memory = alphabar.upscale(upsampler, first, resize="stretch", out=tmp_path / "other")
    assert torch.equal(memory.tensor, again.tensor) and memory.sampled == 5


def test_another_small_image_under_the_same_seed_is_sampled_anew(upsampler, tmp_path) -> None:
    a, b, _ = small()
    first = alphabar.upscale(upsampler, [a], label=3, out=tmp_path / "out")
    second = alphabar.upscale(upsampler, [b], label=3, out=tmp_path / "out")
    assert second.sampled == 1 and not torch.equal(first.tensor, second.tensor)


def test_a_picture_of_one_s_own_is_not_replaced_and_that_is_said_before_the_work(
    upsampler, tmp_path, drawn_seeds
) -> None:
    alphabar.upscale(upsampler, small(1), label=3, out=tmp_path / "out")
    drawn_seeds.clear()
    (tmp_path / "out" / "pairs.png").write_bytes(b"mine")
    with pytest.raises(AlphabarError, match=r"pairs\.png"):
        alphabar.upscale(upsampler, small(2), label=3, out=tmp_path / "out")
    assert (tmp_path / "out" / "pairs.png").read_bytes() == b"mine" and not drawn_seeds


def test_several_seeds_for_one_image_give_versions_of_it(upsampler, tmp_path) -> None:
    one = small(1)[0]
    made = alphabar.upscale(upsampler, one, label="none", seeds="5-8", out=tmp_path / "out")
    assert made.job.seeds == (5, 6, 7, 8) and len({image.tobytes() for image in made}) == 4


def test_files_and_folders_are_read_in_the_order_of_their_names(upsampler, tmp_path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, image in zip("cab", small(), strict=True):
        image.save(folder / f"{name}.png")
    made = alphabar.upscale(upsampler, [folder, folder / "a.png"], label=0, out=tmp_path / "out")
    order = [small()[k] for k in (1, 2, 0, 1)]
    assert made.job.seeds == (0, 1, 2, 3)
    same = alphabar.upscale(upsampler, order, label=0, out=tmp_path / "same")
    assert torch.equal(made.tensor, same.tensor)


@pytest.mark.parametrize(
    ("sources", "options", "sentence"),
    [
        ([], {}, "No images to enlarge"),
        (["nowhere"], {}, "There is no picture or folder nowhere"),
        (small(1, 5), {"label": 0}, "is 5x5, and this model takes 4x4"),
        (small(2), {"label": 0, "seeds": "0-2"}, "There are 2 images and 3 seeds"),
        (small(2), {"label": 0, "seeds": [1, 1]}, "named twice"),
        (small(1), {"label": 99}, "There is no class 99"),
        (small(1), {"label": 0, "film": "png"}, "film"),
    ],
)
def test_what_cannot_be_enlarged_gets_a_sentence(upsampler, tmp_path, sources, options, sentence) -> None:
    with pytest.raises(AlphabarError, match=sentence):
        alphabar.upscale(upsampler, sources, out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_no_upsampler_is_refused(base) -> None:
    with pytest.raises(AlphabarError, match="is no upsampler"):
        alphabar.upscale(base, small(1))


def test_an_empty_folder_gets_a_sentence(upsampler, tmp_path) -> None:
    with pytest.raises(AlphabarError, match="holds no images"):
        alphabar.upscale(upsampler, tmp_path)
