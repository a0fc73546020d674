"""Silent wrong answers that were found once, and are sentences now."""

from dataclasses import replace

import pytest
import torch

from alphabar import build
from alphabar import config as c
from alphabar.diffusion import (
    EPS,
    FIXED_SMALL,
    Ancestral,
    Denoiser,
    Objective,
    cosine,
    linear,
    reverse_process,
    training_loss,
)
from alphabar.diffusion.schedules import constant
from alphabar.errors import AlphabarError
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
    with pytest.raises(ValueError, match="are equal in float64 at one of the"):
        constant(60_000)


def test_another_schedule_on_a_respaced_denoiser_is_read_on_its_own_chain() -> None:
    short = Denoiser(nothing, linear(100), EPS, FIXED_SMALL).respaced([10, 50, 100])
    swapped = replace(short, schedule=cosine(100))
    assert swapped(torch.ones(2, 1, 4, 4), 30).eps.abs().max() < 1e-6


def test_a_network_without_classes_runs_under_autocast() -> None:
    assert autocast(nothing, "cpu", torch.bfloat16)(IMAGES, torch.zeros(2)).dtype == torch.float32


@pytest.mark.parametrize(
    "overrides, words",
    [
        (["variance=learned_range"], r"\[diffusion\] .*'simple' does not use the variance.*'hybrid'"),
        (["objective=hybrid", "variance=fixed_large"], r"\[diffusion\] .*'fixed_large' has nothing to learn"),
        (["vlb_weight=0.1"], r"\[diffusion\] .*'simple' does not use the bound"),
        (["objective=vlb", "weighting=p2"], r"\[diffusion\] .*'vlb' has no squared error"),
        (["timestep_sampler=loss_second_moment"], r"\[diffusion\] .*follows the terms of the bound"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_the_users_sentence(overrides: list[str], words: str) -> None:
    config = c.load("ddpm_digits", [f"diffusion.{override}" for override in overrides])
    with pytest.raises(AlphabarError, match=words):
        build.objective(config)
        build.timestep_sampler(config)


def test_every_setting_of_the_objective_reaches_it() -> None:
    settings = {"vlb_weight": 0.01, "weighting": "p2", "min_snr_gamma": 3.0, "p2_gamma": 0.5, "p2_k": 2.0}
    settings |= {"decoder": "reference"}
    overrides = [f"diffusion.{name}={value}" for name, value in settings.items()]
    config = c.load("ddpm_digits", ["diffusion.objective=hybrid", "diffusion.variance=learned_range", *overrides])
    assert build.objective(config) == Objective("hybrid", **settings)
