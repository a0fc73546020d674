"""The spacing `optimal` of a run: measured once on what it was trained on, kept with it, and the same everywhere."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

import alphabar
from alphabar import data, names
from alphabar.diffusion import SAMPLERS, spaced, variational_bound
from alphabar.errors import AlphabarError
from alphabar.images import to_signed
from alphabar.runs.model import LoadedModel, load_model
from alphabar.sampling import optimal_steps as module
from alphabar.sampling.optimal_steps import optimal_steps
from alphabar.sampling.pipeline import Pipeline
from alphabar.training import loop

CPU = torch.device("cpu")
NAME = "step-00000030-ema-0.995.json"


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory) -> Path:
    """Told classes, with a learned variance and held-out images, T = 12."""
    settings = ["diffusion.steps=12", "data.holdout=0.1", "network.class_conditional=true"]
    settings += ["diffusion.variance=learned_range", "diffusion.objective=hybrid"]
    path = tmp_path_factory.mktemp("trained") / "run"
    loop.train(tiny(*settings, "training.steps=30"), path, CPU, Console(quiet=True))
    return path


@pytest.fixture(scope="module")
def measured(trained) -> Path:
    """The same with its timesteps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "IMAGES", 16)
        optimal_steps(load_model(trained), 5)
    return trained


@pytest.fixture
def run(measured, tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(module, "IMAGES", 16)
    return Path(shutil.copytree(measured, tmp_path / "run"))


@pytest.fixture
def calls(monkeypatch) -> list[int]:
    """The number of timesteps of each measurement."""
    seen: list[int] = []
    plain = module.step_costs
    monkeypatch.setattr(module, "step_costs", lambda *args: seen.append(len(args[2])) or plain(*args))
    return seen


def kept(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "optimal_steps" / NAME).read_text())
    return content


def test_it_is_measured_once_for_all_lengths(run, calls) -> None:
    shutil.rmtree(run / "optimal_steps")
    chosen = {steps: optimal_steps(load_model(run), steps) for steps in (3, 7, 12)}
    assert calls == [12]
    chains = {len(entry["timesteps"]): entry["timesteps"] for entry in kept(run)["chains"]}
    assert list(chains) == list(range(1, 13))
    assert all(rows in chains.values() and len(rows) <= steps for steps, rows in chosen.items())
    assert {steps: optimal_steps(load_model(run), steps) for steps in (3, 7, 12)} == chosen
    assert calls == [12]


def test_the_size_of_the_batches_does_not_matter(run) -> None:
    before, model = kept(run), load_model(run)
    shutil.rmtree(run / "optimal_steps")
    sampling = model.config.sampling.model_copy(update={"batch_size": 5})
    optimal_steps(replace(model, config=model.config.model_copy(update={"sampling": sampling})), 5)
    after = kept(run)
    for one, other in zip(before["chains"], after["chains"], strict=True):
        assert one["bits_per_dim"] == pytest.approx(other["bits_per_dim"], rel=1e-5)


def test_the_chosen_steps_are_better_on_held_out_images_than_any_spacing(run) -> None:
    """They were chosen with 16 training images; these are 64 others, told their classes, with other noise."""
    model = load_model(run)
    held_out = model.images("test")
    x0, told = to_signed(held_out.images[:64]), model.denoiser.given(held_out.labels[:64])

    def noise(t: int) -> torch.Tensor:
        return torch.randn(x0.shape, generator=torch.Generator().manual_seed(t))

    def bound(rows: list[int]) -> float:
        return float(variational_bound(told.respaced(rows), x0, noise=noise).total.mean())

    best = bound(optimal_steps(model, 5))
    assert all(best <= bound(spaced(model.denoiser.schedule, name, 5)) + 0.01 for name in names.SPACINGS)
    assert best < bound(spaced(model.denoiser.schedule, "uniform", 5))


def test_a_pipeline_samples_the_chosen_timesteps_and_names_them(run) -> None:
    model = load_model(run)
    rows = optimal_steps(model, 5)
    for sampler in SAMPLERS:
        pipeline = Pipeline.of(model, {"sampler": sampler, "steps": 5, "spacing": "optimal"})
        assert pipeline.denoiser.schedule.timesteps[1:].tolist() == rows
    settings = pipeline.settings()
    assert settings["spacing"] == f"t:{','.join(map(str, rows))}" and settings["steps"] == len(rows)
    again = Pipeline.of(model, {"sampler": sampler, "steps": settings["spacing"]})
    assert again.settings() == settings


def test_each_variance_has_its_own_timesteps(run, calls) -> None:
    model = load_model(run)
    changes = {"sampler": "ddpm", "steps": 5, "spacing": "optimal"}
    Pipeline.of(model, changes | {"variance": "fixed_large"})
    assert calls == [12] and (run / "optimal_steps" / "step-00000030-ema-0.995-fixed_large.json").exists()
    with pytest.raises(AlphabarError, match=r"'analytic' is measured .*; choose another variance or spacing\."):
        Pipeline.of(model, changes | {"variance": "analytic"})


