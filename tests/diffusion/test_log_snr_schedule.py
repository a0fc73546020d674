"""The chain whose log-SNR is linear between set ends."""

import math

import pytest
import torch

from alphabar.diffusion import log_snr
from alphabar.diffusion.errors import DiffusionError


@pytest.mark.parametrize("T", [2, 50, 1000, 100_000])
def test_the_log_snr_is_linear_between_its_ends(T):
    schedule = log_snr(T, 13.3, -5.0)
    levels = 2 * schedule.half_log_snr[1:]
    line = torch.linspace(13.3, -5.0, T, dtype=torch.float64)
    torch.testing.assert_close(levels, line, rtol=0, atol=1e-7)


def test_the_weight_of_the_noise_is_equal_in_all_terms_as_the_chain_grows():
    """L_{t−1} = w_t ‖ε − ε̂‖² with w_t -> ½ Δλ per dimension, if σ² = β̃ (Kingma et al. 2021, Eq. 14)."""
    for T, tolerance in ((100, 0.1), (10_000, 1e-3)):
        s = log_snr(T, 13.3, -5.0)
        from_x0 = s.mu_tilde[0][2:]
        error_of_x0 = (1 - s.alpha_bar[2:]) / s.alpha_bar[2:]
        weight = from_x0**2 * error_of_x0 / (2 * s.beta_tilde[2:])
        half_a_step = 0.5 * 18.3 / (T - 1)
        torch.testing.assert_close(weight / half_a_step, torch.ones_like(weight), rtol=0, atol=tolerance)


def test_one_step_has_the_last_level():
    assert math.isclose(float(log_snr(1, 13.3, -5.0).alpha_bar[1]), 1 / (1 + math.exp(5)))


def test_ends_that_do_not_fall_are_refused():
    with pytest.raises(DiffusionError, match=r"fall along the chain; got -5 at its start and 13\.3"):
        log_snr(10, -5.0, 13.3)
