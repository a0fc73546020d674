"""The U-Net is the published ones: their sizes, their numbers, and the properties that training relies on."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from alphabar.errors import AlphabarError
from alphabar.networks import DDPM, IDDPM, PRESETS, UNet
from alphabar.networks.attention import Attention
from alphabar.networks.embedding import sinusoid

CIFAR = {"image_size": (32, 32), "in_channels": 3, "out_channels": 3}
LARGE = {"image_size": (256, 256), "in_channels": 3, "out_channels": 3, "channel_mult": (1, 1, 2, 2, 4, 4)}
IDDPM_CIFAR = {**CIFAR, "num_blocks": 3, "attention_resolutions": (16, 8), "style": IDDPM}
TINY = {"image_size": (16, 16), "in_channels": 3, "out_channels": 3, "channels": 32, "channel_mult": (1, 2), "num_blocks": 1}


def tiny(**changes: Any) -> UNet:
    """A U-Net of two levels with random weights everywhere, also where a fresh one has zeros."""
    return randomized(UNet(**{**TINY, "attention_resolutions": (8,), **changes}))


def randomized(network: Any, seed: int = 0) -> Any:
    """Every parameter random, in its module's usual size, so that no layer hides behind a zero."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() > 1:
            parameter.data = noise / parameter[0].numel() ** 0.5
        else:
            parameter.data = 0.2 * noise + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
    return network.eval()


def images(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def steps(batch: int) -> Tensor:
    return torch.linspace(0, 999, batch).long()


# The published sizes


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        pytest.param(CIFAR, 35_746_307, id="ddpm-cifar10"),
        pytest.param(LARGE, 113_673_219, id="ddpm-256"),
        pytest.param({**LARGE, "channels": 192}, 255_677_955, id="ddpm-256-large"),
        pytest.param(IDDPM_CIFAR, 52_542_979, id="iddpm-cifar10"),
        pytest.param({**IDDPM_CIFAR, "out_channels": 6}, 52_546_438, id="iddpm-cifar10-learned-variance"),
        pytest.param(
            {**IDDPM_CIFAR, "image_size": (64, 64), "channel_mult": (1, 2, 3, 4)}, 121_060_483, id="iddpm-imagenet64"
        ),
        pytest.param(
            {**IDDPM_CIFAR, "image_size": (64, 64), "channel_mult": (1, 2, 3, 4), "channels": 192, "out_channels": 6}
            | {"num_classes": 1000},
            273_049_350,
            id="iddpm-imagenet64-class-conditional",
        ),
    ],
)
def test_parameter_count_is_the_published_one(arguments: dict[str, Any], parameters: int) -> None:
    with torch.device("meta"):
        network = UNet(**arguments)
    assert sum(p.numel() for p in network.parameters()) == parameters


# The published numbers


@pytest.mark.parametrize(
    ("style", "time", "golden"),
    [
        (IDDPM, 1.0, [0.540302, 0.995004, 0.99995, 1, 0.841471, 0.0998334, 0.00999983, 0.001]),
        (IDDPM, 999.75, [0.749469, 0.849387, -0.840429, 0.540513, 0.662039, -0.527771, -0.541921, 0.841336]),
        (DDPM, 1, [0.841471, 0.0463992, 0.00215443, 1e-4, 0.540302, 0.998923, 0.999998, 1]),
    ],
)
def test_sinusoid_is_the_papers(style: Any, time: float, golden: list[float]) -> None:
    torch.testing.assert_close(sinusoid(torch.tensor([time]), 8, style)[0], torch.tensor(golden), rtol=1e-5, atol=1e-6)


def test_sinusoid_pads_an_odd_dimension_with_zero() -> None:
    even, odd = (sinusoid(torch.tensor([7, 700]), dim, DDPM) for dim in (8, 9))
    assert torch.equal(odd, torch.cat([even, torch.zeros(2, 1)], dim=1))


