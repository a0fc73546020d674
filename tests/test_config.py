"""Settings are read strictly, and their names are the registries' names."""

from pathlib import Path
from typing import Any

import pytest

from alphabar import config as c
from alphabar import data, diffusion, images, metrics, networks
from alphabar.config.one_of import choices
from alphabar.errors import AlphabarError
from alphabar.networks.precision import PRECISIONS
from alphabar.training.optimizers import OPTIMIZERS
from alphabar.training.optimizers.lr import DECAYS
from alphabar.training.parallel.strategies import STRATEGIES
from alphabar.training.trackers import TRACKERS

REGISTRIES: dict[tuple[type[c.Section], str], Any] = {
    (c.Data, "name"): data.DATASETS,
    (c.Data, "resize"): ["none", *images.RESIZE_RULES],
    (c.Data, "crop"): images.POSITIONS,
    (c.Network, "name"): networks.NETWORKS,
    (c.Network, "preset"): networks.PRESETS,
    (c.Diffusion, "schedule"): diffusion.SCHEDULES,
    (c.Diffusion, "parameterization"): diffusion.PARAMETERIZATIONS,
    (c.Diffusion, "variance"): diffusion.VARIANCES,
    (c.Diffusion, "x0_transform"): diffusion.X0_TRANSFORMS,
    (c.Diffusion, "objective"): diffusion.OBJECTIVES,
    (c.Diffusion, "weighting"): diffusion.WEIGHTINGS,
    (c.Diffusion, "decoder"): diffusion.DECODERS,
    (c.Diffusion, "timestep_sampler"): diffusion.TIMESTEP_SAMPLERS,
    (c.Training, "precision"): ["auto", *PRECISIONS],
    (c.Optimizer, "decay"): DECAYS,
    (c.Optimizer, "name"): OPTIMIZERS,
    (c.Parallel, "strategy"): STRATEGIES,
    (c.Training, "tracker"): TRACKERS,
    (c.Evaluation, "metrics"): metrics.METRICS,
    (c.Sampling, "sampler"): diffusion.SAMPLERS,
    (c.Sampling, "spacing"): [*diffusion.SPACINGS, "optimal"],
    (c.Evaluation, "features"): ["auto", *metrics.EXTRACTORS],
    (c.Evaluation, "best"): ["none", *metrics.QUANTITIES],
}


@pytest.mark.parametrize(("section", "field"), REGISTRIES)
def test_a_setting_offers_exactly_the_names_of_its_registry(section: type[c.Section], field: str) -> None:
    setting = section.model_fields[field]
    names = list(choices([setting.annotation, *setting.metadata]))
    assert names == list(REGISTRIES[section, field])
    assert " | ".join(names) in c.meanings(section)[field]


@pytest.mark.parametrize("override", ['evaluation.metrics=["fdd"]', "sampling.spacing=karass", "data.split=tset"])
def test_a_mistyped_name_is_one_sentence_with_the_nearest_one(override: str) -> None:
    with pytest.raises(AlphabarError, match=r"did you mean '(fd|karras|test)'") as caught:
        c.load("ddpm_digits", [override])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "sentence"),
    {
        "training.sample_every=often": "training.sample_every is 'often'; it must be a whole number or 'auto'.",
        "training.sample_every=-1": "training.sample_every is -1; it must be greater than or equal to 0 or 'auto'.",
        "training.planned=data.image_size": "training.planned is 'data.image_size'; it must be a list, such as "
        '["data.image_size"].',
        'training.planned=["x.y"]': "There is no training.planned 'x.y'; choose one of: ",
        "sampling.guidance_interval=3": "sampling.guidance_interval is 3; it must be a list of two numbers.",
    }.items(),
)
def test_a_setting_that_may_be_this_or_that_and_is_neither_is_one_sentence(override: str, sentence: str) -> None:
    with pytest.raises(AlphabarError) as caught:
        c.load("folder", [override])
    assert str(caught.value).startswith(sentence) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("overrides", "batch"), [({"training.batch_size": 3, "data.path": Path("8")}, 3)])
def test_overrides_may_be_a_mapping(overrides: dict[str, Any], batch: int) -> None:
    config = c.load("ddpm_digits", overrides)
    assert config.training.batch_size == batch and config.data.path == Path("8")


