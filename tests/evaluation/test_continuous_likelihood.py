"""`alphabar evaluate RUN --bpd continuous`: each image by itself, kept on disk, refused where it has no meaning."""

import math

import pytest
import torch

import alphabar
from alphabar import data, diffusion
from alphabar.errors import AlphabarError
from alphabar.evaluation.bound_job import BoundJob
from alphabar.evaluation.continuous_likelihood import continuous_bits
from tiny_settings import TINY

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A tiny run with the schedule of the recipe."""
    place = tmp_path_factory.mktemp("continuous") / "run"
    overrides = [*TINY, "training.steps=2", "diffusion.schedule=log_snr", "network.fourier_periods=[1,0.5]"]
    alphabar.train("ddpm_digits", run=place, overrides=overrides, device="cpu")
    return place


def denoiser(schedule) -> diffusion.Denoiser:
    """A network that answers each image by itself in float64, and reads the time."""
    network = lambda x, time: 0.3 * x + 0.01 * time.reshape(-1, 1, 1, 1)  # noqa: E731
    return diffusion.Denoiser(network, schedule, diffusion.EPS, diffusion.FIXED_SMALL)


def job(folder, size: int, count: int = 6) -> BoundJob:
    return BoundJob(data.load("digits").images[:count], tuple(range(count)), None, "exact", size, folder, {"of": size})


def test_the_bits_of_an_image_do_not_depend_on_its_batch(tmp_path):
    chain = denoiser(diffusion.log_snr(20))
    whole, parts = (continuous_bits(chain, job(tmp_path, size), 8, CPU)[0] for size in (6, 4))
    for name, values in whole.items():
        torch.testing.assert_close(values, parts[name], rtol=0, atol=1e-6)


def test_the_rate_of_a_long_chain_tends_to_it(tmp_path):
    """With variances β̃, a long chain's terms are the integral in small steps; the noise is the only difference."""
    chain = denoiser(diffusion.log_snr(1000, 6.0, -5.0))
    x0 = data.load("digits").images[:6].double() / 127.5 - 1
    torch.manual_seed(0)
    steps = diffusion.variational_bound(chain, x0, noise=lambda t: torch.randn_like(x0))
    ours, _ = continuous_bits(chain, job(tmp_path, 6), 400, CPU)
    assert float(ours["rate"].mean()) == pytest.approx(float(steps.rate.mean()), rel=0.01)
    torch.testing.assert_close(ours["prior"], steps.prior, rtol=1e-6, atol=1e-9)


def test_a_row_has_the_parts_and_the_levels_and_is_not_measured_twice(run, monkeypatch):
    row = alphabar.bits_per_dim(run, kind="continuous", count=4, steps="7", split="train", device="cpu")
    parts = {name: entry["value"] for name, entry in row["bits_per_dim"].items()}
    assert parts["total"] == pytest.approx(parts["rate"] + parts["distortion"]) and row["levels"] == 7
    assert row["kind"] == "continuous" and math.isfinite(parts["total"])
    monkeypatch.setattr("alphabar.evaluation.continuous_likelihood._bits", None)
    again = alphabar.bits_per_dim(run, kind="continuous", count=4, steps="7", split="train", device="cpu")
    assert again["bits_per_dim"] == row["bits_per_dim"]


@pytest.mark.parametrize("options, said", [
    ({"steps": "t:1,5"}, "takes no --steps t:1,5"), ({"steps": "0"}, "takes no --steps 0"),
    ({"steps": "5", "spacing": "karras"}, "takes no --spacing karras"),
])  # fmt: skip
def test_a_respacing_of_the_continuous_bound_is_a_sentence(run, options, said):
    with pytest.raises(AlphabarError, match=said):
        alphabar.bits_per_dim(run, kind="continuous", count=2, split="train", device="cpu", **options)


def test_a_chain_that_ends_in_pure_noise_is_a_sentence(tmp_path):
    chain = diffusion.Denoiser(lambda x, time: x, diffusion.SCHEDULES["jsd"](20), diffusion.V, diffusion.FIXED_SMALL)
    with pytest.raises(AlphabarError, match="does not end at"):
        continuous_bits(chain, job(tmp_path, 6), 8, CPU)
