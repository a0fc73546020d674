"""A config.json of diffusers' UNet2DModel -> the settings of our U-Net."""

from collections.abc import Mapping
from typing import Any

from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.interop.fields import known
from alphabar.interop.portable import Settings, SizeUnsaidError, group_setting

DEFAULTS: dict[str, Any] = {
    "sample_size": None,
    "in_channels": 3,
    "out_channels": 3,
    "freq_shift": 0,
    "flip_sin_to_cos": True,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [224, 448, 672, 896],
    "layers_per_block": 2,
    "downsample_padding": 1,
    "downsample_type": "conv",
    "upsample_type": "conv",
    "dropout": 0.0,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
    "attn_norm_num_groups": None,
    "norm_eps": 1e-5,
    "resnet_time_scale_shift": "default",
    "num_class_embeds": None,
}
"""The fields that have a counterpart here, and what diffusers takes for one that is missing."""
FIXED: dict[str, tuple[Any, ...]] = {
    "center_input_sample": (False,),
    "time_embedding_type": ("positional",),
    "time_embedding_dim": (None,),
    "mid_block_type": ("UNetMidBlock2D",),
    "mid_block_scale_factor": (1,),
    "act_fn": ("silu", "swish"),
    "add_attention": (True,),
    "class_embed_type": (None,),
}
"""The fields that our network has at these values only; the first is diffusers' default."""
BLOCKS = {
    "DownBlock2D": (False, "conv"),
    "AttnDownBlock2D": (True, "conv"),
    "ResnetDownsampleBlock2D": (False, "block"),
    "UpBlock2D": (False, "conv"),
    "AttnUpBlock2D": (True, "conv"),
    "ResnetUpsampleBlock2D": (False, "block"),
}
"""Whether a block has attention, and what resamples in it; those with attention follow downsample_type."""
CONDITIONINGS = {"default": "add", "scale_shift": "scale_shift"}
HEAD_DIM = (
    "attention_head_dim is not stated, so it is 8, as diffusers takes it; if the network was trained with one head, as "
    "google/ddpm-* were, add network.heads=1."
)


def read(config: Mapping[str, Any], overrides: Mapping[str, Any], source: str) -> tuple[Settings, list[str]]:
    """The settings of [data] and [network], and the sentences about what was not stated."""
    _check(config, source)
    unet = known(config, DEFAULTS, source)
    widths, first = unet["block_out_channels"], unet["block_out_channels"][0]
    if not first or any(width % first for width in widths):
        raise AlphabarError(f"{source} has levels of {widths} channels; they must be multiples of the first.")
    attends, resampling = _levels(unet, source)
    size = overrides.get("data.image_size", unet["sample_size"])
    if size is None:
        raise SizeUnsaidError(f"{source} has no sample_size; add data.image_size=N.")
    sides = tuple(size) if isinstance(size, list) else size
    said = c.parse({"training": {"steps": 1}, "data": {"image_size": sides}}).data.image_size
    assert said is not None
    head = unet["attention_head_dim"]
    settings: Settings = {
        "data": {"name": "folder", "image_size": said, "channels": unet["in_channels"]},
        "network": {
            "preset": "ddpm",
            "channels": first,
            "channel_mult": [width // first for width in widths],
            "num_blocks": unet["layers_per_block"],
            "attention_resolutions": [min(said) >> level for level, attention in enumerate(attends) if attention],
            "dropout": unet["dropout"],
            "class_conditional": unet["num_class_embeds"] is not None,
            "heads": 1 if head is None else None,
            "head_channels": head,
            "conditioning": CONDITIONINGS[unet["resnet_time_scale_shift"]],
            "resampling": resampling,
            "downsample_padding": "symmetric" if unet["downsample_padding"] else "same",
            "sinusoid": "cos_sin" if unet["flip_sin_to_cos"] else "sin_cos",
            "frequency_shift": unet["freq_shift"],
            "norm_eps": unet["norm_eps"],
            "norm_groups": group_setting(unet["norm_num_groups"], widths),
        },
    }
    chosen = overrides.keys() & {"network.heads", "network.head_channels"}
    if "network.heads" in chosen:
        settings["network"]["head_channels"] = None
    return settings, [] if "attention_head_dim" in config or chosen else [HEAD_DIM]


def _check(config: Mapping[str, Any], source: str) -> None:
    """AlphabarError for what our network cannot compute."""
    if (kind := config.get("_class_name", "UNet2DModel")) != "UNet2DModel":
        raise AlphabarError(f"{source} is a {kind!s:.60}; alphabar imports UNet2DModel, a network of pixels.")
    unet = known(config, DEFAULTS, source)
    types = [*unet["down_block_types"], *unet["up_block_types"]]
    if skips := [name for name in types if "Skip" in name]:
        raise AlphabarError(f"{source} has the block {skips[0]} of NCSN++, which alphabar's U-Net does not have.")
    if others := [name for name in types if name not in BLOCKS]:
        raise AlphabarError(f"{source} has the block {others[0]!s:.60}; alphabar knows {', '.join(BLOCKS)}.")
    for field, values in FIXED.items():
        if (value := config.get(field, values[0])) not in values:
            raise AlphabarError(f"{source} has {field}={value!s:.40}; alphabar's U-Net has {field}={values[0]} only.")
    if (conditioning := unet["resnet_time_scale_shift"]) not in CONDITIONINGS:
        raise AlphabarError(
            f"{source} has resnet_time_scale_shift={conditioning!s:.40}; known are default, scale_shift."
        )
    if conditioning == "scale_shift" and unet["attn_norm_num_groups"] is None:
        raise AlphabarError(
            f"{source} has no attn_norm_num_groups, so its middle attention has no normalization, and ours has."
        )
    if (padding := unet["downsample_padding"]) not in (0, 1):
        raise AlphabarError(f"{source} has downsample_padding={padding}; alphabar's U-Net has 0 or 1.")
    groups = unet["norm_num_groups"]
    if unet["attn_norm_num_groups"] not in (None, groups):
        raise AlphabarError(f"{source} has other groups in its middle attention than norm_num_groups={groups}.")


def _levels(unet: Mapping[str, Any], source: str) -> tuple[list[bool], str]:
    """Which levels have attention, and what resamples between them."""
    down = [BLOCKS[name] for name in unet["down_block_types"]]
    up = [BLOCKS[name] for name in reversed(unet["up_block_types"])]
    attends, on_the_way_up = ([attention for attention, _ in way] for way in (down, up))
    if attends != on_the_way_up or len(down) != len(unet["block_out_channels"]):
        raise AlphabarError(f"{source} has attention at other levels on the way up than on the way down.")
    kinds = {_resampling(block, unet["downsample_type"]) for block in down[:-1]}
    kinds |= {_resampling(block, unet["upsample_type"]) for block in up[1:]}
    if len(kinds) > 1:
        raise AlphabarError(f"{source} resamples by convolutions at some levels and by residual blocks at others.")
    return attends, kinds.pop() if kinds else "conv"


def _resampling(block: tuple[bool, str], kind: str) -> str:
    """What resamples in a block; one with attention follows the type that the config names."""
    attends, own = block
    return ("block" if kind == "resnet" else "conv") if attends else own
