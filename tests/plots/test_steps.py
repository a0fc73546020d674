"""FD over network calls: each point is an evaluation, made once."""

import importlib
import json

import pytest

from alphabar import evaluation, figures
from alphabar.diffusion import SAMPLERS
from alphabar.errors import AlphabarError
from alphabar.figures.against import Against
from alphabar.runs.model import load_model
from alphabar.sampling import optimal_steps

module = importlib.import_module("alphabar.figures.steps")  # figures.steps is the function
ASK = ["--samplers", "ddim,heun", "--nfe", "3,6", "--count", "5", "--features", "fashion-cnn"]


def test_each_sampler_gets_as_many_steps_as_its_budget_pays_for(runs):
    model = load_model(runs["linear"])
    for name in SAMPLERS:
        for cell, budget in zip(module.cells_of(model, name, [1, 2, 5, 8, 24]), [1, 2, 5, 8, 24], strict=True):
            calls = 2 if name == "heun" else 1
            assert cell.calls <= budget < cell.calls + calls
            assert cell.changes["steps"] == (cell.calls + calls - 1) // calls
    assert [cell.calls for cell in module.cells_of(model, "ddim", [24, 25, 1000])] == [24]  # T = 24
    assert [cell.calls for cell in module.cells_of(model, "heun", [25, 48, 1000])] == [25, 47]


@pytest.mark.heavy
def test_the_numbers_are_those_of_alphabar_evaluate_and_are_not_measured_twice(runs, plot, monkeypatch):
    rows = plot("steps", runs["linear"], *ASK)
    assert [(row["sampler"], row["nfe"]) for row in rows] == [
        ("ddim, η = 0 (uniform)", "3"), ("ddim, η = 0 (uniform)", "6"),
        ("heun, churn = 0 (half_log_snr)", "3"), ("heun, churn = 0 (half_log_snr)", "5"),
    ]  # fmt: skip
    kept = [json.loads(line) for line in (runs["linear"] / "evaluations.jsonl").read_text().splitlines()]
    values = [kept_row["metrics"]["FD-fashion-cnn"]["value"] for kept_row in kept[-4:]]
    assert [float(row["fd"]) for row in rows] == values
    assert {row["n"] for row in rows} == {"5"}

    def forbidden(*args):
        raise AssertionError("what is known was evaluated again")

    monkeypatch.setattr(module, "evaluate", forbidden)
    assert plot("steps", runs["linear"], *ASK) == rows
    with pytest.raises(AssertionError, match="again"):
        plot("steps", runs["linear"], *ASK, "--count", "7")


def test_what_cannot_be_measured_is_refused_before_anything_is_drawn(runs, monkeypatch):
    monkeypatch.setattr(evaluation, "evaluate", None)
    model = load_model(runs["linear"])
    for samplers, budgets, count, words in (
        (["dpm"], [5], 6, "dpm"),
        (["ddim:size=3"], [5], 6, "size=3"),
        (["heun:eta=1"], [5], 6, "eta"),
        (["unipc:order=7"], [5], 6, "order"),
        (["ddim"], [0], 6, "0"),
        (["ddim"], [1000], 6, "24"),
        (["ddim"], [5], 2, "at least 3"),
    ):
        with pytest.raises(AlphabarError, match=words):
            figures.steps(model, samplers, budgets, Against(count, "fashion-cnn"))


@pytest.mark.heavy
def test_the_bounds_of_all_spacings_are_those_of_alphabar_evaluate(runs, plot, monkeypatch):
    monkeypatch.setattr(optimal_steps, "IMAGES", 4)
    ask = ["--bound", "--nfe", "3,6", "--count", "4"]
    rows = plot("steps", runs["linear"], *ask)
    assert [row["steps"] for row in rows if row["spacing"] == "uniform"] == ["3", "6"]
    optimal = [int(row["steps"]) for row in rows if row["spacing"] == "optimal"]
    assert len(optimal) == 2 and optimal[0] <= 3 and optimal[1] <= 6  # fewer, where one more would cost bits
    kept = [json.loads(line) for line in (runs["linear"] / "evaluations.jsonl").read_text().splitlines()]
    values = [kept_row["bits_per_dim"]["total"]["value"] for kept_row in kept[-len(rows) :]]
    assert [float(row["bits_per_dim"]) for row in rows] == values
    assert {row["n"] for row in rows} == {"4"} and all(float(row["bytes_per_image"]) > 0 for row in rows)
    assert plot("steps", runs["linear"], *ask) == rows


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--samplers", "ddim"], "samples nothing; leave out --samplers"),
        (["--features", "fashion-cnn"], "leave out --features"),
        (["--nfe", "3,25"], "has 1 to 24 steps; --nfe asks for 25"),
    ],
)
def test_a_bound_that_cannot_be_measured_is_a_sentence(runs, call, tmp_path, capsys, options, words):
    out = ["--out", tmp_path / "picture.png"]
    assert call("plot", "steps", runs["linear"], "--bound", *options, *out) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_a_curve_of_chosen_timesteps_is_named_so(runs, monkeypatch):
    monkeypatch.setattr(optimal_steps, "IMAGES", 4)
    (cell,) = module.cells_of(load_model(runs["linear"]), "ddpm:spacing=optimal", [4])
    assert cell.label == "ddpm (optimal)"
