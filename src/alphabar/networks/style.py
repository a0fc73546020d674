"""Style, the differences between the published U-Nets as data, and the presets DDPM, IDDPM and ADM."""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Style:
    """The details in which published U-Nets differ, apart from their size.

    sinusoid            order of the two halves of the time embedding
    frequency_shift     frequencies are 10000^(−j / (half − frequency_shift)), j = 0 .. half − 1
    downsample_padding  of the stride-2 convolution: "same" = below and right (TensorFlow), "symmetric" = on all sides
    conditioning        where a block uses the embedding: "add" = after conv1, "scale_shift" = in its second norm
    norm_eps            ε of every group normalization
    heads               number of attention heads, equal at every level
    head_channels       channels per head; if set, it replaces `heads`
    init                "fan_avg" = uniform variance scaling with zero biases (TensorFlow), "torch" = PyTorch's default
    resampling          between levels: "conv" = a convolution, "block" = a residual block that halves or doubles
    norm_groups         groups of every group normalization; None = 32, or fewer where the channels do not allow that
    time_channels       width of the sinusoid, a quarter of the embedding's; None = the channels of the first layer

    The two attention orders of guided-diffusion (`use_new_attention_order`) are no field: they are one function, whose
    weights lie in different rows of the file. `interop` sorts the rows.
    """

    sinusoid: Literal["sin_cos", "cos_sin"]
    frequency_shift: Literal[0, 1]
    downsample_padding: Literal["same", "symmetric"]
    conditioning: Literal["add", "scale_shift"]
    norm_eps: float
    heads: int
    init: Literal["fan_avg", "torch"]
    head_channels: int | None = None
    resampling: Literal["conv", "block"] = "conv"
    norm_groups: int | None = None
    time_channels: int | None = None


DDPM = Style(
    sinusoid="sin_cos",
    frequency_shift=1,
    downsample_padding="same",
    conditioning="add",
    norm_eps=1e-6,
    heads=1,
    init="fan_avg",
)
"""The U-Net of Ho, Jain & Abbeel 2020, as in the repository hojonathanho/diffusion."""

IDDPM = Style(
    sinusoid="cos_sin",
    frequency_shift=0,
    downsample_padding="symmetric",
    conditioning="scale_shift",
    norm_eps=1e-5,
    heads=4,
    init="torch",
)
"""The U-Net of Nichol & Dhariwal 2021, as in the repository openai/improved-diffusion."""

ADM = replace(IDDPM, head_channels=64, resampling="block")
"""The U-Net of Dhariwal & Nichol 2021, as in the repository openai/guided-diffusion."""

PRESETS = {"ddpm": DDPM, "iddpm": IDDPM, "adm": ADM}

NOISENET = replace(DDPM, norm_eps=1e-5, heads=4, head_channels=32, norm_groups=4, init="torch")
"""NoiseNet's. It is no U-Net of PRESETS: of the fields it uses those of the time, the norms and the heads."""
