"""Recipes of published runs: what the papers and OpenAI's commands say, with networks of the published size."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from alphabar import build, cli, networks
from alphabar import config as c
from alphabar.diffusion import OBJECTIVES
from alphabar.errors import AlphabarError

CIFAR10, CELEBAHQ, IDDPM_CIFAR10, IMAGENET64 = 35_746_307, 113_673_219, 52_546_438, 121_063_942
PARAMETERS = {
    **dict.fromkeys(("ddpm_cifar10", "ddpm_cifar10_vlb", "ddpm_cifar10_mu_vlb", "ddpm_cifar10_mu_simple"), CIFAR10),
    **dict.fromkeys(("ddpm_cifar10_vlb_learned", "ddpm_cifar10_mu_vlb_learned"), 35_749_766),
    **dict.fromkeys(("ddpm_celebahq256", *(f"ddpm_lsun256_{x}" for x in ("bedroom", "church", "cat"))), CELEBAHQ),
    "ddpm_lsun256_bedroom_large": 255_677_955,
    **dict.fromkeys((f"iddpm_cifar10_simple{x}" for x in ("", "_linear", "_linear_1000")), 52_542_979),
    **dict.fromkeys((f"iddpm_cifar10_{x}" for x in ("hybrid", "hybrid_linear", "vlb")), IDDPM_CIFAR10),
    **dict.fromkeys((f"iddpm_imagenet64_200k_simple{x}" for x in ("", "_linear", "_linear_1000")), 121_060_483),
    **dict.fromkeys((f"iddpm_imagenet64_{x}" for x in ("hybrid", "vlb")), IMAGENET64),
    **dict.fromkeys((f"iddpm_imagenet64_200k_{x}" for x in ("hybrid", "hybrid_linear", "vlb")), IMAGENET64),
    "iddpm_imagenet64_class_conditional": 273_049_350,
    "iddpm_imagenet64_class_conditional_small": 121_575_942,
    "iddpm_imagenet256_upsampler": 279_792_390,
    **dict.fromkeys(("iddpm_lsun256_bedroom", "iddpm_lsun256_bedroom_2400k"), 113_676_678),
}
"""Of the original implementations."""

IDDPM = [name for name in PARAMETERS if name.startswith("iddpm") and "lsun" not in name]
SMALL = "iddpm_imagenet64_class_conditional_small"
UPSAMPLER = "iddpm_imagenet256_upsampler"
LINEAR = [name for name in IDDPM if "linear" in name or name == UPSAMPLER]
TABLE_1 = {
    ("linear", 4000, "simple"), ("linear", 1000, "simple"), ("linear", 4000, "hybrid"),
    *(("cosine", 4000, objective) for objective in OBJECTIVES),
}  # fmt: skip
"""IDDPM, Table 1 after 200k steps, and Table 2: schedule, T, objective."""
OVERRIDE = re.compile(rf"(?:{'|'.join(c.sections())})\.\w+=\S+")


def facts_of(config: c.Config) -> c.ImageFacts:
    side, classes = (32, 10) if config.data.name == "cifar10" else ((config.data.image_size or (8,))[0], 1000)
    return c.ImageFacts(shape=(3, side, side), class_names=tuple(map(str, range(classes))), fingerprint="")


def parameters(config: c.Config) -> int:
    return sum(weights.numel() for weights in build.network_sizes(config, facts_of(config)).values())


def test_every_recipe_named_after_a_paper_and_a_data_set_of_it_has_the_published_size_in_this_test() -> None:
    of_a_paper = {name for name in c.recipes() if name.startswith(("ddpm_", "iddpm_"))}
    assert of_a_paper - {"ddpm_digits", "ddpm_fashion_mnist", "ddpm_folder"} == set(PARAMETERS)


@pytest.mark.parametrize("recipe", PARAMETERS)
def test_the_network_has_as_many_parameters_as_the_published_one(recipe: str) -> None:
    assert parameters(c.load(recipe)) == PARAMETERS[recipe]


@pytest.mark.parametrize("recipe", c.recipes())
def test_every_recipe_makes_a_model(recipe: str) -> None:
    config = c.load(recipe)
    with networks.without_values():
        network = build.network(config, facts_of(config))
    assert config.diffusion.steps == build.denoiser(config, network).schedule.T
    build.objective(config)
    build.timestep_sampler(config)


@pytest.mark.parametrize("recipe", IDDPM)
def test_the_settings_are_those_of_the_paper_and_of_openai_s_commands(recipe: str) -> None:
    config = c.load(recipe)
    diffusion, optimizer, T = config.diffusion, config.optimizer, config.diffusion.steps
    schedule = "linear" if recipe in LINEAR else "cosine"
    assert (T, diffusion.schedule) == (1000 if recipe.endswith("1000") else 4000, schedule)
    assert diffusion.parameterization == "eps"
    assert (config.network.preset, config.network.num_blocks) == ("iddpm", 2 if recipe == UPSAMPLER else 3)
    assert config.network.attention_resolutions == (16, 8)
    levels = {"cifar10": (1, 2, 2, 2), "imagenet64": (1, 2, 3, 4), "imagenet256": (1, 1, 2, 2, 4, 4)}
    assert config.network.channel_mult == levels[recipe.split("_")[1]]
    assert config.network.dropout == (0 if "cifar10" not in recipe else 0.1 if recipe in LINEAR else 0.3)
    assert not config.data.horizontal_flip
    assert (optimizer.clip_norm, optimizer.warmup_steps, optimizer.decay) == (None, 0, "constant")
    assert (optimizer.betas, optimizer.eps, optimizer.weight_decay) == ((0.9, 0.999), 1e-8, 0)
    assert (config.training.ema_rates, config.training.precision) == ((0.9999,), "fp32")

    kind = next((kind for kind in OBJECTIVES if f"_{kind}" in recipe), "hybrid")
    objective = build.objective(config)
    assert objective.kind == kind
    assert diffusion.variance == ("fixed_large" if kind == "simple" else "learned_range")
    assert diffusion.timestep_sampler == ("loss_second_moment" if kind == "vlb" else "uniform")
    assert kind == "simple" or objective.decoder == "reference"
    length = (optimizer.learning_rate, config.training.batch_size, config.training.steps)
    if "class_conditional" in recipe or recipe == UPSAMPLER:
        lengths = {SMALL: (1e-4, 128, 1_700_000), UPSAMPLER: (3e-4, 256, 500_000)}
        assert length == lengths.get(recipe, (3e-4, 2048, 250_000))
        assert (diffusion.time_scale, objective.bound_weight) == (1, 1 / T)  # neither is rescaled
        assert (config.network.class_conditional, config.sampling.steps) == (True, 250)
    else:
        steps = 500_000 if "cifar10" in recipe else 200_000 if "200k" in recipe else 1_500_000
        assert length == (1e-4, 128, steps)
        assert diffusion.time_scale == 1000 / T
        assert kind == "simple" or objective.bound_weight == {"hybrid": 0.001, "vlb": 1}[kind]
        assert (config.network.class_conditional, config.sampling.steps) == (False, None)


def test_tables_1_and_2_of_iddpm_have_a_recipe_for_each_row() -> None:
    for part in ("iddpm_imagenet64_200k_", "iddpm_cifar10_"):
        rows = [c.load(name).diffusion for name in IDDPM if name.startswith(part)]
        assert {(row.schedule, row.steps, row.objective) for row in rows} == TABLE_1 and len(rows) == len(TABLE_1)


def test_table_2_of_ddpm_has_a_recipe_for_each_row() -> None:
    rows = [c.load(name).diffusion for name in PARAMETERS if name.startswith("ddpm_cifar10")]
    fixed, learned = "fixed_large", "learned"
    assert sorted((row.parameterization, row.objective, row.variance) for row in rows) == [
        ("eps", "simple", fixed), ("eps", "vlb", fixed), ("eps", "vlb", learned),
        ("mu", "simple", fixed), ("mu", "vlb", fixed), ("mu", "vlb", learned),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "flips", "thousands"),
    [("ddpm_celebahq256", True, 500), ("ddpm_lsun256_church", True, 1200), ("ddpm_lsun256_bedroom", False, 2400),
     ("ddpm_lsun256_bedroom_large", False, 1150), ("ddpm_lsun256_cat", True, 1800)],
)  # fmt: skip
def test_ddpm_at_256_trains_as_the_paper_says(recipe: str, flips: bool, thousands: int) -> None:
    config = c.load(recipe)
    assert (config.data.horizontal_flip, config.training.steps) == (flips, 1000 * thousands)
    assert (config.optimizer.learning_rate, config.training.batch_size, config.network.dropout) == (2e-5, 64, 0)
    assert config.diffusion.variance == "fixed_small"


def test_iddpm_on_lsun_trains_as_openai_s_two_checkpoints() -> None:
    for recipe, length in (("", (1e-4, 128, 1_200_000)), ("_2400k", (2e-5, 64, 2_400_000))):
        config = c.load(f"iddpm_lsun256_bedroom{recipe}")
        assert (config.optimizer.learning_rate, config.training.batch_size, config.training.steps) == length
        assert build.style(config.network).heads == 1 and build.objective(config).bound_weight == 1 / 1000


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


@pytest.mark.parametrize(
    ("text", "sentence"),
    [('extends = "ddpm_cifar1"', "There is no recipe to extend 'ddpm_cifar1'; did you mean 'ddpm_cifar10'?"),
     ("extends = 3", "There is no recipe to extend '3'"),
     ('extends = "ddpm_digits"\ntraining = 3', "training is 3")],
)  # fmt: skip
def test_what_cannot_be_extended_is_one_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(AlphabarError) as caught:
        c.load(str(tmp_path / "mine.toml"))
    assert sentence in str(caught.value)


def test_a_recipe_of_one_s_own_changes_single_settings_of_the_one_that_it_extends(tmp_path: Path) -> None:
    text = 'extends = "iddpm_cifar10_hybrid_linear"\n[training]\nbatch_size = 3\n[evaluation]\nevery = 7\n'
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    changes = {"training.batch_size": 3, "evaluation.every": 7}
    assert c.load(str(tmp_path / "mine.toml")) == c.load("iddpm_cifar10_hybrid_linear", changes)


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
@pytest.mark.parametrize("recipe", [name for name in IDDPM if "extends" not in c.recipes()[name].read_text("utf-8")])
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


@pytest.mark.parametrize(
    ("recipe", "words"),
    [("ddpm_cifar10", "# 35,746,307 parameters; "), ("ddpm_digits", " of 1x8x8"),
     ("iddpm_imagenet64_class_conditional", "# 272,281,350 parameters, and 768 for each class; ")],
)  # fmt: skip
def test_a_recipe_in_full_ends_with_its_cost_and_is_still_a_recipe(recipe: str, words: str, tmp_path: Path) -> None:
    shown = CliRunner().invoke(cli.app, ["recipes", recipe]).output
    assert words in shown.splitlines()[-1]
    (tmp_path / "mine.toml").write_text(shown, encoding="utf-8")
    assert c.load(str(tmp_path / "mine.toml")) == c.load(recipe)


def test_multiply_adds_are_those_of_the_layers() -> None:
    """Of the published network; in the papers' code its three upsampling layers take 9 products where 4 are enough."""
    upsampling = sum(channels**2 * side**2 * 5 for channels, side in ((256, 8), (256, 16), (256, 32)))
    counted = build.cost(c.load("ddpm_cifar10"), facts_of(c.load("ddpm_cifar10")))[1]
    assert round((counted + upsampling) / 1e9, 2) == 6.22
