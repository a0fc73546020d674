"""Silent wrong answers that were found once, and are sentences now."""

from dataclasses import replace

import pytest
import torch

from alphabar.diffusion import (
    EPS,
    FIXED_SMALL,
    Ancestral,
    Denoiser,
    Objective,
    constant,
    cosine,
    linear,
    reverse_process,
    training_loss,
)
from alphabar.networks.precision import autocast

IMAGES = torch.zeros(2, 1, 4, 4)


def nothing(x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_images_which_would_get_no_noise(dtype: torch.dtype) -> None:
    denoiser, t = Denoiser(nothing, linear(100), EPS, FIXED_SMALL), torch.tensor([1, 2])
    for x0, eps in ((IMAGES.to(dtype), IMAGES), (IMAGES, IMAGES.to(dtype))):
        with pytest.raises(ValueError, match="must be float32 or float64"):
            training_loss(denoiser, Objective(), x0, t, eps)


@pytest.mark.parametrize("start", [-1, 0, 101])
def test_a_start_outside_the_chain(start: int) -> None:
    denoiser = Denoiser(nothing, linear(100), EPS, FIXED_SMALL)
    with pytest.raises(ValueError, match=rf"within 1\.\.100.*got {start}"):
        next(reverse_process(Ancestral(), denoiser, IMAGES, start=start, noise=torch.randn_like))


def test_a_chain_so_long_that_nothing_is_left_before_its_end() -> None:
    with pytest.raises(ValueError, match="float64 cannot tell"):
        constant(60_000)


def test_another_schedule_on_a_respaced_denoiser_is_read_on_its_own_chain() -> None:
    short = Denoiser(nothing, linear(100), EPS, FIXED_SMALL).respaced([10, 50, 100])
    swapped = replace(short, schedule=cosine(100))
    assert swapped(torch.ones(2, 1, 4, 4), 30).eps.abs().max() < 1e-6


def test_a_network_without_classes_runs_under_autocast() -> None:
    assert autocast(nothing, "cpu", torch.bfloat16)(IMAGES, torch.zeros(2)).dtype == torch.float32
