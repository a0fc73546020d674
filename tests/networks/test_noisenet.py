"""NoiseNet is the one of the text: its size, its numbers, its slips by a flag; and it trains and samples like any."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor, nn

import alphabar
from alphabar import build
from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.networks import NoiseNet
from alphabar.networks.embedding import sinusoid
from alphabar.networks.style import NOISENET
from alphabar.training import loop

PRINTS = c.ImageFacts(shape=(3, 64, 64), class_names=(), fingerprint="")
SMALL: dict[str, Any] = {"image_size": (16, 16), "in_channels": 3, "out_channels": 3, "channels": 8}
SMALL |= {"channel_mult": (1, 2, 4), "attention_resolutions": (8,)}


@pytest.mark.parametrize(
    ("overrides", "count"),
    [
        ((), 132_864_579),
        (("network.as_listed=true",), 132_864_579),
        (("network.channel_mult=[1, 2, 4, 8]",), 34_394_691),
    ],
)
def test_the_number_of_parameters_is_that_of_the_text(overrides: tuple[str, ...], count: int) -> None:
    sizes = build.network_sizes(c.load("noisenet_ukiyoe64", overrides), PRINTS)
    assert sum(weights.numel() for weights in sizes.values()) == count


class Listing:
    """The listing of the text as a function of the weights, which it takes in the order of its own layers."""

    def __init__(self, network: NoiseNet) -> None:
        self.weights = iter(list(network.parameters()))

    def conv(self, x: Tensor, bias: bool = True, padding: int = 0) -> Tensor:
        weight = next(self.weights)
        weight = weight if weight.dim() == 4 else weight[:, :, None, None]
        return F.conv2d(x, weight, next(self.weights) if bias else None, padding=padding)

    def linear(self, x: Tensor) -> Tensor:
        return F.linear(x, next(self.weights), next(self.weights))

    def norm(self, x: Tensor, groups: int) -> Tensor:
        return F.group_norm(x, groups, next(self.weights), next(self.weights))

    def block(self, x: Tensor, t: Tensor, shortcut: bool = False) -> Tensor:
        h = x + self.linear(F.silu(t))[:, :, None, None]
        for _ in range(2):
            h = F.silu(self.norm(self.conv(h, padding=1), 4))
        return h + (self.conv(x) if shortcut else x)

    def attention(self, x: Tensor) -> Tensor:
        b, _, height, width = x.shape
        q, k, v = (part.reshape(b, 4, 32, -1) for part in self.conv(self.norm(x, 1), bias=False).chunk(3, dim=1))
        weight = torch.einsum("bhci,bhcj->bhij", q * 32**-0.5, k).softmax(-1)
        out = torch.einsum("bhij,bhcj->bhic", weight, v).permute(0, 1, 3, 2)
        return self.conv(out.reshape(b, 128, height, width))

    def __call__(self, x: Tensor, t: Tensor, attends: tuple[bool, ...]) -> Tensor:
        t = self.linear(F.gelu(self.linear(sinusoid(t, 8, NOISENET))))
        x = self.conv(x, padding=3)
        stack, last = [x], len(attends) - 1
        for level, attended in enumerate(attends):
            for second in (False, True):
                x = self.block(x, t)
                x = self.attention(x) if second and attended else x
                stack.append(x)
            b, ch, h, w = x.shape
            split = x.reshape(b, ch, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(b, 4 * ch, h // 2, w // 2)
            x = self.conv(split) if level < last else self.conv(x, padding=1)
        x = self.block(x, t)
        x = self.block(self.attention(x), t)
        for level, attended in reversed(list(enumerate(attends))):
            for _ in range(2):
                x = self.block(torch.cat((x, stack.pop()), dim=1), t, shortcut=True)
            x = self.attention(x) if attended else x
            x = F.interpolate(x, scale_factor=2.0) if level > 0 else x
            x = self.conv(x, padding=1)
        return self.conv(self.block(torch.cat((x, stack.pop()), dim=1), t, shortcut=True))


def test_as_listed_it_is_the_function_of_the_listing() -> None:
    torch.manual_seed(0)
    network = NoiseNet(**{**SMALL, "attention_resolutions": (4,)}, as_listed=True)
    x, t, listing = torch.randn(2, 3, 16, 16), torch.tensor([3, 700]), Listing(network)
    torch.testing.assert_close(network(x, t), listing(x, t, (False, False, True)), rtol=1e-4, atol=1e-5)
    assert next(listing.weights, None) is None


def attends(network: NoiseNet) -> list[bool]:
    return [level.attention is not None for level in network.down]


def test_resolutions_are_those_of_the_image_and_not_a_number_of_channels() -> None:
    assert attends(NoiseNet(**{**SMALL, "attention_resolutions": (16,)})) == [True, False, False]
    assert attends(NoiseNet(**SMALL)) == [False, True, False]
    assert attends(NoiseNet(**SMALL, as_listed=True)) == [True, True, False]  # 8 is the channels, too


def test_attention_is_added_to_the_features() -> None:
    network, listed = NoiseNet(**SMALL), NoiseNet(**SMALL, as_listed=True)
    h = torch.randn(1, 32, 4, 4)
    for attention, kept in ((network.mid_attention, h), (listed.mid_attention, torch.zeros_like(h))):
        nn.init.zeros_(attention.out.weight)
        nn.init.zeros_(attention.out.bias)
        assert torch.equal(attention(h), kept)


def test_gradient_checkpointing_changes_no_gradient() -> None:
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        network = NoiseNet(**SMALL, gradient_checkpointing=checkpointing)
        network(torch.ones(1, 3, 16, 16), torch.tensor([5])).square().sum().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["network.name=unet", "network.as_listed=true"], "network.as_listed is of noisenet; network.name is unet"),
        (["network.preset=iddpm"], "network.preset=iddpm is a U-Net; noisenet has no presets"),
        (["network.conditioning=scale_shift"], "network.conditioning is of the U-Net"),
        (["network.resampling=block"], "network.resampling is of the U-Net"),
        (["network.downsample_padding=same"], "network.downsample_padding is of the U-Net"),
    ],
)
def test_what_it_does_not_have_is_a_sentence(overrides: list[str], sentence: str) -> None:
    with pytest.raises(AlphabarError) as caught:
        c.load("noisenet_ukiyoe64", overrides)
    assert sentence in str(caught.value)


def test_channels_that_do_not_split_into_its_groups_are_a_sentence() -> None:
    with pytest.raises(AlphabarError, match="6 channels do not split into norm_groups=4"):
        NoiseNet(**{**SMALL, "channels": 6})


def test_it_trains_and_samples_with_classes_and_guidance(tiny, tmp_path) -> None:
    kind = ("network.name=noisenet", "network.class_conditional=true", "network.label_dropout=0.2")
    learned = ("diffusion.variance=learned_range", "diffusion.objective=hybrid", "network.dropout=0.1")
    loop.train(tiny(*kind, *learned, "training.steps=2"), tmp_path / "run", torch.device("cpu"), Console(quiet=True))
    images = alphabar.load(tmp_path / "run", device="cpu").sample(2, label="3", guidance=2.0)
    assert images.tensor.shape == (2, 1, 8, 8) and images.tensor.isfinite().all()
    for target in ("diffusers", "openai"):
        with pytest.raises(AlphabarError, match=f"{target} has U-Nets, and this network is noisenet"):
            alphabar.export(tmp_path / "run", tmp_path / "out", to=target)
    alphabar.export(tmp_path / "run", tmp_path / "out", to="safetensors")
    again = alphabar.load(alphabar.export(tmp_path / "run", tmp_path / "small").parent, device="cpu")
    assert again.sample(1, label="3").tensor.isfinite().all()
