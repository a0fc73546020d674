"""The settings of our U-Net -> a config.json of diffusers' UNet2DModel."""

from collections.abc import Mapping, Sequence
from typing import Any

from alphabar import build
from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.interop.diffusers_unet import DEFAULTS
from alphabar.interop.keys import Sizes
from alphabar.interop.portable import groups_in
from alphabar.networks import Style


def written(config: c.Config, facts: c.ImageFacts, own: Sizes, record: Mapping[str, Any]) -> dict[str, Any]:
    """The config.json of our network. What `record` has of the original one besides is kept."""
    section, style = config.network, build.style(config.network)
    if style.time_channels not in (None, section.channels):
        raise AlphabarError(f"network.time_channels={style.time_channels} has no counterpart in diffusers.")
    if section.low_resolution is not None:
        raise AlphabarError("diffusers has no pipeline for upsamplers of pixels; export it --to openai.")
    widths = [section.channels * mult for mult in section.channel_mult]
    (height, width), levels = facts.shape[1:], range(len(widths))
    attends = [min(height, width) >> level in section.attention_resolutions for level in levels]
    blocks = style.resampling == "block"
    kinds = [("Attn{}Block2D" if a else "Resnet{}sampleBlock2D" if blocks else "{}Block2D") for a in attends]
    resnet = "resnet" if blocks else "conv"
    groups = _groups(own, style)
    embeds = own["embedding.classes.weight"].shape[0] if "embedding.classes.weight" in own else None
    return (
        {key: value for key, value in record.items() if key not in DEFAULTS}
        | {"_class_name": "UNet2DModel"}
        | {
            "sample_size": height if height == width else [height, width],
            "in_channels": facts.shape[0],
            "out_channels": own["conv_out.weight"].shape[0],
            "freq_shift": style.frequency_shift,
            "flip_sin_to_cos": style.sinusoid == "cos_sin",
            "down_block_types": [kind.format("Down") for kind in kinds],
            "up_block_types": [kind.format("Up") for kind in reversed(kinds)],
            "block_out_channels": widths,
            "layers_per_block": section.num_blocks,
            "downsample_padding": 0 if style.downsample_padding == "same" else 1,
            "downsample_type": resnet,
            "upsample_type": resnet,
            "dropout": section.dropout,
            "attention_head_dim": _head_dim(style.heads, style.head_channels, attends, widths),
            "norm_num_groups": groups,
            "attn_norm_num_groups": groups,
            "norm_eps": style.norm_eps,
            "resnet_time_scale_shift": "default" if style.conditioning == "add" else "scale_shift",
            "num_class_embeds": embeds,
        }
    )


def _head_dim(heads: int, head_channels: int | None, attends: Sequence[bool], widths: Sequence[int]) -> int | None:
    """Their one head dimension for every level; None is one head of all channels."""
    if head_channels is not None:
        return head_channels
    if heads == 1:
        return None
    dims = {width // heads for width, attention in zip(widths, attends, strict=True) if attention}
    dims |= {widths[-1] // heads}  # of the middle
    if len(dims) > 1:
        raise AlphabarError(
            f"diffusers has one number of channels for every attention head, and this network has {heads} heads of "
            f"{', '.join(map(str, sorted(dims)))} channels; export it --to openai."
        )
    return dims.pop()


def _groups(own: Sizes, style: Style) -> int:
    """Their one number of groups for every normalization."""
    groups = groups_in(own, style)
    if len(groups) > 1:
        raise AlphabarError(
            f"diffusers has one number of groups for every normalization, and this network has {sorted(groups)}; train "
            f"one with network.norm_groups={min(groups)}."
        )
    return groups.pop()
