"""What can be asked of `alphabar sample`: every sampler on a model that has everything, every mistake a sentence."""

from itertools import combinations
from pathlib import Path

import pytest
import torch
from rich.console import Console

from alphabar import cli
from alphabar.diffusion import SAMPLERS, SPACINGS
from alphabar.errors import AlphabarError
from alphabar.runs.model import LoadedModel, load_model
from alphabar.sampling.folder import WHEREABOUTS
from alphabar.sampling.pipeline import Pipeline
from alphabar.sampling.to_folder import Plan, sample_to_folder
from alphabar.training import loop

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory) -> Path:
    """Class-conditional with label dropout, a learned variance, T = 30."""
    path = tmp_path_factory.mktemp("options") / "run"
    settings = ["network.class_conditional=true", "network.label_dropout=0.2", "diffusion.steps=30"]
    settings += [
        "diffusion.variance=learned_range",
        "diffusion.objective=hybrid",
        "sampling.sampler=ddpm",
        "sampling.eta=none",
    ]
    loop.train(tiny(*settings, "sampling.steps=none"), path, CPU, Console(quiet=True))
    return path


@pytest.fixture(scope="module")
def model(run) -> LoadedModel:
    return load_model(run)


def plan(model, changes=None, label=None, seeds=range(2), out=None) -> Plan:
    pipeline = Pipeline.of(model, changes or {}, model.label(label))
    return Plan.of(pipeline, pipeline.job(seeds), out)


def drawn(run, model, tmp_path, label=None, seeds=range(4), **changes) -> torch.Tensor:
    name = "-".join(f"{key}{value}" for key, value in {**changes, "label": label}.items()).replace("/", "")
    return sample_to_folder(plan(model, changes, label, seeds, tmp_path / name))


@pytest.mark.parametrize("guidance", [1.0, 2.0])
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_draws_with_learned_variances_classes_and_guidance(name, guidance, run, model, tmp_path):
    images = drawn(run, model, tmp_path, sampler=name, steps=7, guidance_scale=guidance)
    assert images.shape == (4, 1, 8, 8) and len(images.flatten(1).unique(dim=0)) == 4


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_has_a_grid_of_its_own_which_any_chain_can_take(name, model):
    assert SAMPLERS[name].grid.spacing in SPACINGS
    chain = Pipeline.of(model, {"sampler": name}).denoiser.schedule
    assert min(SAMPLERS[name].grid.steps or 30, 30) == chain.T


def test_guidance_changes_the_images_towards_their_class_and_1_is_off(run, model, tmp_path):
    plain = drawn(run, model, tmp_path, steps=7)
    assert torch.equal(plain, drawn(run, model, tmp_path / "one", steps=7, guidance_scale=1.0))
    assert not torch.equal(plain, drawn(run, model, tmp_path, steps=7, guidance_scale=3.0))
    never = drawn(run, model, tmp_path, steps="t:1,9,30", guidance_scale=3.0, guidance_interval=(2, 8))
    assert torch.equal(never, drawn(run, model, tmp_path, steps="t:1,9,30"))


def test_no_class_is_what_the_network_draws_untold(run, model, tmp_path):
    untold, first = drawn(run, model, tmp_path, "none", steps=7), drawn(run, model, tmp_path, "0", steps=7)
    assert not torch.equal(untold, first)
    zero = drawn(run, model, tmp_path, "0", steps=7, guidance_scale=0.0)
    assert (zero.int() - untold.int()).abs().max() <= 1


@pytest.mark.parametrize("variance", ["fixed_small", "fixed_large", "analytic"])
def test_another_variance_changes_the_chain_of_a_model_that_has_learned_one(variance, run, model, tmp_path):
    changed, own = drawn(run, model, tmp_path, steps=7, variance=variance), drawn(run, model, tmp_path, steps=7)
    assert not torch.equal(changed, own)
    assert variance != "analytic" or len(list((run / "analytic").iterdir())) == 1


