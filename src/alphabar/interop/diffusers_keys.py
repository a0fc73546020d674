"""Where diffusers' UNet2DModel has the weights of our U-Net."""

from collections.abc import Iterator, Mapping

from torch import Tensor

from alphabar.interop.keys import PLAIN, Entry, Layout, Leaves, Place, Sizes, entries
from alphabar.interop.places import blocks

BLOCK: Leaves = {
    "norm1": ("norm1",),
    "conv1": ("conv1",),
    "embedding": ("time_emb_proj",),
    "norm2": ("norm2",),
    "conv2": ("conv2",),
    "shortcut": ("conv_shortcut",),
}
ATTENTION: Leaves = {"norm": ("group_norm",), "qkv": ("to_q", "to_k", "to_v"), "out": ("to_out.0",)}
TAILS = {"shortcut": 2}
ENDS = {
    "embedding.linear1": "time_embedding.linear_1",
    "embedding.linear2": "time_embedding.linear_2",
    "embedding.classes": "class_embedding",
    "conv_in": "conv_in",
    "norm_out": "conv_norm_out",
    "conv_out": "conv_out",
}
OLD = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""The names of 2022 for the parts of an attention."""


def renewed(foreign: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights under today's names."""
    return {_renewed(key): tensor for key, tensor in foreign.items()}


def _renewed(key: str) -> str:
    *place, layer, kind = key.split(".")
    return ".".join([*place, OLD[layer], kind]) if layer in OLD and "attentions" in place else key


def table(sizes: Sizes) -> list[Entry]:
    """Every weight of a network with these `sizes`."""
    return entries(_places(Layout(sizes)), sizes, TAILS)


def _places(layout: Layout) -> Iterator[Place]:
    for ours, theirs in ENDS.items():
        yield Place(ours, theirs, PLAIN)
    for place in blocks(layout, "down_blocks.{}".format, "up_blocks.{}".format):
        yield from _block(*place)
    for number in (0, 1):
        yield from _block(f"mid.{number}", "mid_block", number)
    for number in range(layout.levels - 1):
        for ours, theirs in (
            (f"down.{number}.downsample", f"down_blocks.{number}.downsamplers.0"),
            (f"up.{number}.upsample", f"up_blocks.{number}.upsamplers.0"),
        ):
            yield Place(ours, theirs, {**BLOCK, "conv": ("conv",)})


def _block(ours: str, theirs: str, number: int) -> Iterator[Place]:
    yield Place(ours, f"{theirs}.resnets.{number}", BLOCK)
    yield Place(f"{ours}.attention", f"{theirs}.attentions.{number}", ATTENTION)
