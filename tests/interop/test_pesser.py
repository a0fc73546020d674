"""The PyTorch port of Ho's weights: its names, and the numbers of its network, written down here on its own."""

from math import log
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import alphabar

WIDTHS, BLOCKS, ATTENDS = (32, 64, 64, 64), 2, 1
EMB = 4 * WIDTHS[0]


def weights(seed: int = 0) -> dict[str, Tensor]:
    """A narrow model in the layout of the port's CIFAR-10 network."""
    generator, made = torch.Generator().manual_seed(seed), {}

    def layer(key: str, *shape: int) -> None:
        noise = torch.randn(shape, generator=generator)
        made[f"{key}.weight"] = noise / noise[0].numel() ** 0.5 if len(shape) > 1 else 1 + 0.2 * noise
        made[f"{key}.bias"] = 0.2 * torch.randn(shape[0], generator=generator)

    def block(key: str, inputs: int, outputs: int) -> None:
        layer(f"{key}.norm1", inputs)
        layer(f"{key}.conv1", outputs, inputs, 3, 3)
        layer(f"{key}.temb_proj", outputs, EMB)
        layer(f"{key}.norm2", outputs)
        layer(f"{key}.conv2", outputs, outputs, 3, 3)
        if inputs != outputs:
            layer(f"{key}.nin_shortcut", outputs, inputs, 1, 1)

    def attention(key: str, width: int) -> None:
        layer(f"{key}.norm", width)
        for part in ("q", "k", "v", "proj_out"):
            layer(f"{key}.{part}", width, width, 1, 1)

    layer("temb.dense.0", EMB, WIDTHS[0])
    layer("temb.dense.1", EMB, EMB)
    layer("conv_in", WIDTHS[0], 3, 3, 3)
    skips, width = [WIDTHS[0]], WIDTHS[0]
    for level, out in enumerate(WIDTHS):
        for number in range(BLOCKS):
            block(f"down.{level}.block.{number}", width, out)
            if level == ATTENDS:
                attention(f"down.{level}.attn.{number}", out)
            width = out
            skips.append(out)
        if level < len(WIDTHS) - 1:
            layer(f"down.{level}.downsample.conv", out, out, 3, 3)
            skips.append(out)
    block("mid.block_1", width, width)
    attention("mid.attn_1", width)
    block("mid.block_2", width, width)
    for level in reversed(range(len(WIDTHS))):
        for number in range(BLOCKS + 1):
            block(f"up.{level}.block.{number}", width + skips.pop(), WIDTHS[level])
            width = WIDTHS[level]
            if level == ATTENDS:
                attention(f"up.{level}.attn.{number}", width)
        if level:
            layer(f"up.{level}.upsample.conv", width, width, 3, 3)
    layer("norm_out", width)
    layer("conv_out", 3, width, 3, 3)
    return made


def output(w: dict[str, Tensor], x: Tensor, t: Tensor) -> Tensor:
    """Ho's network: "same" padding, ε = 1e-6, [sin, cos] over half − 1, one head, the embedding added."""

    def of(key: str) -> tuple[Tensor, Tensor]:
        return w[f"{key}.weight"], w[f"{key}.bias"]

    def norm(key: str, x: Tensor) -> Tensor:
        return F.group_norm(x, 32, *of(key), eps=1e-6)

    def conv(key: str, x: Tensor, **more: Any) -> Tensor:
        return F.conv2d(x, *of(key), **({"padding": w[f"{key}.weight"].shape[-1] // 2} | more))

    def block(key: str, x: Tensor) -> Tensor:
        h = conv(f"{key}.conv1", F.silu(norm(f"{key}.norm1", x)))
        h = h + F.linear(F.silu(e), *of(f"{key}.temb_proj"))[:, :, None, None]
        h = conv(f"{key}.conv2", F.silu(norm(f"{key}.norm2", h)))
        return h + (conv(f"{key}.nin_shortcut", x) if f"{key}.nin_shortcut.weight" in w else x)

    def attend(key: str, x: Tensor) -> Tensor:
        if f"{key}.q.weight" not in w:
            return x
        h = norm(f"{key}.norm", x)
        q, k, v = (conv(f"{key}.{part}", h).flatten(2) for part in "qkv")
        p = torch.softmax(torch.einsum("bcq,bck->bqk", q, k) * x.shape[1] ** -0.5, -1)
        return x + conv(f"{key}.proj_out", torch.einsum("bqk,bck->bcq", p, v).reshape(x.shape))

    half = WIDTHS[0] // 2
    angles = t.float()[:, None] * torch.exp(-log(10_000) / (half - 1) * torch.arange(half))
    e = F.linear(torch.cat([angles.sin(), angles.cos()], 1), *of("temb.dense.0"))
    e = F.linear(F.silu(e), *of("temb.dense.1"))
    skips = [conv("conv_in", x)]
    for level in range(len(WIDTHS)):
        for number in range(BLOCKS):
            h = block(f"down.{level}.block.{number}", skips[-1])
            skips.append(attend(f"down.{level}.attn.{number}", h))
        if level < len(WIDTHS) - 1:
            h = F.pad(skips[-1], (0, 1, 0, 1))
            skips.append(conv(f"down.{level}.downsample.conv", h, stride=2, padding=0))
    h = block("mid.block_2", attend("mid.attn_1", block("mid.block_1", skips[-1])))
    for level in reversed(range(len(WIDTHS))):
        for number in range(BLOCKS + 1):
            h = block(f"up.{level}.block.{number}", torch.cat([h, skips.pop()], 1))
            h = attend(f"up.{level}.attn.{number}", h)
        if level:
            h = conv(f"up.{level}.upsample.conv", F.interpolate(h, scale_factor=2.0, mode="nearest"))
    return conv("conv_out", F.silu(norm("norm_out", h)))


def test_the_port_of_ho_s_weights_has_its_numbers_and_its_chain(tmp_path) -> None:
    torch.save(weights(), tmp_path / "model-790000.ckpt")
    run, notes = alphabar.import_run(tmp_path / "model-790000.ckpt", tmp_path / "run")
    model = alphabar.load(run, device="cpu")
    assert notes == () and model.loaded.step == 790_000 and model.shape == (3, 32, 32)
    assert (model.config.diffusion.steps, model.config.diffusion.variance) == (1000, "fixed_large")
    assert model.config.network.attention_resolutions == (16,) and model.config.network.dropout == 0.1
    beta = model.denoiser.schedule.beta
    assert abs(float(beta[1]) - 1e-4) < 1e-12 and abs(float(beta[1000]) - 0.02) < 1e-12
    x, t = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 700])
    with torch.no_grad():
        expected = output(weights(), x, t)
        made = model.denoiser.network(x, t)
    torch.testing.assert_close(made, expected, rtol=0, atol=2e-5 * float(expected.abs().max()))
    assert float(expected.std()) > 0.1
