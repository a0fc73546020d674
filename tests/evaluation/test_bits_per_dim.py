"""`alphabar evaluate RUN --bpd`: the bound by its terms, and the probability flow; both go on where they stopped."""

import json
import math
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from alphabar import cli, data, diffusion
from alphabar.evaluation import vlb as bounds
from alphabar.evaluation.flow_likelihood import flow_bits
from alphabar.evaluation.vlb import BoundJob, bound
from alphabar.images import to_signed
from alphabar.runs.model import load_model
from alphabar.training import loop
from digits_folder import digits_folder

CPU = torch.device("cpu")
ODE = pytest.mark.skipif(find_spec("scipy") is None, reason="the extra 'ode' is not installed")


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory) -> Path:
    """A class-conditional run with learned variances on a folder of digits with a test split."""
    root = tmp_path_factory.mktemp("bits")
    settings = ["data.name=folder", f"data.path={digits_folder(root)}", "network.class_conditional=true"]
    learned = ["diffusion.variance=learned_range", "diffusion.objective=hybrid", "training.steps=20"]
    loop.train(tiny(*settings, *learned), root / "run", CPU, Console(quiet=True))
    return root / "run"


def row(monkeypatch, capsys, *args: object) -> dict:
    monkeypatch.setattr("sys.argv", ["alphabar", "evaluate", *map(str, args)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert not caught.value.code
    return json.loads(capsys.readouterr().out)


def job_of(folder: Path, count: int = 7, batch_size: int = 3, **changes: object) -> BoundJob:
    digits = data.load("digits")
    job = BoundJob(digits.images[:count], tuple(range(count)), None, "exact", batch_size, folder, {"of": count})
    return replace(job, **changes)


@pytest.fixture
def denoiser() -> diffusion.Denoiser:
    network = lambda x, time: 0.3 * x + 0.001 * time.reshape(-1, 1, 1, 1)  # noqa: E731
    return diffusion.Denoiser(
        network, diffusion.cosine(12), diffusion.EPS, diffusion.FIXED_SMALL, x0_transform=diffusion.clip
    )


def test_the_row_is_the_bound_of_a_random_part_of_the_test_split(trained, monkeypatch, capsys) -> None:
    found = row(monkeypatch, capsys, trained, "--bpd", "--count", 8)
    bits = found["bits_per_dim"]
    assert bits["total"]["value"] == pytest.approx(bits["rate"]["value"] + bits["distortion"]["value"], rel=1e-9)
    assert bits["total"]["standard_error"] > 0
    assert (found["n"], found["split"], found["T"], found["steps"], found["kind"]) == (8, "test", 20, 20, "bound")
    with np.load(found["terms"]) as kept:
        assert kept["t"].tolist() == list(range(1, 21)) and kept["terms"].shape == (8, 20)
        total = kept["prior"] + kept["terms"].sum(1)
        assert total.mean() == pytest.approx(bits["total"]["value"], rel=1e-12)
        assert total.std(ddof=1) / math.sqrt(8) == pytest.approx(bits["total"]["standard_error"], rel=1e-9)
        rows = torch.from_numpy(kept["image"])
        decoder_column = kept["terms"][:, 0].mean()
    assert decoder_column == pytest.approx(bits["distortion"]["value"], rel=1e-12)  # t = 1 comes first
    assert Path(found["picture"]).stat().st_size > 5000

    model = load_model(trained)
    section = model.config.data.model_copy(update={"split": "test"})
    test = data.load("folder", data.DataOptions(path=section.path, split="test"))
    job = BoundJob(test.images[rows], tuple(rows.tolist()), test.labels[rows], "exact", 8, trained / "x", {})
    again = bound(model.denoiser, job, CPU).total.mean()
    assert float(again) == pytest.approx(bits["total"]["value"], abs=1e-5)


def test_a_shorter_chain_and_the_published_decoder_are_other_numbers(trained, monkeypatch, capsys) -> None:
    whole, short, reference = (
        row(monkeypatch, capsys, trained, "--bpd", "--count", 8, *more)
        for more in ([], ["--steps", "5"], ["--decoder", "reference"])
    )
    assert short["steps"] == 5 and len(np.load(short["terms"])["t"]) == 5
    values = [r["bits_per_dim"]["total"]["value"] for r in (whole, short, reference)]
    assert len(set(values)) == 3
    assert reference["bits_per_dim"]["rate"] == whole["bits_per_dim"]["rate"]


def test_bits_do_not_depend_on_the_batch(denoiser, tmp_path) -> None:
    one, seven = (bound(denoiser, job_of(tmp_path / str(size), batch_size=size), CPU) for size in (1, 7))
    torch.testing.assert_close(one.terms, seven.terms, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(one.prior, seven.prior)


@pytest.mark.parametrize("stop", [1, 5, 12, 13, 30])
def test_an_interrupted_job_goes_on_at_its_next_term(denoiser, tmp_path, monkeypatch, stop: int) -> None:
    whole = bound(denoiser, job_of(tmp_path / "whole"), CPU)
    monkeypatch.setattr(bounds, "SAVE_EVERY", 0.0)
    calls = 0

    def network(x, time):
        nonlocal calls
        calls += 1
        if calls == stop:
            raise KeyboardInterrupt
        return denoiser.network(x, time)

    with pytest.raises(KeyboardInterrupt):
        bound(replace(denoiser, network=network), job_of(tmp_path / "cut"), CPU)
    again = bound(replace(denoiser, network=network), job_of(tmp_path / "cut"), CPU)
    assert calls == 3 * 12 + 1  # each term of each batch once, and the one that was cut
    for name in ("prior", "terms", "x0_mse", "eps_mse"):
        assert torch.equal(getattr(again, name), getattr(whole, name))


def test_each_image_and_each_step_has_a_noise_of_its_own() -> None:
    noise = bounds.noise_of((3, 4), torch.zeros(2, 1, 8, 8))
    eps = torch.stack([noise(1), noise(2), noise(20)]).flatten(0, 1).flatten(1)
    assert len(eps.unique(dim=0)) == 6 and torch.equal(noise(2), noise(2))
    assert torch.equal(bounds.noise_of((4,), torch.zeros(1, 1, 8, 8))(2)[0], noise(2)[1])


def test_a_damaged_batch_is_made_anew(denoiser, tmp_path) -> None:
    whole = bound(denoiser, job_of(tmp_path), CPU)
    path = next(tmp_path.rglob("00000000-*.safetensors"))
    path.write_bytes(path.read_bytes()[:-9])
    assert torch.equal(bound(denoiser, job_of(tmp_path), CPU).terms, whole.terms)


@ODE
def test_the_flow_of_gaussian_data_has_the_exact_likelihood(tmp_path) -> None:
    """x_1 ~ N(0, s²) under the exact denoiser of N(0, v) data; the row's formula is then known in closed form."""
    v = 0.25
    schedule = diffusion.linear(1000)

    def exact(x, time):
        row = (time.round().long() + 1).clamp(1, 1000)
        alpha_bar = schedule.alpha_bar[row].to(x).reshape(-1, 1, 1, 1)
        return (1 - alpha_bar).sqrt() / (alpha_bar * v + 1 - alpha_bar) * x

    denoiser = diffusion.Denoiser(exact, schedule, diffusion.EPS, diffusion.FIXED_SMALL)
    grid = (torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * math.sqrt(v) + 1) * 127.5
    pixels = grid.round().clamp(0, 255).to(torch.uint8)
    job = BoundJob(pixels, tuple(range(6)), None, "exact", 6, tmp_path, {"flow": 1})
    found, more = flow_bits(denoiser, job, CPU)

    x0, eps = to_signed(pixels), bounds.noise_of(job.seeds, torch.empty(6, 1, 8, 8))(1)
    x_1 = diffusion.q_sample(schedule, x0, 1, eps).double()
    alpha_bar = float(schedule.alpha_bar[1])
    variance = alpha_bar * v + 1 - alpha_bar
    log_p = -0.5 * (x_1**2 / variance + math.log(2 * math.pi * variance)).flatten(1).sum(1)
    p = diffusion.p_transition(schedule, denoiser(x_1.float(), 1), x_1.float(), 1)
    log_decoder = diffusion.DECODERS["exact"](p, x0).double().flatten(1).sum(1)
    entropy = 32 * math.log(2 * math.pi * math.e * (1 - alpha_bar))
    torch.testing.assert_close(found["total"], -(log_p + log_decoder + entropy) / (64 * math.log(2)), rtol=1e-3, atol=0)
    assert more["nfe"] > 10 and "bound" in more["dequantization"]


@ODE
def test_the_flow_of_a_run_is_a_row_too_and_is_not_done_twice(trained, monkeypatch, capsys) -> None:
    args = [trained, "--bpd", "ode", "--count", 4]
    first = row(monkeypatch, capsys, *args)
    monkeypatch.setattr("alphabar.evaluation.flow_likelihood._bits", None)
    assert row(monkeypatch, capsys, *args)["bits_per_dim"] == first["bits_per_dim"]
    assert set(first["bits_per_dim"]) == {"total"} and first["kind"] == "ode" and "RK45" in first["solver"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["{run}", "--bpd", "--metrics", "fd"], ["--bpd", "--metrics"]),
        (["{run}", "--bpd", "--count", "21"], ["20", "21"]),
        (["{run}", "--bpd", "--steps", "21"], ["21", "20"]),
        (["{run}", "--bpd", "--decoder", "exat"], ["did you mean 'exact'"]),
        (["{run}/nothing", "--bpd"], ["{run}/nothing"]),
        (["{run}", "--bpd", "--split", "val"], ["'val'"]),
    ],
)
def test_a_mistake_is_one_sentence(trained, args, words, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["alphabar", "evaluate", *(arg.format(run=trained) for arg in args)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    said = capsys.readouterr().err
    assert caught.value.code == 2 and said.count("\n") == 1
    for word in words:
        assert word.format(run=trained) in said
