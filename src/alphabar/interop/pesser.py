"""The port of Ho's TensorFlow weights to PyTorch by P. Esser (pesser/pytorch_diffusion): same network, same names."""

from collections.abc import Iterator, Mapping

from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.interop.keys import PLAIN, Entry, Layout, Leaves, Place, Sizes, entries, to_ours
from alphabar.interop.places import blocks
from alphabar.interop.portable import Portable, SizeUnsaidError, facts, group_setting, settled, sizes
from alphabar.interop.request import Request

BLOCK: Leaves = {
    "norm1": ("norm1",),
    "conv1": ("conv1",),
    "embedding": ("temb_proj",),
    "norm2": ("norm2",),
    "conv2": ("conv2",),
    "shortcut": ("nin_shortcut",),
}
ATTENTION: Leaves = {"norm": ("norm",), "qkv": ("q", "k", "v"), "out": ("proj_out",)}
TAILS = {"shortcut": 2, "qkv": 2, "out": 2}
ENDS = {
    "embedding.linear1": "temb.dense.0",
    "embedding.linear2": "temb.dense.1",
    "conv_in": "conv_in",
    "norm_out": "norm_out",
    "conv_out": "conv_out",
}
SIDES = {(1, 2, 2, 2): 32, (1, 1, 2, 2, 4, 4): 256}
"""The images of Ho's two networks, by `ch_mult`; both have attention at 16×16."""


def is_pesser(foreign: Mapping[str, Tensor]) -> bool:
    """Whether the keys are those of the port."""
    return "temb.dense.0.weight" in foreign


def read(request: Request) -> Portable:
    """The model in a file of the port. Its padding, ε and sinusoid are Ho's: those of the preset ddpm."""
    foreign, source = request.tensors(), request.path.name
    try:
        channels, image_channels = foreign["conv_in.weight"].shape[:2]
        levels = 1 + max(int(key.split(".")[1]) for key in foreign if key.startswith("down."))
        blocks = 1 + max(int(key.split(".")[3]) for key in foreign if key.startswith("down.0.block."))
        widths = [foreign[f"down.{level}.block.0.conv2.weight"].shape[0] for level in range(levels)]
    except (KeyError, ValueError, IndexError) as error:
        raise AlphabarError(f"{source} is not the port of Ho's network ({error!s:.100}).") from None
    mults = tuple(width // channels for width in widths)
    size = request.said({"data.image_size": SIDES.get(mults)}).data.image_size
    if size is None:
        raise SizeUnsaidError(f"{source} does not say the size of its images; add data.image_size=N.")
    attends = [level for level in range(levels) if f"down.{level}.attn.0.q.weight" in foreign]
    config = settled(
        {
            "data": {"name": "folder", "image_size": size, "channels": image_channels},
            "network": {
                "preset": "ddpm",
                "channels": channels,
                "channel_mult": mults,
                "num_blocks": blocks,
                "attention_resolutions": [min(size) >> level for level in attends],
                "norm_groups": group_setting(32, widths),
                "dropout": 0.1 if SIDES.get(mults) == 32 else 0.0,
            },
            "diffusion": {"variance": "fixed_large" if SIDES.get(mults) == 32 else "fixed_small"},
            "sampling": {"sampler": "ddpm"},
            "training": {"steps": 1},
        },
        request.overrides,
    )
    image_facts = facts(config, image_channels, 0, source)
    weights = to_ours(foreign, table(sizes(config, image_facts)), source)
    return Portable(config, image_facts, weights, step=_step(request), record={"format": "pesser"})


def _step(request: Request) -> int:
    """The step in the released names: model-790000.ckpt."""
    number = request.path.stem.rpartition("-")[2]
    return int(number) if number.isdecimal() and len(number) < 10 else 0


def table(sizes: Sizes) -> list[Entry]:
    """Every weight of a network with these `sizes`."""
    return entries(_places(Layout(sizes)), sizes, TAILS)


def _places(layout: Layout) -> Iterator[Place]:
    for ours, theirs in ENDS.items():
        yield Place(ours, theirs, PLAIN)
    for place in blocks(layout, "down.{}".format, lambda stage: f"up.{layout.levels - 1 - stage}"):
        yield from _block(*place)
    yield Place("mid.0", "mid.block_1", BLOCK)
    yield Place("mid.0.attention", "mid.attn_1", ATTENTION)
    yield Place("mid.1", "mid.block_2", BLOCK)
    for number in range(layout.levels - 1):
        yield Place(f"down.{number}.downsample", f"down.{number}.downsample", {"conv": ("conv",)})
        yield Place(f"up.{number}.upsample", f"up.{layout.levels - 1 - number}.upsample", {"conv": ("conv",)})


def _block(ours: str, theirs: str, number: int) -> Iterator[Place]:
    yield Place(ours, f"{theirs}.block.{number}", BLOCK)
    yield Place(f"{ours}.attention", f"{theirs}.attn.{number}", ATTENTION)
