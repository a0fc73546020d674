"""`alphabar evaluate RUN --bpd`: the bound by its terms, and the probability flow; both go on where they stopped."""

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import alphabar
from alphabar import cli, data, diffusion
from alphabar.data.fit import stored_values
from alphabar.errors import AlphabarError
from alphabar.evaluation import bound_job
from alphabar.evaluation.bits_per_dim import estimate, ratio
from alphabar.evaluation.bound_job import BoundJob
from alphabar.evaluation.flow_likelihood import flow_bits
from alphabar.evaluation.report import bits_report
from alphabar.evaluation.vlb import bound
from alphabar.images import to_signed
from alphabar.runs.model import load_model
from alphabar.training import loop
from digits_folder import digits_folder
from tiny_settings import TINY

CPU = torch.device("cpu")


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
    monkeypatch.setattr("alphabar.evaluation.vlb.SAVE_EVERY", 0.0)
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
    noise = bound_job.noise_of((3, 4), torch.zeros(2, 1, 8, 8))
    eps = torch.stack([noise(1), noise(2), noise(20)]).flatten(0, 1).flatten(1)
    assert len(eps.unique(dim=0)) == 6 and torch.equal(noise(2), noise(2))
    assert torch.equal(bound_job.noise_of((4,), torch.zeros(1, 1, 8, 8))(2)[0], noise(2)[1])


def test_a_damaged_batch_is_made_anew(denoiser, tmp_path) -> None:
    whole = bound(denoiser, job_of(tmp_path), CPU)
    path = next(tmp_path.rglob("00000000-*.safetensors"))
    path.write_bytes(path.read_bytes()[:-9])
    assert torch.equal(bound(denoiser, job_of(tmp_path), CPU).terms, whole.terms)


CHAINS = {"whole": None, "t:500,1000": [500, 1000], "t:10,200": [10, 200], "one step": [1000], "ends early": [1, 400]}


def gaussian_denoiser(schedule: diffusion.NoiseSchedule, variance: float, parameterization: str) -> diffusion.Denoiser:
    """The exact denoiser of N(0, variance) data, which a network would be that is told a fractional time."""
    times, log_sigma = schedule.timesteps[1:].numpy(), -schedule.half_log_snr[1:].numpy()

    def network(x, time):
        sigma = np.exp(np.interp(time.double().numpy() + 1, times, log_sigma))
        a = torch.from_numpy(1 / (1 + sigma**2)).to(x).reshape(-1, 1, 1, 1)
        x0 = a.sqrt() * variance / (a * variance + 1 - a) * x
        eps = (x - a.sqrt() * x0) / (1 - a).sqrt()
        return {"eps": eps, "x0": x0, "v": a.sqrt() * eps - (1 - a).sqrt() * x0}[parameterization]

    made = diffusion.PARAMETERIZATIONS[parameterization]
    return diffusion.Denoiser(network, schedule, made, diffusion.FIXED_SMALL)


@pytest.mark.parametrize("parameterization", ["eps", "x0", "v"])
@pytest.mark.parametrize("rows", CHAINS.values(), ids=CHAINS)
def test_the_flow_of_gaussian_data_has_the_exact_likelihood_on_any_chain(rows, parameterization, tmp_path) -> None:
    """The flow from σ_1 to σ_T of the chain stretches x̄ by √((v + σ_T²)/(v + σ_1²)), from N(0, I) at x_T."""
    v, size = 0.25, 64
    denoiser = gaussian_denoiser(diffusion.cosine(1000), v, parameterization)
    denoiser = denoiser if rows is None else denoiser.respaced(rows)
    schedule = denoiser.schedule
    grid = (torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * math.sqrt(v) + 1) * 127.5
    pixels = grid.round().clamp(0, 255).to(torch.uint8)
    job = BoundJob(pixels, tuple(range(6)), None, "exact", 6, tmp_path, {"flow": 1})
    total, more = flow_bits(denoiser, job, CPU)

    x0, eps = to_signed(pixels), bound_job.noise_of(job.seeds, torch.empty(6, 1, 8, 8))(1)
    x_1 = diffusion.q_sample(schedule, x0, 1, eps)
    alpha_bar = schedule.alpha_bar[[1, -1]].tolist()
    first, last = ((1 - a) / a for a in alpha_bar)  # σ²
    slope = math.sqrt((v + last) / (v + first)) * math.sqrt((1 + first) / (1 + last))  # of x_T over x_1
    x_T = x_1.double() * slope
    log_p = -0.5 * (x_T**2 + math.log(2 * math.pi)).flatten(1).sum(1) + size * math.log(slope)
    p = diffusion.p_transition(schedule, denoiser(x_1, 1), x_1, 1)
    log_decoder = diffusion.DECODERS["exact"](p, x0).double().flatten(1).sum(1)
    entropy = size / 2 * math.log(2 * math.pi * math.e * (1 - alpha_bar[0]))
    bits = -(log_p + log_decoder + entropy) / (size * math.log(2))
    torch.testing.assert_close(total["total"], bits, rtol=1e-4, atol=0)
    assert (more["nfe"] > 10 or rows == [1000]) and "bound" in more["dequantization"]


