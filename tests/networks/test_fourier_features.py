"""Fourier features: waves of whole grey levels, beside the image, in float32."""

from functools import partial

import pytest
import torch

from alphabar.networks import UNet
from alphabar.networks.fourier import fourier


def test_a_period_of_one_grey_level_is_blind_to_the_level_and_sees_what_lies_between():
    levels = torch.arange(256, dtype=torch.float64)
    x = (levels / 127.5 - 1).reshape(1, 1, 16, 16)
    on_grid, between = fourier(x, [1.0]), fourier(x + 0.25 / 127.5, [1.0])
    torch.testing.assert_close(on_grid[:, 1], torch.zeros_like(x[:, 0]), rtol=0, atol=1e-9)
    torch.testing.assert_close(on_grid[:, 2], torch.ones_like(x[:, 0]), rtol=0, atol=1e-9)
    torch.testing.assert_close(between[:, 1], torch.ones_like(x[:, 0]), rtol=0, atol=1e-9)


def test_float32_has_enough_digits_for_the_shortest_wave():
    x = torch.rand(2, 3, 8, 8) * 2 - 1
    torch.testing.assert_close(fourier(x, [0.5, 8]).double(), fourier(x.double(), [0.5, 8]), rtol=0, atol=1e-3)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_keeps_its_shape_and_reads_the_waves(channels):
    torch.manual_seed(0)
    make = partial(UNet, image_size=(8, 8), in_channels=channels, out_channels=channels, channels=8)
    make = partial(make, channel_mult=(1, 2), num_blocks=1, attention_resolutions=())
    network, plain = make(fourier_periods=(0.5, 1)), make()
    assert network.conv_in.weight.shape[1] == 5 * channels
    x, time = torch.rand(2, channels, 8, 8) * 2 - 1, torch.zeros(2)
    moved = []
    for net in (network, plain):
        torch.nn.init.normal_(net.conv_out.weight)
        out = net(x, time)
        assert out.shape == x.shape
        moved.append((net(x + 0.5 / 127.5, time) - out).square().mean() / out.square().mean())  # by half a grey level
    assert moved[0] > 100 * moved[1]


def test_the_image_itself_comes_first():
    x = torch.rand(1, 2, 4, 4)
    assert torch.equal(fourier(x, [1.0, 2.0])[:, :2], x) and fourier(x, [1.0, 2.0]).shape == (1, 10, 4, 4)
