"""DDPM Fig. 6 and 7: what the figures show is what `alphabar sample` draws, and their numbers follow from it."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alphabar import figures, images
from alphabar.diffusion import SAMPLERS, SeededNoise, linear, reverse_process
from alphabar.errors import AlphabarError
from alphabar.figures.shared import is_stochastic, mean_pairwise_rmse, rows_at
from alphabar.runs.model import load_model
from alphabar.sampling.parts import options_of
from alphabar.sampling.pipeline import Pipeline

CPU = torch.device("cpu")
SIDE, GAP = 8, 1


def column(rows: list[dict[str, str]], name: str, **where: object) -> list[float]:
    return [float(row[name]) for row in rows if all(row[key] == str(value) for key, value in where.items())]


def sheet(found) -> np.ndarray:
    """The pixels of the images in a figure."""
    return np.asarray(found.figure.axes[0].get_images()[0].get_array())


def tile(pixels: np.ndarray, row: int, k: int, apart: int = 0) -> np.ndarray:
    top, left = row * (SIDE + GAP), k * (SIDE + GAP) + (apart if k else 0)
    return pixels[top : top + SIDE, left : left + SIDE]


def pipeline(run: Path, label=None, **changes) -> Pipeline:
    model = load_model(run)
    return Pipeline.of(model, changes, model.label(label))


def progressive(run: Path, seeds=(0, 3, 11), columns: int = 4, label=None, **changes):
    return figures.progressive(pipeline(run, label, **changes), list(seeds), columns)


def shared(run: Path, at=(0.25, 0.5, 1.0), count: int = 3, seed: int = 0, label=None, **changes):
    return figures.shared(pipeline(run, label, **{"sampler": "ddpm"} | changes), seed, at, count)


@pytest.mark.parametrize("options", [[], ["--sampler", "heun", "--steps", "5"], ["--class", "7", "--batch-size", "2"]])
def test_the_last_column_is_what_sample_draws(options, runs, call, plot, tmp_path) -> None:
    run, changes = runs["cosine"], dict(zip(options[::2], options[1::2], strict=True))
    assert call("sample", run, "--seeds", "0,3,11", "--out", tmp_path / "out", "--film", "none", *options) == 0
    asked = {
        {"--sampler": "sampler", "--steps": "steps", "--batch-size": "batch_size"}[name]: value
        for name, value in changes.items() if name != "--class"
    }  # fmt: skip
    found = progressive(run, label=changes.get("--class"), **asked)
    for row, seed in enumerate((0, 3, 11)):
        expected = np.asarray(Image.open(tmp_path / "out" / f"seed-{seed:06d}.png"))
        assert np.array_equal(tile(sheet(found), row, 3), expected)
    told = found.table.columns
    classes = [7, 7, 7] if "--class" in changes else [0, 3, 1]  # of seed 11: 11 mod 10
    assert told["class"] == [*np.repeat(classes, 4), *[""] * 4]
    rows = plot("progressive", run, "--seeds", "0,3,11", "--columns", 4, *options)
    assert column(rows, "rmse") == pytest.approx(told["rmse"], rel=1e-6, abs=1e-9)


def test_the_columns_are_what_the_chain_believes_in_at_these_t(runs) -> None:
    run = runs["linear"]
    found = progressive(run, seeds=[5, 6], columns=5, steps=20, sampler="ddpm")
    chain = pipeline(run, steps=20, sampler="ddpm")
    steps = list(chain.steps(chain.job([5, 6])))
    rows, table = [20, 15, 10, 5, 0], found.table.columns
    assert table["t"][:5] == chain.denoiser.schedule.timesteps[rows].tolist() and table["t"][4] == 0
    assert table["reverse_steps"][:5] == [0, 5, 10, 15, 20] and table["seed"] == [*[5] * 5, *[6] * 5, *["all"] * 5]
    x0 = {row: next(step.x0 for step in steps if step.t == row - 1) if row else steps[-1].x for row in rows}
    for k, row in enumerate(rows):
        for i in range(2):
            assert np.array_equal(tile(sheet(found), i, k), images.to_uint8(x0[row])[i, 0])
        errors = (127.5 * (x0[row] - x0[0])).square().mean((1, 2, 3))
        assert [table["rmse"][k], table["rmse"][5 + k]] == pytest.approx(errors.sqrt().tolist(), rel=1e-5)
        assert table["rmse"][10 + k] == pytest.approx(float(errors.mean().sqrt()), rel=1e-5)
    assert table["rmse"][4] == 0 and table["rmse"][0] > table["rmse"][3] > 0


def test_all_points_of_the_chain_can_be_shown(runs) -> None:
    table = progressive(runs["linear"], seeds=[0], columns=7).table.columns  # six steps
    assert table["reverse_steps"][:7] == list(range(7))
    assert table["rmse"][5] == pytest.approx(0, abs=1e-4)  # at the last step x̂_0 is x_0


def test_what_shares_a_later_x_t_is_more_alike(runs, plot) -> None:
    rows = plot("shared", runs["cosine"], "--steps", 24, "--count", 6, "--at", "24,16,8,4,1")
    assert column(rows, "t") == [24, 16, 8, 4, 1] and set(column(rows, "chains")) == {6.0}
    rmse = column(rows, "pairwise_rmse")
    assert all(before > after for before, after in pairwise(rmse)) and rmse[-1] == 0 and rmse[0] > 20
    alpha_bars = load_model(runs["cosine"]).denoiser.schedule.alpha_bar[[24, 16, 8, 4, 1]].tolist()
    assert column(rows, "alpha_bar") == pytest.approx(alpha_bars, rel=1e-12)


@pytest.mark.parametrize("sampler", ["ddpm", "dpmpp_2m_sde", "ddim"])
def test_the_chains_start_at_the_x_t_of_the_seeds_own_chain(sampler: str, runs) -> None:
    run, changes = runs["linear"], {"sampler": sampler, "steps": 12} | ({"eta": 1.0} if sampler == "ddim" else {})
    r = pipeline(run, **changes)
    found = shared(run, seed=4, at=[0.5, 1.0], **changes)
    chain = {step.t: step.x for step in r.steps(r.job([4]))}
    chain[12] = SeededNoise([4])(torch.empty(1, 1, 8, 8))
    for line, row in enumerate(rows_at(r.denoiser.schedule, [0.5, 1.0], 24)):
        assert np.array_equal(tile(sheet(found), line, 0), images.to_uint8(chain[row])[0, 0])
        denoiser = r.denoiser.given(torch.tensor([4] * 3))  # all draw the class of seed 4
        noise = SeededNoise([5, 6, 7])  # and none of them its noise
        *_, last = reverse_process(r.sampler, denoiser, chain[row].expand(3, 1, 8, 8), start=row, noise=noise)
        for k in range(3):
            shown = tile(sheet(found), line, k + 1, apart=SIDE // 3).astype(int)
            assert np.abs(shown - images.to_uint8(last.x)[k, 0].numpy()).max() <= 1
        expected = np.mean([np.sqrt(((a - b) ** 2).mean()) for a, b in pairs(127.5 * last.x.numpy())])
        assert found.table.columns["pairwise_rmse"][line] == pytest.approx(expected, rel=1e-3)


def pairs(arrays: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(arrays[i], arrays[j]) for i in range(len(arrays)) for j in range(i)]


def test_what_is_shared_does_not_depend_on_the_batch(runs) -> None:
    whole, small = (shared(runs["linear"], count=5, batch_size=size).table.columns for size in (64, 2))
    assert small["pairwise_rmse"] == pytest.approx(whole["pairwise_rmse"], rel=1e-4)
    assert whole["pairwise_rmse"] == shared(runs["linear"], count=5).table.columns["pairwise_rmse"]


def test_the_last_seed_of_all_has_chains_of_other_seeds_too(runs) -> None:
    assert min(shared(runs["linear"], seed=2**32 - 1).table.columns["pairwise_rmse"]) > 0


def test_pairwise_rmse_is_in_levels_of_255() -> None:
    x0 = torch.tensor([-1.0, 1.0, 1.0]).reshape(3, 1, 1, 1).expand(3, 1, 4, 5)
    assert mean_pairwise_rmse(x0) == pytest.approx(255 * 2 / 3)
    assert mean_pairwise_rmse(x0[:2]) == 255 and mean_pairwise_rmse(x0[1:]) == 0


def test_where_to_stop_is_the_nearest_step_of_the_chain() -> None:
    schedule = linear(1000).respace(range(50, 1001, 50))
    assert rows_at(schedule, [1000, 710, 740, 1], 1000) == [20, 15, 14, 1]
    assert rows_at(schedule, [0.25, 1.0, 0.251], 1000) == [20, 5]
    assert rows_at(schedule, [1.0], 1000) == [20]


@pytest.mark.parametrize("at", [[0.0], [-0.5], [1001.0], [1.5, 10.0], [float("nan")], [float("inf")], [0.5, 2.0]])
def test_other_places_to_stop_are_refused(at: list[float]) -> None:
    with pytest.raises(AlphabarError, match=r"--at takes timesteps, whole numbers of 1 to 1,000, or shares"):
        rows_at(linear(1000), at, 1000)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_is_stochastic_if_its_images_differ(name: str, runs) -> None:
    for options in ({}, {"eta": 0.0}, {"eta": 0.5}, {"churn": 0.0}, {"churn": 8.0}):
        if all(name in [key for key in SAMPLERS if option in options_of(key)] for option in options):
            r = pipeline(runs["linear"], **{"sampler": name, "steps": 10} | options)
            x, denoiser = torch.zeros(2, 1, 8, 8), r.denoiser.given(torch.tensor([0, 0]))
            *_, last = reverse_process(r.sampler, denoiser, x, noise=SeededNoise([1, 2]))
            assert is_stochastic(r) == (not torch.equal(last.x[0], last.x[1])), options


MISTAKES: dict[str, tuple[list[str], list[str]]] = {
    "one column": (["progressive", "{linear}", "--columns", "1"], ["6 steps", "2 to 7", "got 1."]),
    "more columns than steps": (["progressive", "{linear}", "--columns", "8"], ["2 to 7", "got 8."]),
    "too many rows": (["progressive", "{linear}", "--seeds", "0-99"], ["100 rows", "50"]),
    "seeds that are none": (["progressive", "{linear}", "--seeds", "x"], ["'x'", "0-63,100"]),
    "no such class": (["progressive", "{linear}", "--class", "10"], ["10", "0, 1, 2"]),
    "no run": (["progressive", "{tmp}/nothing"], ["There is no run at {tmp}/nothing"]),
    "an unknown sampler": (["progressive", "{linear}", "--sampler", "dim"], ["'dim'"]),
    "no noise": (["shared", "{linear}", "--sampler", "ddim", "--eta", "0"], ["'ddim'", "no noise", "--eta"]),
    "a solver of the flow": (["shared", "{linear}", "--sampler", "unipc"], ["'unipc'", "no noise"]),
    "one chain": (["shared", "{linear}", "--count", "1"], ["--count", "2 to 50", "1"]),
    "beyond T": (["shared", "{linear}", "--at", "12,25"], ["1 to 24", "25"]),
    "no number": (["shared", "{linear}", "--at", "half"], ["--at", "'half'"]),
    "no checkpoint": (["shared", "{tmp}"], ["no checkpoint"]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_and_status_2(mistake, runs, call, tmp_path, capsys) -> None:
    args, words = MISTAKES[mistake]
    places = {**runs, "tmp": tmp_path}
    assert call("plot", *(arg.format(**places) for arg in args), "--out", tmp_path / "picture.png") == 2
    said = capsys.readouterr().err
    assert said.startswith("alphabar: ") and said.count("\n") == 1
    for word in words:
        assert word.format(**places) in said
    assert not list(tmp_path.iterdir())