@pytest.mark.parametrize("size", [1, 3, 8])
def test_the_flow_of_an_image_does_not_depend_on_its_batch(size: int, tmp_path) -> None:
    """One image has large values, and so another step than the others."""
    denoiser = gaussian_denoiser(diffusion.linear(1000), 0.25, "eps")
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (8, 1, 4, 4), generator=generator, dtype=torch.uint8)
    pixels[3] = 128
    pixels[5] = 255

    def bits(order: list[int], batch_size: int) -> torch.Tensor:
        key = {"order": order, "size": batch_size}
        job = BoundJob(pixels[order], tuple(order), None, "exact", batch_size, tmp_path, key)
        return flow_bits(denoiser, job, CPU)[0]["total"]

    order = [5, 3, 0, 7, 1, 2, 6, 4]
    torch.testing.assert_close(bits(order, size), bits(list(range(8)), 8)[order], rtol=0, atol=1e-6)


@pytest.mark.heavy
def test_the_flow_of_an_image_does_not_see_its_neighbours(trained, tmp_path) -> None:
    """Of a trained network, to the bit: the same images beside others. One adaptive step for all would tell."""
    model = load_model(trained)
    labels = torch.zeros(3, dtype=torch.int64)
    pixels = data.load("digits").images[:3]

    def bits(others: torch.Tensor, at: int) -> torch.Tensor:
        images = torch.stack([*others[:at], pixels[0], *others[at:]])
        seeds = tuple(1 if k == at else 100 + k for k in range(3))
        key = {"others": int(others.sum()), "at": at}
        job = BoundJob(images, seeds, labels, "exact", 3, tmp_path, key)
        return flow_bits(model.denoiser, job, CPU)[0]["total"][at]

    alike, extreme = pixels[1:], torch.stack([torch.zeros_like(pixels[0]), torch.full_like(pixels[0], 255)])
    assert torch.equal(bits(alike, 0), bits(extreme, 0)) and torch.equal(bits(alike, 0), bits(extreme, 1))


@pytest.mark.heavy
def test_the_flow_of_a_trained_network_is_that_of_one_image_at_a_time(trained, tmp_path) -> None:
    """As near as rounding lets it: other kernels compute a batch of another size, and float32's last bit moves."""
    model = load_model(trained)
    labels, pixels = torch.arange(3), data.load("digits").images[:3]

    def bits(size: int) -> torch.Tensor:
        job = BoundJob(pixels, tuple(range(3)), labels, "exact", size, tmp_path, {"size": size})
        return flow_bits(model.denoiser, job, CPU)[0]["total"]

    together = bits(3)
    for size in (1, 2):
        torch.testing.assert_close(bits(size), together, rtol=0, atol=5e-4)


