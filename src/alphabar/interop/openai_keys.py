"""Where OpenAI's two repositories, improved-diffusion and guided-diffusion, have the weights of our U-Net."""

from collections.abc import Iterator

from alphabar.interop.keys import PLAIN, Entry, Layout, Leaves, Place, Sizes, entries
from alphabar.interop.places import decoder, encoder
from alphabar.networks import Style

BLOCK: Leaves = {
    "norm1": ("in_layers.0",),
    "conv1": ("in_layers.2",),
    "embedding": ("emb_layers.1",),
    "norm2": ("out_layers.0",),
    "conv2": ("out_layers.3",),
    "shortcut": ("skip_connection",),
}
ATTENTION: Leaves = {"norm": ("norm",), "qkv": ("qkv",), "out": ("proj_out",)}
TAILS = {"shortcut": 2, "qkv": 1, "out": 1}
"""Their convolutions over 1×1 pixels, and over 1 of a row of pixels, are linear layers with us."""
ENDS = {
    "embedding.linear1": "time_embed.0",
    "embedding.linear2": "time_embed.2",
    "embedding.classes": "label_emb",
    "conv_in": "input_blocks.0.0",
    "norm_out": "out.0",
    "conv_out": "out.2",
}


def table(sizes: Sizes, style: Style, new_order: bool) -> list[Entry]:
    """Every weight of a network with these `sizes`.

    new_order: whether the rows of q, k and v are grouped as with `use_new_attention_order`.
    """

    def heads(channels: int) -> int:
        return channels // style.head_channels if style.head_channels else style.heads

    return entries(_places(Layout(sizes)), sizes, TAILS, None if new_order else heads)


def _places(layout: Layout) -> Iterator[Place]:
    for ours, theirs in ENDS.items():
        yield Place(ours, theirs, PLAIN)
    each = layout.blocks + 1  # of a level, in either list
    for ours, level, block in encoder(layout):
        yield from _block(ours, f"input_blocks.{1 + level * each + block}", 0)
    for level in range(layout.levels - 1):
        yield from _resampler(f"down.{level}.downsample", f"input_blocks.{(level + 1) * each}.0", "op")
    for ours, theirs in (("mid.0", "middle_block.0"), ("mid.1", "middle_block.2")):
        yield Place(ours, theirs, BLOCK)
    yield Place("mid.0.attention", "middle_block.1", ATTENTION)
    for ours, stage, block in decoder(layout):
        yield from _block(ours, f"output_blocks.{stage * each + block}", 0)
    for stage in range(layout.levels - 1):
        index = 2 if layout.has(f"up.{stage}.blocks.{layout.blocks}.attention") else 1
        theirs = f"output_blocks.{stage * each + layout.blocks}.{index}"
        yield from _resampler(f"up.{stage}.upsample", theirs, "conv")


def _block(ours: str, theirs: str, index: int) -> Iterator[Place]:
    yield Place(ours, f"{theirs}.{index}", BLOCK)
    yield Place(f"{ours}.attention", f"{theirs}.{index + 1}", ATTENTION)


def _resampler(ours: str, theirs: str, conv: str) -> Iterator[Place]:
    """A residual block that resamples, or else a convolution."""
    yield Place(ours, theirs, {**BLOCK, "conv": (conv,)})
