"""The documented differences between the published U-Nets, as data: one `Style` per family."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Style:
    """Everything in which one published U-Net differs from another, apart from its size.

    sinusoid            order of the two halves of the time embedding
    frequency_shift     frequencies are 10000^(−j / (half − frequency_shift)), j = 0 .. half − 1
    downsample_padding  of the stride-2 convolution: "same" pads below and right (TensorFlow), "symmetric" all around
    conditioning        how a block takes the embedding: "add" after conv1, or "scale_shift" of its second norm
    norm_eps            ε of every group normalization
    heads               attention heads, the same number at every level
    head_channels       channels per head; if given, it decides the number of heads instead
    init                "fan_avg" = uniform variance scaling with zero biases (TensorFlow), "torch" = PyTorch's default
    """

    sinusoid: Literal["sin_cos", "cos_sin"]
    frequency_shift: Literal[0, 1]
    downsample_padding: Literal["same", "symmetric"]
    conditioning: Literal["add", "scale_shift"]
    norm_eps: float
    heads: int
    init: Literal["fan_avg", "torch"]
    head_channels: int | None = None


DDPM = Style(
    sinusoid="sin_cos",
    frequency_shift=1,
    downsample_padding="same",
    conditioning="add",
    norm_eps=1e-6,
    heads=1,
    init="fan_avg",
)
"""Ho, Jain & Abbeel 2020, as in hojonathanho/diffusion."""

IDDPM = Style(
    sinusoid="cos_sin",
    frequency_shift=0,
    downsample_padding="symmetric",
    conditioning="scale_shift",
    norm_eps=1e-5,
    heads=4,
    init="torch",
)
"""Nichol & Dhariwal 2021, as in openai/improved-diffusion."""

PRESETS = {"ddpm": DDPM, "iddpm": IDDPM}