def diffusers_layout(network: UNet) -> dict[str, Tensor]:
    """Our weights under the names of diffusers' UNet2DModel."""
    return {key: tensor for name, value in network.state_dict().items() for key, tensor in renamed(name, value)}


def renamed(name: str, value: Tensor) -> Iterator[tuple[str, Tensor]]:
    *path, module, kind = name.split(".")
    top = {"conv_in": "conv_in", "norm_out": "conv_norm_out", "conv_out": "conv_out"}
    inside = {"norm1": "norm1", "conv1": "conv1", "embedding": "time_emb_proj", "norm2": "norm2", "conv2": "conv2"}
    inside["shortcut"] = "conv_shortcut"
    if not path:
        yield f"{top[module]}.{kind}", value
    elif path == ["embedding"]:
        theirs = {"linear1": "time_embedding.linear_1", "linear2": "time_embedding.linear_2", "classes": "class_embedding"}
        yield f"{theirs[module]}.{kind}", value
    elif path[-1] in ("downsample", "upsample"):
        yield f"{path[0]}_blocks.{path[1]}.{path[-1]}rs.0.conv.{kind}", value
    else:
        attends = path[-1] == "attention"
        place = path[:-1] if attends else path
        stage = "mid_block" if place[0] == "mid" else f"{place[0]}_blocks.{place[1]}"
        if not attends:
            yield f"{stage}.resnets.{place[-1]}.{inside[module]}.{kind}", value[..., None, None] if module == "shortcut" and kind == "weight" else value
        elif module == "qkv":
            for projection, part in zip(("to_q", "to_k", "to_v"), value.chunk(3), strict=True):
                yield f"{stage}.attentions.{place[-1]}.{projection}.{kind}", part
        else:
            yield f"{stage}.attentions.{place[-1]}.{ {'norm': 'group_norm', 'out': 'to_out.0'}[module] }.{kind}", value


def diffusers_twin(network: UNet, attends: tuple[bool, ...], **config: Any) -> nn.Module:
    """diffusers' UNet2DModel with the same weights; a key too many or too few fails the load."""
    diffusers = pytest.importorskip("diffusers")
    down = tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attends)
    up = tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends))
    twin = diffusers.UNet2DModel(down_block_types=down, up_block_types=up, **config)
    twin.load_state_dict(diffusers_layout(network), strict=True)
    return twin.eval()


@torch.no_grad()
def test_ddpm_cifar10_equals_diffusers() -> None:
    network = randomized(UNet(**CIFAR))
    twin = diffusers_twin(
        network,
        (False, True, False, False),
        block_out_channels=(128, 256, 256, 256),
        sample_size=32,
        attention_head_dim=None,
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
        norm_eps=1e-6,
    )
    x, time = images(2, 3, 32, 32), torch.tensor([3, 871])
    ours, theirs = network(x, time), twin(x, time).sample
    assert ours.std() > 0.1
    assert (ours - theirs).abs().max() <= 2e-5


@torch.no_grad()
@pytest.mark.parametrize("style", [IDDPM, replace(IDDPM, head_channels=8)], ids=["4 heads", "heads of 8"])
def test_iddpm_equals_diffusers(style: Any) -> None:
    network = tiny(num_blocks=2, out_channels=6, num_classes=5, attention_resolutions=(8,), style=style)
    twin = diffusers_twin(
        network,
        (False, True),
        in_channels=3,
        out_channels=6,
        layers_per_block=2,
        num_class_embeds=5,
        block_out_channels=(32, 64),
        attention_head_dim=style.head_channels or 64 // style.heads,
        attn_norm_num_groups=32,
        resnet_time_scale_shift="scale_shift",
        downsample_padding=1,
        flip_sin_to_cos=True,
        freq_shift=0,
        norm_eps=1e-5,
    )
    x, time, y = images(3, 3, 16, 16), torch.tensor([0.0, 412.25, 999.75]), torch.tensor([4, 0, 2])
    ours, theirs = network(x, time, y), twin(x, time, y).sample
    assert ours.std() > 0.1
    assert (ours - theirs).abs().max() <= 2e-5