@pytest.mark.parametrize(
    ("parameterization", "schedule", "words"), [("mu", "linear", "'mu' is undefined"), ("x0", "jsd", "has no end")]
)
def test_what_has_no_flow_is_a_sentence_before_any_work(parameterization, schedule, words, tmp_path) -> None:
    denoiser = diffusion.Denoiser(
        lambda x, time: pytest.fail("the network was called"), diffusion.SCHEDULES[schedule](1000),
        diffusion.PARAMETERIZATIONS[parameterization], diffusion.FIXED_SMALL,
    )  # fmt: skip
    job = BoundJob(torch.zeros(1, 1, 4, 4, dtype=torch.uint8), (0,), None, "exact", 1, tmp_path / "bits", {})
    with pytest.raises(AlphabarError, match=words):
        flow_bits(denoiser, job, CPU)
    assert not (tmp_path / "bits").exists()


def test_the_flow_of_a_run_is_a_row_too_and_is_not_done_twice(trained, monkeypatch, capsys) -> None:
    args = [trained, "--bpd", "ode", "--count", 4]
    first = row(monkeypatch, capsys, *args)
    monkeypatch.setattr("alphabar.evaluation.flow_likelihood._bits", None)
    assert row(monkeypatch, capsys, *args)["bits_per_dim"] == first["bits_per_dim"]
    assert set(first["bits_per_dim"]) == {"total"} and first["kind"] == "ode" and "for each image" in first["solver"]


@pytest.mark.parametrize(
    ("before", "after", "rule", "stored"),
    [
        ([(1, 28, 28)], (1, 32, 32), "pad", [784]),
        ([(3, 8, 8), (3, 4, 6)], (3, 8, 8), "pad", [192, 72]),
        ([(1, 32, 32)], (1, 32, 32), "pad", None),  # nothing was added
        ([(1, 40, 28)], (1, 32, 32), "pad", None),  # shrunk
        ([(1, 28, 28)], (1, 32, 32), "crop", None),
        ([(1, 28, 28)], (3, 32, 32), "pad", None),  # other channels
        ([(0, 28, 28)], (1, 32, 32), "pad", None),  # other levels, as of 16 bits
    ],
)
def test_stored_values_are_known_where_images_were_padded_and_nothing_else(before, after, rule, stored) -> None:
    values = stored_values(before, after, rule)
    assert (None if values is None else values.tolist()) == stored


def test_bits_per_stored_dim_are_all_bits_over_all_stored_values() -> None:
    bits, dims = torch.tensor([100.0, 300.0, 50.0]).double(), torch.tensor([10.0, 40.0, 10.0]).double()
    row = ratio(bits, dims)
    assert row["value"] == pytest.approx(450 / 60)
    residuals = bits - 7.5 * dims
    assert row["standard_error"] == pytest.approx(float(residuals.std()) / math.sqrt(3) / 20)
    alike = ratio(bits, torch.full((3,), 20.0, dtype=torch.float64))
    assert alike["standard_error"] == pytest.approx(estimate(bits)["standard_error"] / 20)


def test_padded_images_have_both_units_in_the_row_and_in_the_table(tmp_path, monkeypatch, capsys) -> None:
    """The bits are those of the padded image, all of which the network has to model."""
    grey = np.random.default_rng(0).integers(0, 256, (12, 5, 6), dtype=np.uint8)
    for k, image in enumerate(grey):
        path = tmp_path / "photos" / ("test" if k < 4 else "train") / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    overrides = [*TINY, "data.image_size=8", "data.resize=pad", "training.steps=1", "network.class_conditional=false"]
    alphabar.train("ddpm_digits", data=tmp_path / "photos", run=tmp_path / "run", overrides=overrides, device="cpu")
    made = row(monkeypatch, capsys, tmp_path / "run", "--bpd")
    total, stored = (made[key]["total"] for key in ("bits_per_dim", "bits_per_stored_dim"))
    assert stored["value"] == pytest.approx(total["value"] * 64 / 30)
    assert stored["standard_error"] == pytest.approx(total["standard_error"] * 64 / 30)
    assert made["dims"] == 64 and made["stored_dims"] == 30
    console = Console(file=io.StringIO(), width=200)
    console.print(bits_report(made))
    assert "total as stored" in console.file.getvalue() and "without it (30)" in console.file.getvalue()
    del made["bits_per_stored_dim"], made["stored_dims"]
    console = Console(file=io.StringIO(), width=200)
    console.print(bits_report(made))
    assert "as stored" not in console.file.getvalue()


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