@pytest.mark.heavy
def test_the_bound_of_an_evaluation_is_that_of_the_chosen_timesteps(run) -> None:
    rows = optimal_steps(load_model(run), 5)
    chosen = alphabar.bits_per_dim(run, count=6, steps=5, spacing="optimal")
    by_hand = alphabar.bits_per_dim(run, count=6, steps=f"t:{','.join(map(str, rows))}")
    assert chosen["bits_per_dim"] == by_hand["bits_per_dim"]
    assert (chosen["spacing"], chosen["steps"]) == ("optimal", len(rows))
    quadratic = alphabar.bits_per_dim(run, count=6, steps=5, spacing="quadratic")
    assert quadratic["spacing"] == "quadratic" and quadratic["bits_per_dim"] != chosen["bits_per_dim"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"spacing": "optimal"}, r"--spacing optimal .* give their number with --steps\."),
        ({"steps": "t:1,5", "spacing": "optimal"}, "and --steps t:1,5 names them; leave one out"),
        ({"steps": 5, "spacing": "optimum"}, "did you mean 'optimal'"),
        ({"steps": 13, "spacing": "optimal"}, r"1\.\.12 timesteps, the length of this model's chain; got 13"),
        ({"steps": 0, "spacing": "optimal"}, r"got 0\."),
    ],
)
def test_a_chain_that_cannot_be_chosen_is_a_sentence(run, options, words) -> None:
    with pytest.raises(AlphabarError, match=words):
        alphabar.bits_per_dim(run, count=4, **options)


def test_of_a_long_chain_at_most_the_candidates_are_visited(run, monkeypatch) -> None:
    monkeypatch.setattr(module, "CANDIDATES", 8)
    with pytest.raises(AlphabarError, match=r"chooses 1\.\.\d timesteps, the number that was measured; got 10"):
        optimal_steps(load_model(run), 10)


def test_compressed_images_come_back_without_the_measurement(run, tmp_path) -> None:
    pytest.importorskip("constriction", reason="needs the extra `compression`")
    from alphabar.images import save_png

    folder = tmp_path / "in"
    folder.mkdir()
    for k in range(3):
        save_png(folder / f"{k}.png", data.load("digits").images[k])
    alphabar.compress(run, folder, tmp_path / "x.abar", steps=5, spacing="optimal", label=3)
    shutil.rmtree(run / "optimal_steps")
    model = of_data(run, name="folder", path=tmp_path / "gone")  # neither the table nor the data
    assert model.config.data.name == "folder"
    alphabar.decompress(tmp_path / "x.abar", tmp_path / "out")
    assert not (run / "optimal_steps").exists()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.png", "1.png", "2.png"]


def of_data(run: Path, **section: object) -> LoadedModel:
    model = load_model(run)
    config = model.config
    return replace(model, config=config.model_copy(update={"data": config.data.model_copy(update=section)}))


def test_images_that_are_gone_are_a_sentence_until_all_is_known(run, tmp_path) -> None:
    model, known = of_data(run, name="folder", path=tmp_path / "gone"), optimal_steps(load_model(run), 5)
    assert optimal_steps(model, 5) == known
    shutil.rmtree(run / "optimal_steps")
    with pytest.raises(
        AlphabarError,
        match=r"The spacing 'optimal' is measured on the images .* not available \(.*\); restore them, or choose an",
    ):
        optimal_steps(model, 5)


def change(run: Path, name: str, value: object) -> None:
    content = kept(run) | {name: value}
    (run / "optimal_steps" / NAME).write_text(json.dumps(content))


@pytest.mark.parametrize(("name", "value"), [("weights_sha256", "0" * 64), ("variance", "learned"), ("images", 7)])
def test_what_was_measured_with_something_else_is_measured_again_and_said(run, calls, capsys, name, value) -> None:
    before = optimal_steps(load_model(run), 5)
    change(run, name, value)
    assert optimal_steps(load_model(run), 5) == before and calls == [12]
    assert f"{NAME} was measured with another {name}; it is measured again." in capsys.readouterr().err


@pytest.mark.parametrize(
    "chains",
    [3, [], [{"timesteps": [1], "bits_per_dim": 1}], [{"timesteps": [13 - k], "bits_per_dim": 1} for k in range(12)],
     [{"timesteps": list(range(1, k + 1)), "bits_per_dim": float("nan")} for k in range(1, 13)],
     [{"timesteps": list(range(k, 0, -1)), "bits_per_dim": 1} for k in range(1, 13)]],
)  # fmt: skip
def test_a_damaged_file_is_measured_again_and_said(run, calls, capsys, chains) -> None:
    before = optimal_steps(load_model(run), 5)
    change(run, "chains", chains)
    assert optimal_steps(load_model(run), 5) == before and calls == [12]
    assert f"{NAME} cannot be read; it is measured again." in capsys.readouterr().err


def test_a_network_that_has_diverged_is_a_sentence(run) -> None:
    shutil.rmtree(run / "optimal_steps")
    model = load_model(run)
    broken = replace(model.denoiser, network=lambda x, time, y: torch.full((len(x), 2, 8, 8), torch.nan))
    with pytest.raises(AlphabarError, match=r"not finite: these weights have diverged"):
        optimal_steps(replace(model, denoiser=broken), 5)


def test_a_training_is_told_to_measure_it_afterwards(tiny, tmp_path) -> None:
    with pytest.raises(AlphabarError, match="'optimal' is measured on a trained network: train with another"):
        loop.train(tiny("sampling.spacing=optimal"), tmp_path / "run", CPU, Console(quiet=True))
