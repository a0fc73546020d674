"""Images and likelihoods on the device are those of the CPU, from the same seeds."""

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

import alphabar
from alphabar.diffusion import SeededNoise
from alphabar.diffusion.samplers import SAMPLERS
from alphabar.sampling.pipeline import Pipeline
from alphabar.training import loop

CPU = torch.device("cpu")


def test_the_noise_of_a_seed_is_the_same_everywhere(device) -> None:
    here, there = SeededNoise([1, 2, 3]), SeededNoise([1, 2, 3])
    for _ in range(2):
        expected, got = here(torch.empty(3, 1, 8, 8)), there(torch.empty(3, 1, 8, 8, device=device))
        assert got.device.type == device.type and torch.equal(got.cpu(), expected)


def last(device: torch.device, label: str | int, **changes) -> torch.Tensor:
    """x_0 of two garments of the bundled model, float32."""
    pipeline = Pipeline.of(alphabar.load("fashion-mnist", device=device.type).loaded, changes, label)
    with torch.no_grad():
        return [step.x for step in pipeline.steps(pipeline.job([3, 4]))][-1].cpu()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_makes_the_images_of_the_cpu(sampler: str, device) -> None:
    expected = last(CPU, "each", sampler=sampler, steps=5)
    assert expected.isfinite().all()
    torch.testing.assert_close(last(device, "each", sampler=sampler, steps=5), expected, rtol=0, atol=5e-3)


def test_guided_images_are_those_of_the_cpu(device) -> None:
    guided = {"sampler": "ddim", "steps": 5, "guidance_scale": 3.0}
    expected = last(CPU, 8, **guided)
    torch.testing.assert_close(last(device, 8, **guided), expected, rtol=0, atol=5e-3)


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("gpu") / "run"
    assert loop.train(tiny("training.steps=2"), path, CPU, Console(file=io.StringIO()))
    return path


@pytest.mark.parametrize("kind", ["bound", "ode"])
def test_bits_per_dim_are_those_of_the_cpu(kind: str, device, run, tmp_path) -> None:
    here, there = (
        alphabar.bits_per_dim(run, kind=kind, split="train", count=8, device=place, out=tmp_path / f"{number}")
        for number, place in enumerate(["cpu", device.type])
    )
    expected, got = (row["bits_per_dim"]["total"]["value"] for row in (here, there))
    assert got == pytest.approx(expected, abs=1e-4)


def test_images_of_cuda_graphs_are_those_without_to_the_bit(device, repeatable) -> None:
    """Guided in an interval, so that the network is called for a batch and for two; the last batch is smaller."""
    changes = {"sampler": "ddim", "steps": 8, "guidance_scale": 3.0, "guidance_interval": [200, 800], "batch_size": 4}
    model = alphabar.load("fashion-mnist", device=device.type).loaded
    graphs, plain = (Pipeline.of(model, changes | {"cuda_graphs": use}, "each") for use in (True, False))
    ours, theirs = (pipeline.images(pipeline.job(range(10)), bar="") for pipeline in (graphs, plain))
    assert torch.equal(ours, theirs)
