"""Dropout that follows keys: random enough, and the same for an image wherever it lies in a batch."""

import pytest
import torch

from alphabar.networks import UNet, dropout

KEYS = torch.randint(-(2**31), 2**31, (64,), dtype=torch.int32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_each_element_is_kept_with_the_probability_and_alone(p: float) -> None:
    kept = dropout.kept(KEYS, torch.Size((8, 16, 16)), p)
    assert kept.shape == (64, 8, 16, 16) and kept.is_contiguous(memory_format=torch.channels_last)
    shares = kept.flatten(1).double().mean(1)
    deviation = (p * (1 - p) / 2048) ** 0.5
    assert abs(float(shares.mean()) - (1 - p)) < 4 * deviation / 8  # of the 64 images together
    assert float(shares.std()) == pytest.approx(deviation, rel=0.4)  # as of independent elements
    for other in (kept.roll(1, 0), kept.roll(1, 1), kept.roll(1, 2), kept.roll(1, 3)):
        both = torch.stack([kept.flatten(), other.flatten()]).double()
        assert abs(float(torch.corrcoef(both)[0, 1])) < 4 / kept.numel() ** 0.5


def test_the_mask_of_an_image_does_not_depend_on_its_batch() -> None:
    layer, x = dropout.Dropout(0.3), torch.randn(64, 4, 8, 8)
    layer.keys = KEYS
    whole = layer(x)
    for rows in (slice(0, 5), slice(5, 64)):
        layer.keys = KEYS[rows]
        assert torch.equal(layer(x[rows]), whole[rows])
    expected = torch.where(whole == 0, 0, x / 0.7)
    torch.testing.assert_close(whole, expected)


def test_layers_and_steps_drop_different_elements_and_nothing_is_dropped_without_training() -> None:
    network = UNet(image_size=(8, 8), in_channels=1, out_channels=1, channels=8, channel_mult=(1, 2), num_blocks=1,
                   attention_resolutions=(), dropout=0.5)  # fmt: skip
    layers = dropout.layers(network)
    keys = torch.stack([KEYS.roll(n) for n in range(len(layers))])
    dropout.follow(network, keys)
    assert all(torch.equal(layer.keys, row) for layer, row in zip(layers, keys, strict=True))
    x = torch.ones(64, 2, 4, 4)
    assert not torch.equal(layers[0](x), layers[1](x))
    assert torch.equal(layers[0].eval()(x), x)
    dropout.follow(network, None)
    assert all(layer.keys is None for layer in layers)


def test_a_probability_of_0_has_no_layer_to_follow() -> None:
    assert dropout.layers(torch.nn.Sequential(dropout.Dropout(0.0))) == []
