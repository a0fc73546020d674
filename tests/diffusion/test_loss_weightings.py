"""Weightings of the squared error over t: the same loss in x_0, whatever the network outputs."""

import pytest
import torch
from diffusion_cases import STEPS, images, normal, pairs

from alphabar.diffusion import (
    EPS,
    FIXED_SMALL,
    MU,
    PARAMETERIZATIONS,
    SCHEDULES,
    WEIGHTINGS,
    X0,
    Denoiser,
    Objective,
    V,
    cosine,
    linear,
    q_sample,
    training_loss,
)
from alphabar.diffusion.parameterization import x0_to_eps
from covering import covering

LINEAR = linear(1000)
SNR = LINEAR.alpha_bar / (1 - LINEAR.alpha_bar)
X0_WEIGHT = {
    "min_snr": lambda snr: snr.clamp(max=5.0),  # Hang et al. 2023, of the error in x_0
    "p2": lambda snr: snr / (1 + snr),  # Choi et al. 2022: 1/(1 + SNR) of the error in ε, which is √SNR times larger
}
NAMES = [name for name in WEIGHTINGS if name != "none"]


def weight(parameterization, objective, t: int, schedule=LINEAR) -> float:
    """loss / mse of a network that is off by one everywhere."""
    x0, eps = images(1), normal(1)
    target = parameterization.target(schedule, x0, eps, t)
    d = Denoiser(lambda x, time: target + 1, schedule, parameterization, FIXED_SMALL)
    losses = training_loss(d, objective, x0, torch.tensor([t]), eps)
    assert float(losses["mse"]) == pytest.approx(1)
    return float(losses["loss"] / losses["mse"])


@pytest.mark.parametrize("t", [1, 2, 100, 400, 1000])
def test_min_snr_is_the_published_one_for_each_output(t):
    snr, objective = float(SNR[t]), Objective(weighting="min_snr")
    assert weight(X0, objective, t) == pytest.approx(min(snr, 5), rel=1e-9)
    assert weight(EPS, objective, t) == pytest.approx(min(snr, 5) / snr, rel=1e-9)
    assert weight(V, objective, t) == pytest.approx(min(snr, 5) / (snr + 1), rel=1e-9)
    a, prev = float(LINEAR.alpha_bar[t]), float(LINEAR.alpha_bar[t - 1])
    slope = prev**0.5 * (1 - a / prev) / (1 - a)  # μ̃ moves by this much with x_0, DDPM Eq. 7
    assert weight(MU, objective, t) == pytest.approx(min(snr, 5) / slope**2, rel=1e-6)


@pytest.mark.parametrize("k, gamma", [(1.0, 1.0), (1.0, 0.5), (0.3, 2.0), (1.0, 0.0)])
@pytest.mark.parametrize("t", [1, 2, 100, 400, 1000])
def test_p2_is_the_published_one_for_eps_and_converted_for_the_others(t, k, gamma):
    snr, objective = float(SNR[t]), Objective(weighting="p2", p2_k=k, p2_gamma=gamma)
    published = 1 / (k + snr) ** gamma
    assert weight(EPS, objective, t) == pytest.approx(published, rel=1e-9)
    assert weight(X0, objective, t) == pytest.approx(published * snr, rel=1e-9)
    assert weight(V, objective, t) == pytest.approx(published * snr / (snr + 1), rel=1e-9)


def test_the_defaults_are_the_published_ones():
    assert (Objective().min_snr_gamma, Objective().p2_gamma, Objective().p2_k) == (5, 1, 1)


@pytest.mark.parametrize("gamma", [1.0, 5.0, 20.0])
def test_gamma_is_the_largest_weight_of_an_error_in_x0(gamma):
    objective = Objective(weighting="min_snr", min_snr_gamma=gamma)
    weights = [weight(X0, objective, t) for t in (1, 30, 100, 300, 1000)]
    assert max(weights) == pytest.approx(gamma) and weights == sorted(weights, reverse=True)


@covering({"schedule, parameterization": pairs(), "name": NAMES})
def test_the_loss_depends_on_x0_hat_alone_not_on_how_it_is_said(schedule, parameterization, name):
    """Every parameterization told the same x̂_0 has the loss w(SNR) · mean (x_0 − x̂_0)²."""
    schedule, p = SCHEDULES[schedule](STEPS), PARAMETERIZATIONS[parameterization]
    x0, eps, t = images(5), normal(5), torch.tensor([1, 2, 10, 30, STEPS])
    x_t, x0_hat = q_sample(schedule, x0, t, eps), images(5, seed=8)
    said = p.target(schedule, x0_hat, x0_to_eps(schedule, x0_hat, x_t, t), t)
    d = Denoiser(lambda x, time: said, schedule, p, FIXED_SMALL)
    loss = training_loss(d, Objective(weighting=name), x0, t, eps)["loss"]
    snr = schedule.alpha_bar[t] / (1 - schedule.alpha_bar[t])
    expected = X0_WEIGHT[name](snr) * (x0 - x0_hat).square().mean((1, 2, 3))
    torch.testing.assert_close(loss, expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_a_respaced_chain_weighs_its_steps_as_the_full_one_does(parameterization, name):
    p, rows = PARAMETERIZATIONS[parameterization], [3, 20, 50]
    full = Denoiser(lambda x, time: 0.5 * x, cosine(STEPS), p, FIXED_SMALL)
    args = (images(3), normal(3))
    losses = [
        training_loss(d, Objective(weighting=name), args[0], torch.tensor(t), args[1])["loss"]
        for d, t in ((full, rows), (full.respaced(rows), [1, 2, 3]))
    ]
    torch.testing.assert_close(*losses, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_one_step_for_the_batch_and_one_per_image_agree(name):
    d = Denoiser(lambda x, time: 0.5 * x, LINEAR, V, FIXED_SMALL)
    args = (d, Objective(weighting=name), images(2))
    one, many = (training_loss(*args, t, normal(2))["loss"] for t in (300, torch.tensor([300, 300])))
    assert torch.equal(one, many)


def test_no_weighting_leaves_the_squared_error_as_it_is_to_the_bit():
    d = Denoiser(lambda x, time: 0.5 * x, LINEAR, V, FIXED_SMALL)
    losses = training_loss(d, Objective(), images(3).float(), torch.tensor([1, 300, 1000]), normal(3).float())
    assert torch.equal(losses["loss"], losses["mse"])