@pytest.mark.parametrize("recipe", c.recipes())
def test_every_recipe_is_valid_and_says_on_its_first_line_what_it_is(recipe: str) -> None:
    c.load(recipe)
    first = c.recipes()[recipe].read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ") and len(first) > 20


@pytest.mark.parametrize("recipe", c.recipes())
def test_the_resolved_config_reads_back_as_itself(recipe: str) -> None:
    config = c.load(recipe)
    assert c.parse(config.model_dump(mode="json")) == config


def test_overrides_are_toml_or_else_text_and_the_last_one_wins() -> None:
    config = c.load(
        "ddpm_digits",
        [
            "training.seed=1",
            "training.seed=2",
            "data.path=some/where",
            "network.channel_mult=[1, 3]",
            "data.image_size=16x8",
        ],
    )
    assert config.training.seed == 2
    assert str(config.data.path) == "some/where"
    assert config.network.channel_mult == (1, 3)
    assert config.data.image_size == (16, 8)
    assert c.load("ddpm_digits", ["data.image_size=16"]).data.image_size == (16, 16)


@pytest.mark.parametrize(
    "white", ["white", "WHITE", "#fff", '"#fff"', "#ffffff", "[255,255,255]", "255,255,255", (255, 255, 255)]
)
def test_a_colour_is_written_as_a_name_as_digits_or_as_levels(white: object) -> None:
    overrides = {"data.background": white} if isinstance(white, tuple) else [f"data.background={white}"]
    assert c.load("ddpm_digits", overrides).data.background == (255, 255, 255)


def test_none_unsets_an_optional_setting() -> None:
    assert c.load("ddpm_digits", ["optimizer.clip_norm=none"]).optimizer.clip_norm is None


def test_a_recipe_may_be_a_file_of_ones_own(tmp_path) -> None:
    (tmp_path / "mine.toml").write_text("[training]\nsteps = 3\n")
    assert c.load(str(tmp_path / "mine.toml")).training.steps == 3


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.batchsize=3", ["batchsize", "did you mean 'batch_size'"]),
        ("trainin.steps=3", ["trainin", "did you mean 'training'"]),
        ("diffusion.schedule=cosin", ["cosin", "did you mean 'cosine'"]),
        ("data.name=digit", ["digit", "did you mean 'digits'"]),
        ("network.channel_mult=2", ["network.channel_mult", "2", "a list, such as [1, 2, 2, 2]"]),
        ("sampling.steps=2.5", ["sampling.steps", "2.5", "ddim50"]),
        ("training.batch_size=0", ["training.batch_size", "0", "greater than or equal to 1"]),
        ("optimizer.learning_rate=fast", ["optimizer.learning_rate", "fast", "number"]),
        ("optimizer.learning_rate=nan", ["optimizer.learning_rate", "finite"]),
        ("training.ema_rates=[1.0]", ["training.ema_rates", "less than 1"]),
        ("sampling.steps=1001", ["1001", "1..1000"]),
        ("training.steps=none", ["never ends", "training.steps"]),
        ("batch_size=3", ["batch_size=3", "section.key=value"]),
        ("data.channels=2", ["data.channels", "2", "1, 3 or 4"]),
    ],
)
def test_a_wrong_setting_is_a_sentence_with_its_value_and_what_would_be_right(override: str, words: list[str]) -> None:
    with pytest.raises(AlphabarError) as caught:
        c.load("ddpm_digits", [override])
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("text", ["not toml", "[training]\nsteps = 3\nsteps = 4\n", "training = 3\n", "steps = 3\n"])
def test_a_broken_recipe_is_a_sentence(tmp_path, text: str) -> None:
    (tmp_path / "broken.toml").write_text(text)
    with pytest.raises(AlphabarError):
        c.load(str(tmp_path / "broken.toml"))


def test_differences_name_what_would_make_it_another_run_and_nothing_else() -> None:
    base = c.load("ddpm_digits")
    other = c.load(
        "ddpm_digits", ["training.steps=9", "training.log_every=1", "sampling.num=2", "diffusion.schedule=linear"]
    )
    assert c.differences(base, other) == {"diffusion.schedule": "diffusion.schedule: cosine -> linear"}
