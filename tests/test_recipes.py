"""Recipes of published runs: what the papers and OpenAI's commands say, with networks of the published size."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from alphabar import build, cli
from alphabar import config as c
from alphabar.diffusion import OBJECTIVES

PARAMETERS = {
    "ddpm_cifar10": 35_746_307,
    "iddpm_cifar10_simple": 52_542_979,
    "iddpm_cifar10_hybrid": 52_546_438,
    "iddpm_cifar10_vlb": 52_546_438,
    "iddpm_imagenet64_hybrid": 121_063_942,
    "iddpm_imagenet64_vlb": 121_063_942,
    "iddpm_imagenet64_class_conditional": 273_049_350,
}
"""Of the original implementations."""

IDDPM = [name for name in PARAMETERS if name.startswith("iddpm")]
OVERRIDE = re.compile(rf"(?:{'|'.join(c.sections())})\.\w+=\S+")


def facts_of(config: c.Config) -> c.ImageFacts:
    side, classes = (32, 10) if config.data.name == "cifar10" else (64, 1000)
    return c.ImageFacts(shape=(3, side, side), class_names=tuple(map(str, range(classes))), fingerprint="")


def parameters(config: c.Config) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in build.network(config, facts_of(config)).parameters())


def test_the_recipes_are_those_of_the_paper() -> None:
    assert set(IDDPM) == {name for name in c.recipes() if name.startswith("iddpm")}


@pytest.mark.parametrize("recipe", PARAMETERS)
def test_the_network_has_as_many_parameters_as_the_published_one(recipe: str) -> None:
    assert parameters(c.load(recipe)) == PARAMETERS[recipe]


@pytest.mark.parametrize("recipe", IDDPM)
def test_the_settings_are_those_of_the_paper_and_of_openai_s_commands(recipe: str) -> None:
    config = c.load(recipe)
    diffusion, optimizer, T = config.diffusion, config.optimizer, config.diffusion.steps
    assert (T, diffusion.schedule, diffusion.parameterization) == (4000, "cosine", "eps")
    assert (config.network.preset, config.network.num_blocks) == ("iddpm", 3)
    assert config.network.attention_resolutions == (16, 8)
    assert config.network.channel_mult == ((1, 2, 2, 2) if "cifar10" in recipe else (1, 2, 3, 4))
    assert config.network.dropout == (0.3 if "cifar10" in recipe else 0)
    assert not config.data.horizontal_flip
    assert (optimizer.clip_norm, optimizer.warmup_steps, optimizer.decay) == (None, 0, "constant")
    assert (optimizer.betas, optimizer.eps, optimizer.weight_decay) == ((0.9, 0.999), 1e-8, 0)
    assert (config.training.ema_rates, config.training.precision) == ((0.9999,), "fp32")

    kind = next((kind for kind in OBJECTIVES if recipe.endswith(kind)), "hybrid")
    objective = build.objective(config)
    assert objective.kind == kind
    assert diffusion.variance == ("fixed_large" if kind == "simple" else "learned_range")
    assert diffusion.timestep_sampler == ("loss_second_moment" if kind == "vlb" else "uniform")
    assert kind == "simple" or objective.decoder == "reference"
    schedule = (optimizer.learning_rate, config.training.batch_size, config.training.steps)
    if recipe == "iddpm_imagenet64_class_conditional":
        assert schedule == (3e-4, 2048, 250_000)
        assert (diffusion.time_scale, objective.bound_weight) == (1, 1 / T)  # neither is rescaled
        assert (config.network.class_conditional, config.sampling.steps) == (True, 250)
    else:
        assert schedule == (1e-4, 128, 500_000 if "cifar10" in recipe else 1_500_000)
        assert diffusion.time_scale == 1000 / T
        assert kind == "simple" or objective.bound_weight == {"hybrid": 0.001, "vlb": 1}[kind]
        assert (config.network.class_conditional, config.sampling.steps) == (False, None)


def overrides(recipe: str) -> list[list[str]]:
    """Of each line of the header that has any."""
    lines = c.recipes()[recipe].read_text(encoding="utf-8").splitlines()
    found = [[word.rstrip(".,") for word in OVERRIDE.findall(line)] for line in lines if line.startswith("#")]
    return [words for words in found if words]


@pytest.mark.parametrize("recipe", c.recipes())
def test_the_overrides_that_a_header_offers_make_a_run(recipe: str) -> None:
    for words in overrides(recipe):
        config = c.load(recipe, words)
        build.objective(config)
        build.timestep_sampler(config)
        diffusion = config.diffusion
        rescaled = diffusion.time_scale != 1 or diffusion.steps == 1000
        assert diffusion.time_scale == (1000 / diffusion.steps if rescaled else 1), words


def test_headers_offer_the_other_rows_of_the_tables() -> None:
    rows = [c.load(recipe, words) for recipe in IDDPM for words in overrides(recipe)]
    told = {(row.data.name, row.diffusion.steps, row.diffusion.schedule, row.diffusion.objective) for row in rows}
    assert {("cifar10", T, "linear", "simple") for T in (1000, 4000)} | {("cifar10", 4000, "linear", "hybrid")} <= told
    table1 = {("linear", "hybrid"), ("cosine", "hybrid"), ("cosine", "simple")}
    assert {("folder", 4000, *row) for row in table1} <= told
    assert {row.network.dropout for row in rows if row.data.name == "cifar10"} == {0.1}  # all of them are linear


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> dict[str, Path]:
    """CIFAR-10's files with four images each, and three classes of 64x64."""
    root, pixels = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    cifar10, folder = root / "cifar-10-batches-py", root / "classes"
    cifar10.mkdir()
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        batch = {b"data": pixels.integers(0, 256, (4, 3072), dtype=np.uint8), b"labels": [0, 1, 2, 9]}
        (cifar10 / name).write_bytes(pickle.dumps(batch, protocol=2))
    for k in range(3):
        (folder / f"class {k}").mkdir(parents=True)
        Image.fromarray(pixels.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(folder / f"class {k}" / "a.png")
    return {"cifar10": cifar10, "folder": folder}


@pytest.mark.parametrize("size", ["small", pytest.param("published", marks=pytest.mark.heavy)])
@pytest.mark.parametrize("recipe", IDDPM)
def test_a_dry_run_passes(recipe: str, size: str, images, tmp_path, monkeypatch) -> None:
    """At the published size, but for the 273 M parameters of the class-conditional network: those take 5.7 GB; and with
    fewer channels, which takes no gigabytes and no minute."""
    config = c.load(recipe)
    small = ["training.batch_size=1", "sampling.num=1"]
    count = PARAMETERS[recipe]
    if config.network.class_conditional or size == "small":
        small += ["network.channels=32"]
        unseen = 1000 - 3 if config.network.class_conditional else 0  # there are embeddings for three classes only
        count = parameters(c.load(recipe, small)) - unseen * 4 * 32
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.app, ["train", recipe, "--data", str(images[config.data.name]), *small, "--dry-run"])
    assert done.exit_code == 0, done.exception
    data = ("20 images 3x32x32", "10 classes") if config.data.name == "cifar10" else ("3 images 3x64x64", "3 classes")
    for words in (*data, f"parameters   {count:,}\n", f"{config.training.steps:,} steps", "train step   loss "):
        assert words in done.output
    assert f"for all {config.sampling.steps or 4000} steps" in done.output
    assert not any(tmp_path.iterdir())
