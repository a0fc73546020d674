"""Autocast wraps the network alone: at t = 1..20 the noise is added in float32, where bf16 would round it to nothing.

diffusers' train_unconditional.py casts images, noise and ᾱ to bf16 first; there √ᾱ_1 = 0.99995 becomes 1 and σ_1
exactly 0. The last test reproduces this, which shows that the other tests can fail.
"""

import pytest
import torch
from torch import nn

from alphabar.diffusion import EPS, FIXED_SMALL, Denoiser, Objective, cosine, linear, q_sample, training_loss
from alphabar.networks.precision import autocast

SCHEDULES = {"linear": linear(1000), "cosine": cosine(1000)}


class Recorder(nn.Module):
    """A convolution that keeps what it was given and what its convolution made of it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x, time, y=None):
        self.x_t, self.inside = x.detach(), self.conv(x)
        return self.inside


def train_at(name: str, t: int):
    """(recorder, x0, eps, losses) of one training step under bf16."""
    generator = torch.Generator().manual_seed(t)
    x0 = torch.rand(4, 3, 16, 16, generator=generator) * 2 - 1
    eps = torch.randn(4, 3, 16, 16, generator=generator)
    torch.manual_seed(0)
    recorder = Recorder()
    d = Denoiser(autocast(recorder, "cpu", torch.bfloat16), SCHEDULES[name], EPS, FIXED_SMALL)
    return recorder, x0, eps, training_loss(d, Objective(), x0, torch.full((4,), t), eps)


@pytest.mark.parametrize("t", range(1, 21))
@pytest.mark.parametrize("name", SCHEDULES)
def test_the_network_is_given_the_right_amount_of_noise(name, t):
    recorder, x0, eps, _ = train_at(name, t)
    alpha_bar = float(SCHEDULES[name].alpha_bar[t])
    assert recorder.x_t.dtype == torch.float32
    added = recorder.x_t.double() - alpha_bar**0.5 * x0.double()
    assert float(added.std() / eps.double().std()) == pytest.approx((1 - alpha_bar) ** 0.5, rel=1e-3)
    exact = alpha_bar**0.5 * x0.double() + (1 - alpha_bar) ** 0.5 * eps.double()
    torch.testing.assert_close(recorder.x_t.double(), exact, rtol=0, atol=3e-7)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_network_runs_in_bf16_and_the_loss_is_float32(name):
    recorder, _, _, losses = train_at(name, 1)
    assert recorder.inside.dtype == torch.bfloat16
    assert all(loss.dtype == torch.float32 and loss.shape == (4,) for loss in losses.values())


def test_the_gradient_reaches_the_float32_weights():
    recorder, _, _, losses = train_at("linear", 5)
    losses["loss"].mean().backward()
    assert recorder.conv.weight.grad.dtype == torch.float32 and bool(recorder.conv.weight.grad.abs().sum() > 0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_casting_to_bf16_first_would_add_exactly_no_noise_at_t_1(name):
    alpha_bar = SCHEDULES[name].alpha_bar[1].bfloat16()
    assert float((1 - alpha_bar).sqrt()) == 0
    x0, eps = torch.rand(2, 3, 4, 4).bfloat16(), torch.randn(2, 3, 4, 4).bfloat16()
    peers = alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps
    assert torch.equal(peers, x0)
    ours = q_sample(SCHEDULES[name], x0.float(), 1, eps.float())
    assert float((ours - x0.float()).std()) > 0.005
