"""The U-Net is the published ones: their sizes, their numbers, and the properties that training relies on."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alphabar.errors import AlphabarError
from alphabar.networks import ADM, DDPM, IDDPM, PRESETS, UNet
from alphabar.networks.dropout import Dropout
from alphabar.networks.embedding import sinusoid
from alphabar.networks.layers import Block, Downsample, Upsample
from alphabar.networks.normalization import group_norm

CIFAR = {"image_size": (32, 32), "in_channels": 3, "out_channels": 3}
LARGE = {"image_size": (256, 256), "in_channels": 3, "out_channels": 3, "channel_mult": (1, 1, 2, 2, 4, 4)}
LSUN = {**LARGE, "out_channels": 6, "style": replace(IDDPM, heads=1, conditioning="add")}
ADM_256 = {**LARGE, "out_channels": 6, "channels": 256, "attention_resolutions": (32, 16, 8), "style": ADM}
ADM_64 = {"image_size": (64, 64), "channels": 192, "channel_mult": (1, 2, 3, 4), "num_blocks": 3, "num_classes": 1000}
ADM_128 = {"image_size": (128, 128), "channel_mult": (1, 1, 2, 3, 4), "num_classes": 1000}
ADM_512 = {"image_size": (512, 512), "channels": 128, "channel_mult": (1, 2, 2, 4, 4, 8, 8), "num_classes": 1000}
IDDPM_CIFAR = {**CIFAR, "num_blocks": 3, "attention_resolutions": (16, 8), "style": IDDPM}
TINY = {
    "image_size": (16, 16),
    "in_channels": 3,
    "out_channels": 3,
    "channels": 32,
    "channel_mult": (1, 2),
    "num_blocks": 1,
    "attention_resolutions": (8,),
}


def tiny(**changes: Any) -> UNet:
    """A U-Net of two levels with random weights everywhere, also where a fresh one has zeros."""
    return randomized(UNet(**{**TINY, **changes}))


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
        pytest.param(
            {**IDDPM_CIFAR, "image_size": (64, 64), "channel_mult": (1, 2, 3, 4), "out_channels": 6},
            121_063_942,
            id="iddpm-imagenet64-learned-variance",
        ),
        pytest.param(
            {**LARGE, "channels": 192, "out_channels": 6, "num_classes": 1000, "attention_resolutions": (16, 8)}
            | {"style": IDDPM, "low_resolution": (64, 64)},
            279_792_390,
            id="iddpm-upsampler",
        ),
        pytest.param(LSUN, 113_676_678, id="iddpm-lsun"),
        pytest.param({**ADM_256, **ADM_64}, 295_904_454, id="adm-imagenet64"),
        pytest.param({**ADM_256, **ADM_128, "style": replace(ADM, heads=4)}, 421_529_606, id="adm-imagenet128"),
        pytest.param(ADM_256, 552_814_086, id="adm-imagenet256-unconditional"),
        pytest.param({**ADM_256, "num_classes": 1000}, 553_838_086, id="adm-imagenet256"),
        pytest.param({**ADM_256, **ADM_512, "style": replace(ADM, time_channels=256)}, 558_997_638, id="adm-512"),
    ],
)
def test_parameter_count_is_the_published_one(arguments: dict[str, Any], parameters: int) -> None:
    with torch.device("meta"):
        network = UNet(**arguments)
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_a_block_that_resamples_is_that_of_guided_diffusion() -> None:
    """GN, SiLU, resample, conv, beside a resampled shortcut; then as any block."""
    style = replace(ADM, head_channels=None)
    for way, size in (("down", 4), ("up", 16)):
        block = randomized(
            Block(
                16, 16, attends=False, embedding_channels=8, dropout=0, gradient_checkpointing=False,
                style=style, resamples=way,
            )
        )  # fmt: skip
        x, e = images(2, 16, 8, 8), images(2, 8, seed=2)

        def sized(x: Tensor, size: int = size) -> Tensor:
            return F.interpolate(x, size=(size, size), mode="area" if size < 8 else "nearest")

        scale, shift = block.embedding(e)[:, :, None, None].chunk(2, dim=1)
        h = block.conv1(sized(F.silu(block.norm1(x))))
        h = block.conv2(F.silu(block.norm2(h) * (1 + scale) + shift))
        torch.testing.assert_close(block(x, e), sized(x) + h, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("style", [replace(DDPM, norm_groups=4), replace(DDPM, time_channels=8)])
def test_groups_and_the_width_of_the_time_can_be_set_alone(style: Any) -> None:
    network = tiny(style=style)
    norms = {module.num_groups for module in network.modules() if isinstance(module, nn.GroupNorm)}
    assert norms == ({4} if style.norm_groups else {16, 32})
    assert network.embedding.linear1.weight.shape == ((32, 8) if style.time_channels else (128, 32))


def test_a_number_of_groups_that_does_not_divide_the_channels_is_a_sentence() -> None:
    with pytest.raises(AlphabarError, match="32 channels do not split into norm_groups=5"):
        tiny(style=replace(DDPM, norm_groups=5))


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


RENAMED = {
    "conv_in": "conv_in",
    "norm_out": "conv_norm_out",
    "conv_out": "conv_out",
    "linear1": "time_embedding.linear_1",
    "linear2": "time_embedding.linear_2",
    "classes": "class_embedding",
    "embedding": "time_emb_proj",
    "shortcut": "conv_shortcut",
    "norm": "group_norm",
    "out": "to_out.0",
}


def renamed(name: str, value: Tensor) -> Iterator[tuple[str, Tensor]]:
    *path, module, kind = name.split(".")
    theirs = f"{RENAMED.get(module, module)}.{kind}"
    if path in ([], ["embedding"]):
        yield theirs, value
        return
    stage = "mid_block" if path[0] == "mid" else f"{path[0]}_blocks.{path[1]}"
    if path[-1] in ("downsample", "upsample"):
        yield f"{stage}.{path[-1]}rs.0.{theirs}", value
    elif module == "qkv":
        for letter, part in zip("qkv", value.chunk(3), strict=True):
            yield f"{stage}.attentions.{path[-2]}.to_{letter}.{kind}", part
    elif path[-1] == "attention":
        yield f"{stage}.attentions.{path[-2]}.{theirs}", value
    else:
        pixelwise = module == "shortcut" and kind == "weight"  # their 1×1 convolution
        yield f"{stage}.resnets.{path[-1]}.{theirs}", value[..., None, None] if pixelwise else value


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
    network = tiny(channels=64, num_blocks=2, out_channels=6, num_classes=5, style=style)
    twin = diffusers_twin(
        network,
        (False, True),
        in_channels=3,
        out_channels=6,
        layers_per_block=2,
        num_class_embeds=5,
        block_out_channels=(64, 128),
        attention_head_dim=style.head_channels or 128 // style.heads,
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


# The layers, against their definitions


@pytest.mark.parametrize("shape", [(2, 12, 4, 4), (1, 5, 3, 7), (2, 8, 1, 1)])
def test_upsample_is_nearest_neighbour_then_convolution(shape: tuple[int, ...]) -> None:
    layer, x = Upsample(shape[1]).double(), images(*shape).double().requires_grad_()
    defined = layer.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
    cotangent = torch.randn_like(defined)
    inputs = (x, layer.conv.weight, layer.conv.bias)
    torch.testing.assert_close(layer(x), defined)
    for ours, theirs in zip(
        torch.autograd.grad(layer(x), inputs, cotangent), torch.autograd.grad(defined, inputs, cotangent), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_the_sum_of_four_weights_is_four_times_their_mean_to_the_bit() -> None:
    weight = randomized(Upsample(24)).conv.weight.contiguous(memory_format=torch.channels_last)
    summed = F.avg_pool2d(weight, 2, stride=1, padding=1, divisor_override=1)
    assert torch.equal(4 * F.avg_pool2d(weight, 2, stride=1, padding=1), summed)


@pytest.mark.parametrize(("style", "first"), [(DDPM, 0), (IDDPM, -1)])
def test_downsample_looks_at_the_pixels_that_the_paper_s_code_does(style: Any, first: int) -> None:
    layer = Downsample(1, style)
    nn.init.ones_(layer.conv.weight)
    nn.init.zeros_(layer.conv.bias)
    column = torch.arange(8.0).expand(1, 1, 8, 8)  # each pixel holds its column
    seen = [sum(c for c in range(2 * i + first, 2 * i + first + 3) if 0 <= c < 8) for i in range(4)]
    torch.testing.assert_close(layer(column)[0, 0, 1], 3 * torch.tensor(seen, dtype=torch.float32))


def test_dropout_zeroes_a_fraction_p_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    layer, x = Dropout(0.2), torch.ones(100_000)
    kept = layer(x)
    assert set(kept.unique().tolist()) == {0.0, 1.25}
    assert abs((kept == 0).float().mean() - 0.2) < 0.01
    assert layer.eval()(x) is x


# The start of training


@pytest.mark.parametrize("style", PRESETS.values(), ids=PRESETS)
def test_fresh_network_outputs_exactly_zero(style: Any) -> None:
    network = UNet(**{**TINY, "style": style})
    assert network(images(2, 3, 16, 16), steps(2)).abs().max() == 0


@pytest.mark.parametrize("style", PRESETS.values(), ids=PRESETS)
def test_fresh_block_passes_its_input_unchanged(style: Any) -> None:
    block = UNet(**{**TINY, "style": style}).mid[0]
    x = images(2, 64, 8, 8)
    assert block.attention is not None
    assert torch.equal(block(x, images(2, 128)), x)


def test_ddpm_initialization_is_uniform_with_the_average_fan() -> None:
    network = UNet(**{**TINY, "channels": 64})
    attention = network.mid[0].attention
    weights = {
        "conv_in": (network.conv_in.weight, (3 + 64) / 2 * 9),
        "query": (attention.qkv.weight[:128], 128),
        "value": (attention.qkv.weight[256:], 128),
        "shortcut": (network.up[0].blocks[0].shortcut.weight, (256 + 128) / 2),
        "time": (network.embedding.linear1.weight, (64 + 256) / 2),
    }
    for name, (weight, fan) in weights.items():
        limit = (3 / fan) ** 0.5
        assert 0.98 * limit < weight.abs().max() <= limit, name
        assert abs(weight.std() / (limit / 3**0.5) - 1) < 0.05, name
    assert all(p.abs().max() == 0 for name, p in network.named_parameters() if name.endswith("bias"))


# Any size


@torch.no_grad()
@pytest.mark.parametrize("channels", [24, 10, 7])
@pytest.mark.parametrize("image_channels", [1, 2, 4])
def test_any_number_of_channels(channels: int, image_channels: int) -> None:
    network = tiny(channels=channels, in_channels=image_channels, out_channels=2 * image_channels)
    out = network(images(2, image_channels, 16, 16), steps(2))
    assert out.shape == (2, 2 * image_channels, 16, 16)
    assert out.std() > 0.05


@torch.no_grad()
def test_images_need_not_be_square() -> None:
    network = tiny(image_size=(16, 24), style=IDDPM)  # levels 16×24 and 8×12: the second attends
    assert [[block.attention is not None for block in level.blocks] for level in network.down] == [[False], [True]]
    assert network(images(2, 3, 16, 24), steps(2)).shape == (2, 3, 16, 24)


# What training and sampling rely on


@torch.no_grad()
def test_an_image_does_not_depend_on_its_batch() -> None:
    network, x, time = tiny(), images(5, 3, 16, 16), steps(5)
    torch.testing.assert_close(network(x, time)[3:4], network(x[3:4], time[3:4]), rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("style", PRESETS.values(), ids=PRESETS)
def test_channels_last_changes_nothing_but_speed(style: Any) -> None:
    network, x, time = tiny(style=style), images(2, 3, 16, 16), steps(2)
    contiguous = network(x, time)
    out = network.to(memory_format=torch.channels_last)(x, time)
    torch.testing.assert_close(out, contiguous, rtol=0, atol=1e-5)


@torch.no_grad()
def test_fractional_and_float_time_continue_integer_time() -> None:
    network, x = tiny(style=IDDPM), images(1, 3, 16, 16)
    at = {t: network(x, torch.tensor([t])) for t in (500, 500.0, 500.01, 700)}
    assert torch.equal(at[500], at[500.0])
    assert 0 < (at[500.01] - at[500]).abs().max() < 0.1 * (at[700] - at[500]).abs().max()


@torch.no_grad()
def test_class_reaches_the_output_as_the_step_does() -> None:
    network, x, time = tiny(num_classes=3), images(2, 3, 16, 16), steps(2)
    zero, two = (network(x, time, torch.tensor([y, y])) for y in (0, 2))
    assert (zero - two).abs().max() > 1e-2
    network.embedding.classes.weight[0] = network.embedding.classes.weight[2]
    assert torch.equal(network(x, time, torch.tensor([0, 0])), two)


@torch.no_grad()
def test_no_class_is_the_null_class_the_last_row_of_the_table() -> None:
    network, x, time = tiny(num_classes=3, null_class=True), images(2, 3, 16, 16), steps(2)
    assert network.embedding.classes.num_embeddings == 4
    unconditional = network(x, time)
    assert torch.equal(unconditional, network(x, time, torch.tensor([3, 3])))
    mixed = network(x, time, torch.tensor([3, 1]))
    torch.testing.assert_close(mixed[:1], unconditional[:1], rtol=0, atol=1e-5)
    assert (mixed[1] - unconditional[1]).abs().max() > 1e-2


@torch.no_grad()
def test_no_augmentation_is_the_label_zero() -> None:
    network, x, time = tiny(augmentation_size=9), images(2, 3, 16, 16), steps(2)
    without = network(x, time)
    assert torch.equal(without, network(x, time, augmentation=torch.zeros(2, 9)))
    label = torch.zeros(2, 9)
    label[1, 4] = 1
    mixed = network(x, time, augmentation=label)
    torch.testing.assert_close(mixed[:1], without[:1], rtol=0, atol=1e-5)
    assert (mixed[1] - without[1]).abs().max() > 1e-2


@pytest.mark.parametrize("style", PRESETS.values(), ids=PRESETS)
def test_a_network_with_an_input_for_the_augmentation_starts_without_regard_to_it(style: Any) -> None:
    """It has one weight more, which is 0 at first."""
    with torch.device("meta"):
        plain = UNet(**TINY, style=style).state_dict()
    network = UNet(**TINY, augmentation_size=9, style=style)
    assert network.state_dict().keys() - plain.keys() == {"embedding.augmentation.weight"}
    assert network.embedding.augmentation.weight.shape == (4 * TINY["channels"], 9)
    assert not network.embedding.augmentation.weight.any()


@pytest.mark.parametrize("style", PRESETS.values(), ids=PRESETS)
def test_gradients_are_the_derivative(style: Any) -> None:
    style = replace(style, head_channels=style.head_channels and 8)
    network, x, time = tiny(channels=8, style=style).double(), images(1, 3, 16, 16).double(), steps(1)
    x.requires_grad_()
    direction, step = images(1, 3, 16, 16, seed=5).double(), 1e-6
    network(x, time).square().sum().backward()
    with torch.no_grad():
        ahead, behind = (network(x + sign * step * direction, time).square().sum() for sign in (1, -1))
    torch.testing.assert_close((x.grad * direction).sum(), (ahead - behind) / (2 * step), rtol=1e-6, atol=0)
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())


def kept_and_gradients(network: UNet) -> tuple[int, list[Tensor]]:
    """The number of elements that autograd keeps for one training step with dropout, and its gradients."""
    kept = 0

    def count(x: Tensor) -> Tensor:
        nonlocal kept
        kept += x.numel()
        return x

    torch.manual_seed(3)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda x: x):
        loss = network.train()(images(2, 3, 16, 16), steps(2)).square().mean()
    loss.backward()
    return kept, [p.grad for p in network.parameters()]


def test_gradient_checkpointing_keeps_less_and_changes_no_gradient() -> None:
    kept, gradients = kept_and_gradients(tiny(dropout=0.3))
    kept_less, same = kept_and_gradients(tiny(dropout=0.3, gradient_checkpointing=True))
    assert kept_less < 0.5 * kept
    assert all(torch.equal(a, b) for a, b in zip(gradients, same, strict=True))


def test_trains_under_bfloat16_autocast() -> None:
    network = tiny(style=IDDPM)
    with torch.autocast("cpu", torch.bfloat16):
        out = network(images(2, 3, 16, 16), steps(2))
    out.float().square().mean().backward()
    exact = network(images(2, 3, 16, 16), steps(2))
    assert (out - exact).abs().max() < 0.1 * exact.abs().max()
    assert all(torch.isfinite(p.grad).all() and p.grad.dtype == torch.float32 for p in network.parameters())


def test_names_of_the_weights_are_stable() -> None:
    with torch.device("meta"):
        names = UNet(**{**TINY, "num_classes": 2}).state_dict().keys()
    assert {
        "embedding.linear1.weight",
        "embedding.classes.weight",
        "conv_in.weight",
        "down.0.blocks.0.conv1.weight",
        "down.0.downsample.conv.weight",
        "down.1.blocks.0.shortcut.weight",
        "down.1.blocks.0.attention.qkv.weight",
        "mid.0.attention.out.weight",
        "mid.1.norm2.bias",
        "up.0.blocks.1.embedding.weight",
        "up.0.upsample.conv.bias",
        "norm_out.weight",
        "conv_out.weight",
    } <= set(names)


# Refusals


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image_size": (28, 28), "channel_mult": (1, 2, 2, 2)}, "Images of 28×28 .* use 24×24 or 32×32"),
        ({"image_size": (28, 64), "channel_mult": (1, 2, 2, 2)}, "use 24×64 or 32×64"),
        ({"image_size": (3, 16), "channel_mult": (1, 2, 2)}, "use 4×16 "),
        ({"attention_resolutions": (8, 32)}, "attention resolution 32; .* are 16, 8"),
        ({"channels": 0}, "channels is 0; it must be at least 2"),
        ({"num_blocks": 0}, "num_blocks is 0"),
        ({"num_classes": 0}, "num_classes is 0"),
        ({"null_class": True}, "null class .* no num_classes"),
        ({"in_channels": 0}, "in_channels is 0"),
        ({"dropout": 1.0}, "dropout is 1; .* below 1"),
        ({"dropout": -0.1}, "dropout is -0.1"),
        ({"channel_mult": ()}, r"channel_mult is \(\)"),
        ({"channel_mult": (1, 0)}, r"channel_mult is \(1, 0\)"),
        ({"channels": 30, "style": IDDPM, "channel_mult": (1, 3)}, "90 channels .* 4 attention heads"),
        ({"style": replace(IDDPM, head_channels=48)}, "64 channels .* heads of 48 channels"),
    ],
)
def test_impossible_network_is_refused_with_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AlphabarError, match=sentence), torch.device("meta"):
        UNet(**{**TINY, **changes})


@pytest.mark.parametrize(
    ("num_classes", "x", "time", "y", "sentence"),
    [
        (None, (2, 3, 16, 8), (2,), None, r"shape \(B, 3, 16, 16\); got \(2, 3, 16, 8\)"),
        (None, (2, 1, 16, 16), (2,), None, r"got \(2, 1, 16, 16\)"),
        (None, (2, 3, 16, 16), (1,), None, r"time has shape \(1,\); 2 images need \(2,\)"),
        (None, (2, 3, 16, 16), (), None, r"time has shape \(\)"),
        (None, (2, 3, 16, 16), (2,), (2,), "unconditional"),
        (4, (2, 3, 16, 16), (2,), None, "4 classes but got no y"),
        (4, (2, 3, 16, 16), (2,), (2, 4), r"y has shape \(2, 4\)"),
    ],
)
def test_wrong_input_is_refused_with_a_sentence(
    num_classes: int | None, x: Any, time: Any, y: Any, sentence: str
) -> None:
    network = UNet(**{**TINY, "num_classes": num_classes})
    classes = None if y is None else torch.zeros(y, dtype=torch.int64)
    with pytest.raises(AlphabarError, match=sentence):
        network(torch.zeros(x), torch.zeros(time), classes)


@pytest.mark.parametrize(
    ("size", "sentence"),
    [(0, "takes no augmentation; omit it"), (5, r"augmentation has shape \(2, 9\); 2 images need \(2, 5\)")],
)
def test_a_wrong_augmentation_is_refused_with_a_sentence(size: int, sentence: str) -> None:
    network = UNet(**TINY, augmentation_size=size)
    with pytest.raises(AlphabarError, match=sentence):
        network(torch.zeros(2, 3, 16, 16), torch.zeros(2), augmentation=torch.zeros(2, 9))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_a_group_norm_computes_in_float32_and_keeps_the_type_of_its_input(dtype: torch.dtype) -> None:
    """A mean of 300 with a spread of 1 is lost in bf16's 8 bits, if the statistics are."""
    norm = group_norm(8, DDPM).to(torch.float64 if dtype is torch.float64 else torch.float32)
    x = (300 + images(2, 8, 16, 16)).to(dtype)
    made = norm(x).detach()
    assert made.dtype == dtype
    right = F.group_norm(x.double(), norm.num_groups, eps=norm.eps)
    assert float((made.double() - right).abs().max()) < 2 * torch.finfo(dtype).eps * float(right.abs().max()) + 1e-4
