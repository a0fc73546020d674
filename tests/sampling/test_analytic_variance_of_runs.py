"""A run's analytic variance is measured once for each timestep, on what it was trained on, and kept with it."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from alphabar import data, distributed
from alphabar.diffusion import Denoiser
from alphabar.diffusion.x0_error import mean_x0_error, squared_x0_error
from alphabar.errors import AlphabarError
from alphabar.images import to_signed
from alphabar.runs.model import LoadedModel, load_model
from alphabar.sampling import analytic_variance
from alphabar.sampling.analytic_variance import with_analytic_variance
from alphabar.sampling.pipeline import Pipeline
from alphabar.training import loop
from digits_folder import digits_folder
from ranks import forked

CPU = torch.device("cpu")
NAME = "step-00000030-ema-0.995.json"


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory) -> Path:
    """Told classes, with a learned variance."""
    settings = ["network.class_conditional=true", "diffusion.variance=learned_range", "diffusion.objective=hybrid"]
    path = tmp_path_factory.mktemp("trained") / "run"
    loop.train(tiny(*settings, "training.steps=30"), path, CPU, Console(quiet=True))
    return path


@pytest.fixture
def run(trained, tmp_path, monkeypatch) -> Path:
    """A copy to write into; few images, to be quick."""
    monkeypatch.setattr(analytic_variance, "IMAGES", 24)
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def measured(monkeypatch) -> list[int]:
    """The t of every batch that is measured, of the chain that it is measured on."""
    seen: list[int] = []

    def watched(denoiser, x0, t, eps):
        seen.append(t)
        return squared_x0_error(denoiser, x0, t, eps)

    monkeypatch.setattr(analytic_variance, "squared_x0_error", watched)
    return seen


def ask(run: Path, rows: list[int], model: LoadedModel | None = None) -> Denoiser:
    model = model or load_model(run)
    return with_analytic_variance(model, model.denoiser.respaced(rows))


def log_vars(denoiser: Denoiser) -> list[float]:
    x, steps = torch.zeros(1, 1, 8, 8, dtype=torch.float64), range(1, denoiser.schedule.T + 1)
    return [float(denoiser.variance.log_var(denoiser.schedule, x, t, None)) for t in steps]


def kept(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "analytic" / NAME).read_text())
    return found


def change(run: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    found = kept(run)
    edit(found)
    (run / "analytic" / NAME).write_text(json.dumps(found))


def test_it_is_measured_once_and_kept_with_all_that_it_depends_on(run, measured, capsys) -> None:
    first = ask(run, [1, 9, 20])
    assert measured == [1, 2, 3]  # a batch each
    second = ask(run, [1, 9, 20])
    assert len(measured) == 3 and log_vars(first) == log_vars(second)
    assert capsys.readouterr().err == ""

    model, found = load_model(run), kept(run)
    errors = found.pop("x0_error")
    assert found == {
        "weights_sha256": model.sha256, "steps": 20, "schedule": "cosine", "parameterization": "eps",
        "time_scale": 1.0, "x0_transform": "clip", "images_sha256": model.facts.fingerprint, "images_per_timestep": 24,
        "version": analytic_variance.VERSION,
    }  # fmt: skip
    assert list(errors) == ["1", "9", "20"]
    assert all(0 < e["standard_error"] < e["value"] < 4 for e in errors.values())
    assert log_vars(first)[0] == pytest.approx(math.log(errors["1"]["value"]))


def test_only_timesteps_that_are_new_are_measured_and_each_by_itself(run, trained, measured) -> None:
    ask(run, [1, 9, 20])
    ask(run, [1, 5, 9, 16])
    assert measured == [1, 2, 3, 2, 4]
    assert list(kept(run)["x0_error"]) == ["1", "5", "9", "16", "20"]
    step_by_step = kept(run)["x0_error"]
    shutil.rmtree(run / "analytic")
    ask(run, [5, 16])
    assert kept(run)["x0_error"] == {t: step_by_step[t] for t in ("5", "16")}


def test_the_size_of_the_batches_does_not_matter(run) -> None:
    whole, model = log_vars(ask(run, [2, 20])), load_model(run)
    shutil.rmtree(run / "analytic")
    sampling = model.config.sampling.model_copy(update={"batch_size": 5})
    model = replace(model, config=model.config.model_copy(update={"sampling": sampling}))
    assert log_vars(ask(run, [2, 20], model)) == pytest.approx(whole, rel=1e-5)


def test_the_error_is_that_of_the_training_images_told_their_classes(run, monkeypatch) -> None:
    """Against an estimate by other means, on all 1797 digits; a network told wrong classes would be one of another."""
    monkeypatch.setattr(analytic_variance, "IMAGES", 512)
    model, digits = load_model(run), data.load("digits")
    x0 = to_signed(digits.images)
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1))
    ask(run, [10, 20], model)
    for t in (10, 20):
        error = kept(run)["x0_error"][str(t)]
        right = mean_x0_error(squared_x0_error(model.denoiser.given(digits.labels), x0, t, eps))
        both = math.hypot(error["standard_error"], right.standard_error)
        assert abs(error["value"] - right.value) < 4 * both
        assert error["standard_error"] == pytest.approx(right.standard_error * math.sqrt(1797 / 512), rel=0.2)


def test_each_image_is_told_its_own_class(run, monkeypatch) -> None:
    told, shown = [], []

    def watched(denoiser, x0, t, eps):
        told.append(denoiser.network.keywords["y"])
        shown.append(x0)
        return squared_x0_error(denoiser, x0, t, eps)

    monkeypatch.setattr(analytic_variance, "squared_x0_error", watched)
    ask(run, [7, 20])
    assert not torch.equal(*shown)
    digits = data.load("digits")
    signed = to_signed(digits.images).flatten(1)
    for image, y in zip(torch.cat(shown), torch.cat(told), strict=True):
        same = (signed == image.flatten()).all(1)
        assert y in digits.labels[same]


def test_the_denoiser_draws_with_it_and_is_otherwise_the_same(run) -> None:
    model = load_model(run)
    before = model.denoiser.respaced([1, 9, 20])
    after = with_analytic_variance(model, before)
    assert after.variance.name == "analytic" and after.variance.learned
    assert all(getattr(after, name) is getattr(before, name) for name in ("network", "schedule", "parameterization"))
    pipeline = replace(Pipeline.of(model, {"sampler": "ddpm"}), denoiser=after)
    drawn = pipeline.steps(pipeline.job([0, 1]))
    assert all(bool(step.x.isfinite().all()) for step in drawn)


def test_its_last_noise_has_a_ceiling(run, monkeypatch) -> None:
    free = log_vars(ask(run, [1, 9, 16, 20]))
    monkeypatch.setattr(analytic_variance, "LAST_NOISE", 0.2)  # this chain of 20 ends at √(1 − ᾱ_1) = 0.12
    held = log_vars(ask(run, [1, 9, 16, 20]))
    assert held[1] == pytest.approx(2 * math.log(0.2)) and held[1] < free[1]
    assert [held[0], *held[2:]] == [free[0], *free[2:]]


def test_a_checkpoint_of_the_run_and_other_weights_have_files_of_their_own(run) -> None:
    ask(run / "checkpoints" / "step-00000028", [1, 20])
    ask(run, [1, 20], load_model(run, "raw"))
    names = sorted(path.name for path in (run / "analytic").iterdir())
    assert names == ["step-00000028-ema-0.995.json", "step-00000030-raw.json"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("weights_sha256", "0" * 64), ("x0_transform", "none"), ("images_per_timestep", 7), ("images_sha256", None)],
)
def test_what_was_measured_with_something_else_is_measured_again_and_said(run, measured, capsys, name, value) -> None:
    before = log_vars(ask(run, [1, 20]))
    change(run, lambda found: found.update({name: value}))
    change(run, lambda found: found["x0_error"]["20"].update({"value": 3.0}))
    assert log_vars(ask(run, [1, 20])) == before
    assert f"{NAME} was measured with another {name}; it is measured again." in capsys.readouterr().err
    ask(run, [1, 20])
    assert len(measured) == 4 and capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"x0_error": 3}', "\udcff", '{"x0_error": {"one": {"value": 1, "standard_error": 1}}}']
    + [f'{{"x0_error": {{"20": {error}}}}}' for error in ("1", '{"value": 1}', '{"value": -1, "standard_error": 1}')]
    + ['{"x0_error": {"20": {"value": NaN, "standard_error": 1}}}', '{"x0_error": {"20": {"value": "1"}}}']
    + ['{"x0_error": {"21": {"value": 1, "standard_error": 1}}}', '{"x0_error": {"0": {}}}'],
)
def test_a_damaged_file_is_measured_again_and_said(run, measured, capsys, text) -> None:
    (run / "analytic").mkdir()
    (run / "analytic" / NAME).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert all(map(math.isfinite, log_vars(ask(run, [1, 20]))))
    assert f"{NAME} cannot be read; it is measured again." in capsys.readouterr().err
    ask(run, [1, 20])
    assert measured == [1, 2]


def test_what_was_measured_before_an_interrupt_is_kept(run, monkeypatch) -> None:
    def interrupted(denoiser, x0, t, eps):
        if t == 3:
            raise KeyboardInterrupt
        return squared_x0_error(denoiser, x0, t, eps)

    monkeypatch.setattr(analytic_variance, "squared_x0_error", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask(run, [1, 9, 20])
    assert list(kept(run)["x0_error"]) == ["1", "9"]


def test_where_it_cannot_be_kept_it_is_used_all_the_same(run, capsys) -> None:
    (run / "analytic").write_text("in the way")
    assert all(map(math.isfinite, log_vars(ask(run, [1, 20]))))
    assert "is used, but cannot be saved" in capsys.readouterr().err


def test_a_network_that_has_diverged_is_a_sentence(run, monkeypatch) -> None:
    monkeypatch.setattr(analytic_variance, "squared_x0_error", lambda d, x0, t, eps: torch.full((len(x0),), math.nan))
    with pytest.raises(AlphabarError, match=r"at timestep 20 is nan: .* choose an earlier checkpoint"):
        ask(run, [20])
    assert not (run / "analytic").exists()


def of_data(run: Path, **section: object) -> LoadedModel:
    model = load_model(run)
    config = model.config
    return replace(model, config=config.model_copy(update={"data": config.data.model_copy(update=section)}))


def test_images_that_are_gone_are_a_sentence_until_all_is_known(run, tmp_path) -> None:
    model = of_data(run, name="folder", path=tmp_path / "gone")
    with pytest.raises(
        AlphabarError,
        match=r"not available \(.*gone, the data that .* is not there; name its new place with --data\); restore them",
    ):
        ask(run, [1, 20], model)
    ask(run, [1, 20])
    assert log_vars(ask(run, [1, 20], model)) == log_vars(ask(run, [1, 20]))


def test_other_images_are_a_sentence(run, tmp_path) -> None:
    model = of_data(run, name="folder", path=digits_folder(tmp_path))
    with pytest.raises(AlphabarError, match=r"those in .*digits.* are others; restore the original ones, or choose"):
        ask(run, [1, 20], model)


def test_an_unconditional_model_is_told_nothing(tiny, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(analytic_variance, "IMAGES", 8)
    loop.train(tiny(), tmp_path / "run", CPU, Console(quiet=True))
    model = load_model(tmp_path / "run")
    found = with_analytic_variance(model, Pipeline.of(model).denoiser)
    assert all(map(math.isfinite, log_vars(found))) and not found.variance.learned


def test_of_two_processes_the_first_measures_for_both(run, measured) -> None:
    def work() -> None:
        found = log_vars(ask(run, [1, 9, 20]))
        torch.save((measured, found), run / f"{distributed.rank()}.pt")

    assert forked(2, work) == [0, 0]
    (first, one), (second, two) = (torch.load(run / f"{rank}.pt") for rank in (0, 1))
    assert first == [1, 2, 3] and second == []
    assert one == two == log_vars(ask(run, [1, 9, 20]))
