"""The numbers beside the pictures: published values, formulas written out again, and what other commands say."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from alphabar import data, diffusion, figures, images, plots
from alphabar.figures.loss import bins
from alphabar.figures.runs import names
from alphabar.figures.skipped import begin_rows, samples
from alphabar.metrics import EXTRACTORS, METRICS, Features
from alphabar.runs.model import load_model
from alphabar.sampling.pipeline import Pipeline

CPU = torch.device("cpu")


def column(rows: list[dict[str, str]], name: str, **where: object) -> list[float]:
    return [float(row[name]) for row in rows if all(row[key] == str(value) for key, value in where.items())]


def linear_betas(T: int) -> list[float]:
    return [1000 / T * (1e-4 + (0.02 - 1e-4) * k / (T - 1)) for k in range(T)]


def test_variances_are_the_published_ratios(plot) -> None:
    rows = plot("variances")
    published = {1: 0, 2: 0.4547, 3: 0.6113, 5: 0.7431, 10: 0.8528, 50: 0.9639, 100: 0.9819}
    ratios = column(rows, "ratio", T=1000)
    assert {t: round(ratios[t - 1], 4) for t in published} == published
    for T in (100, 1000, 4000):
        assert column(rows, "t", T=T) == list(range(1, T + 1))
        alpha_bar, expected = 1.0, []
        for beta in linear_betas(T):
            before, alpha_bar = alpha_bar, alpha_bar * (1 - beta)
            expected.append((1 - before) / (1 - alpha_bar))
        np.testing.assert_allclose(column(rows, "ratio", T=T), expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(column(rows, "beta", T=T), linear_betas(T), rtol=1e-9)


def test_schedules_are_the_published_tables(plot) -> None:
    rows = plot("schedules")
    assert {row["schedule"] for row in rows} == set(diffusion.SCHEDULES)
    assert all(column(rows, "t", schedule=name) == list(range(1001)) for name in diffusion.SCHEDULES)
    assert set(column(rows, "alpha_bar", t=0)) == {1.0}
    (linear,), (cosine,) = (column(rows, "alpha_bar", schedule=name, t=501) for name in ("linear", "cosine"))
    assert linear == pytest.approx(0.077796658365, rel=1e-9) and cosine == pytest.approx(0.492285172449, rel=1e-9)
    expected = [math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(1000)]
    np.testing.assert_allclose(
        column(rows, "alpha_bar", schedule="cosine")[:-1], np.divide(expected, expected[0]), rtol=1e-9
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_the_forward_process_goes_from_the_image_to_one_noise(channels: int) -> None:
    image = torch.randint(256, (channels, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    found = figures.forward(image, T=400, columns=5)
    shown = [np.asarray(axes.get_images()[0].get_array()) for axes in found.figure.axes]
    linear, cosine = shown[:5], shown[5:]
    original = image.permute(1, 2, 0).numpy().squeeze()
    assert (linear[0] == original).all() and (cosine[0] == original).all()
    apart = [np.abs(a.astype(int) - b).mean() for a, b in zip(linear, cosine, strict=True)]
    assert apart[-1] < 1.5 < 5 < apart[2]  # the same noise in the end, and not the same amount of it on the way
    table = found.table.columns
    assert table["t"] == [0, 100, 200, 300, 400] * 2 and table["schedule"] == ["linear"] * 5 + ["cosine"] * 5
    np.testing.assert_allclose(np.square(table["signal"]) + np.square(table["noise"]), 1, rtol=1e-12)
    np.testing.assert_allclose(np.square(table["signal"]), table["alpha_bar"], rtol=1e-12)


def last_row(run: Path) -> dict[str, dict[str, float]]:
    return json.loads((run / "evaluations.jsonl").read_text().splitlines()[-1])["bits_per_dim"]


def test_the_terms_add_up_to_what_evaluate_says(measured, plot) -> None:
    rows = plot("vlb", *measured.values())
    for name, run in measured.items():
        bits = last_row(run)
        assert column(rows, "t", run=name) == list(range(1, 25)) and set(column(rows, "n", run=name)) == {8.0}
        total = sum(column(rows, "term", run=name)) + bits["prior"]["value"]
        assert total == pytest.approx(bits["total"]["value"], rel=1e-9)
        first = column(rows, "term", run=name)[0], column(rows, "standard_error", run=name)[0]
        assert first == pytest.approx([bits["distortion"]["value"], bits["distortion"]["standard_error"]], rel=1e-9)


def test_rate_and_distortion_end_where_evaluate_says(measured, plot) -> None:
    rows = plot("rate-distortion", *measured.values())
    for name, run in measured.items():
        bits = last_row(run)
        rate, rmse = (column(rows, quantity, run=name) for quantity in ("rate", "rmse"))
        assert rate[0] == pytest.approx(bits["prior"]["value"], rel=1e-9)
        assert rate[-1] == pytest.approx(bits["rate"]["value"], rel=1e-9)
        assert rate == sorted(rate) and rmse[-1] < rmse[0]
        assert column(rows, "reverse_steps", run=name) == list(range(24))
        assert column(rows, "t", run=name) == list(range(24, 0, -1))
        (path,) = run.glob("bits_per_dim/*/terms.npz")
        with np.load(path) as kept:
            assert rmse[3] == pytest.approx(127.5 * math.sqrt(kept["x0_mse"][:, 20].mean()), rel=1e-9)  # t = 21
            assert rate[3] == pytest.approx((kept["prior"] + kept["terms"][:, 21:].sum(1)).mean(), rel=1e-9)


def test_the_newest_terms_count_and_a_file_of_them_may_be_named(measured, plot, tmp_path) -> None:
    (path,) = measured["linear"].glob("bits_per_dim/*/terms.npz")
    with np.load(path) as kept:
        arrays = {name: values[:1] if name != "t" else values for name, values in kept.items()}
    newer = tmp_path / "run" / "bits_per_dim" / "newer" / "terms.npz"
    older = newer.parents[1] / "older" / "terms.npz"
    for k, place in enumerate((older, newer)):
        place.parent.mkdir(parents=True)
        np.savez(place, **(arrays | {"terms": arrays["terms"] + k}))
    rows, named = plot("vlb", tmp_path / "run"), plot("vlb", newer)
    assert column(rows, "term") == pytest.approx((arrays["terms"][0] + 1).tolist())
    assert [row["standard_error"] for row in rows] == [""] * 24  # nobody knows it of one image
    assert [row | {"run": ""} for row in named] == [row | {"run": ""} for row in rows] and named[0]["run"] == "run"


def test_with_nothing_skipped_the_images_are_those_of_sample(runs, plot) -> None:
    model = load_model(runs["linear"])
    pipeline = Pipeline.of(model)
    whole = samples(pipeline, pipeline.steps_per_image, 6, lambda amount: None)
    steps = pipeline.steps(pipeline.job(range(6)))
    expected = images.to_uint8(torch.cat([step.x for step in steps if step.t == 0]))
    assert torch.equal(whole, expected)

    rows = plot("skipped", runs["linear"], "--count", 6, "--shares", "40,0", "--features", "fashion-cnn")
    assert column(rows, "nfe") == [6, 4] and column(rows, "start")[0] == 24
    assert column(rows, "skipped") == pytest.approx([1 - t / 24 for t in column(rows, "start")])
    eye = EXTRACTORS["fashion-cnn"](None, CPU)
    options = {"path": model.config.data.path}
    train, test = (data.load("folder", data.DataOptions(split=split, **options)).images for split in ("train", "test"))
    real, fake = (Features.of(*eye(pixels)) for pixels in (train, whole))
    assert column(rows, "fd")[0] == pytest.approx(METRICS["fd"](real, fake)["fd"].value, rel=1e-4)
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[:6]
    floor = METRICS["fd"](real, Features.of(*eye(test[order])))["fd"].value
    assert column(rows, "floor") == pytest.approx([floor] * 2, rel=1e-4)


def test_what_is_skipped_is_not_computed(runs) -> None:
    model = load_model(runs["cosine"])
    calls = []

    def network(x, time, y):
        calls.append(float(time[0]))
        return torch.zeros(len(x), 2, 8, 8)

    from dataclasses import replace

    pipeline = replace(Pipeline.of(model), denoiser=replace(model.denoiser, network=network))
    samples(pipeline, 15, 3, lambda amount: None)
    assert calls == [float(t) for t in range(14, -1, -1)]


def test_shares_are_rows_of_the_chain() -> None:
    assert begin_rows(50, [0, 0.05, 0.5, 0.99]) == [50, 48, 25, 1]
    assert begin_rows(4, [0, 0.01, 0.25]) == [4, 3]


@pytest.mark.parametrize("T", [1, 7, 50, 51, 1000, 4000])
def test_bins_cut_the_chain_into_equal_parts(T: int) -> None:
    edges = bins(T)
    assert [t for first, last in edges for t in range(first, last + 1)] == list(range(1, T + 1))
    lengths = edges[:, 1] - edges[:, 0]
    assert lengths.max() - lengths.min() <= 1 and len(edges) == min(50, T)


def test_the_loss_by_t_is_that_of_training(runs, plot) -> None:
    rows = plot("loss", runs["linear"], "--count", 200, "--weights", "raw")
    assert column(rows, "t_first") == column(rows, "t_last") == list(range(1, 25))
    model = load_model(runs["linear"], "raw")
    train = data.load("folder", data.DataOptions(path=model.config.data.path))
    generator = torch.Generator().manual_seed(5)
    picked = torch.randint(40, (1000,), generator=generator)
    x0, eps = images.to_signed(train.images[picked]), torch.randn(1000, 1, 8, 8, generator=generator)
    for t in (1, 12, 24):
        x_t = diffusion.q_sample(model.denoiser.schedule, x0, t, eps)
        output = model.denoiser.given(train.labels[picked]).output(x_t, t).mean
        losses = (output - eps).square().flatten(1).mean(1)
        gap = column(rows, "mse")[t - 1] - float(losses.mean())
        error = math.hypot(column(rows, "standard_error")[t - 1], float(losses.std()) / math.sqrt(1000))
        assert abs(gap) < 4 * error and error < 0.1 * float(losses.mean())


def test_runs_of_one_name_are_told_apart(tmp_path) -> None:
    one, two = tmp_path / "a" / "run", tmp_path / "b" / "run"
    assert names([one, two]) == [str(one), str(two)]
    assert names([one, tmp_path / "other"]) == ["run", "other"]
    assert names([one / "checkpoints" / "step-00000006"]) == ["run"]


def test_a_table_repeats_single_values_and_leaves_nan_empty(tmp_path) -> None:
    table = plots.Table.of(
        {"run": "a, b", "t": [1, 2], "x": torch.tensor([0.1, math.nan], dtype=torch.float64)},
        {"run": "c", "t": 3, "x": 1e-30},
    )
    (tmp_path / "t.csv").write_bytes(table.csv())
    assert (tmp_path / "t.csv").read_text() == 'run,t,x\n"a, b",1,0.1\n"a, b",2,\nc,3,1e-30\n'