def test_settings_and_folder_names_tell_all_ways_of_drawing_apart(run, model):
    ways = [
        {"sampler": "ddim"}, {"sampler": "ddim", "eta": 1.0}, {"sampler": "ddim", "spacing": "karras", "steps": 9},
        {"sampler": "ddim", "steps": 9}, {"sampler": "dpmpp_2m_sde", "steps": 9}, {"sampler": "unipc", "steps": 9},
        {"sampler": "dpmpp_2m_sde", "steps": 9, "eta": 0.0}, {"sampler": "unipc", "steps": 9, "order": 3},
        {"sampler": "heun", "steps": 9}, {"sampler": "heun", "steps": 9, "churn": 5.0}, {"steps": 9}, {},
        {"steps": 9, "variance": "fixed_small"}, {"steps": 9, "variance": "analytic"},
        {"steps": 9, "guidance_scale": 2},
        {"steps": 9, "guidance_scale": 2, "guidance_interval": (1, 9)}, {"steps": "t:1,9,30"},
        {"steps": 9, "guidance_scale": 2, "guidance_rescale": 0.5}, {"steps": 9, "guidance_scale": 0},
    ]  # fmt: skip
    plans = [plan(model, way) for way in ways] + [plan(model, label=label) for label in ("none", "3")]
    for one, other in combinations(plans, 2):
        assert one.folder != other.folder
        assert {k: v for k, v in one.settings.items() if k not in WHEREABOUTS} != {
            k: v for k, v in other.settings.items() if k not in WHEREABOUTS
        }


def test_what_is_kept_says_how_often_the_network_was_called(run, model):
    calls = {
        way: plan(model, dict(way)).settings
        for way in [(("sampler", "heun"), ("steps", 5)), (("steps", 5),), (("steps", 5), ("guidance_scale", 2.0))]
    }
    assert [settings["network_calls"] for settings in calls.values()] == [9, 5, 10]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--sampler", "heun", "--eta", "0.5"], ["eta", "'heun'"]),
        (["--sampler", "ddim", "--order", "3"], ["order", "unipc"]),
        (["--sampler", "unipc", "--order", "4"], ["order", "4"]),
        (["--churn", "-1", "--sampler", "euler"], ["churn", "-1"]),
        (["--sampler", "ddim", "--variance", "analytic"], ["variance", "'ddim'"]),
        (["--variance", "narrow"], ["variance", "narrow"]),
        (["--guidance", "-1"], ["--guidance is -1"]),
        (["--guidance", "nan"], ["--guidance is nan"]),
        (["--guidance-interval", "1-9"], ["--guidance-interval", "--guidance"]),
        (["--guidance", "2", "--guidance-interval", "9-1"], ["--guidance-interval", "9-1"]),
        (["--guidance", "2", "--guidance-interval", "40-50"], ["--guidance-interval", "30"]),
        (["--guidance", "2", "--guidance-rescale", "2"], ["--guidance-rescale is 2"]),
        (["--guidance", "2", "--class", "none"], ["--guidance 2", "no class", "--class"]),
        (["--sampler", "dpm"], ["sampler", "dpm"]),
        (["--sampler", "dpmpp_2m", "--steps", "t:1,9", "--spacing", "karras"], ["--spacing", "t:1,9"]),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(asked, words, run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["alphabar", "sample", str(run), "--out", str(tmp_path / "out"), *asked])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    said = capsys.readouterr().err
    assert caught.value.code == 2 and "Traceback" not in said and said.count("\n") == 1
    for word in words:
        assert word in said, said
    assert not (tmp_path / "out").exists()


def test_guidance_of_a_network_that_never_saw_images_without_a_class_is_refused(tiny, tmp_path):
    loop.train(tiny("network.class_conditional=true"), tmp_path / "run", CPU, Console(quiet=True))
    with pytest.raises(AlphabarError, match="label_dropout"):
        Pipeline.of(load_model(tmp_path / "run"), {"guidance_scale": 2.0})
