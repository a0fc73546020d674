"""What the keys and shapes of OpenAI's files tell: everything about the network but its heads and the image size."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from alphabar.errors import AlphabarError

PAIRS = (2, 6)
"""The channels of two grey or two RGB images, the input of an upsampler: a noisy image and a small one, enlarged."""


@dataclass(frozen=True)
class Shapes:
    """A U-Net of OpenAI's, as its file describes it. attends: the levels with attention, from the finest.

    upsamples: whether it takes a small image beside the noisy one.
    """

    channels: int
    time_channels: int
    channel_mult: tuple[int, ...]
    num_blocks: int
    attends: tuple[int, ...]
    image_channels: int
    upsamples: bool
    learns_variance: bool
    scale_shift: bool
    blocks_resample: bool
    classes: int


def shapes(foreign: Mapping[str, Tensor], source: str) -> Shapes:
    """The U-Net in a state dict; AlphabarError if it is none."""
    try:
        return _shapes(foreign, source)
    except KeyError as error:
        raise AlphabarError(f"{source} has no weight {error.args[0]}, so it is no U-Net of OpenAI's.") from None
    except IndexError:
        raise AlphabarError(f"A weight in {source} has too few sides for a U-Net of OpenAI's.") from None


def _shapes(foreign: Mapping[str, Tensor], source: str) -> Shapes:
    channels, inputs = foreign["input_blocks.0.0.weight"].shape[:2]
    if not any(key.startswith("output_blocks.") for key in foreign):
        raise AlphabarError(f"{source} is a classifier of guided-diffusion, and no network that makes images.")
    outputs = foreign["out.2.weight"].shape[0]
    upsamples = inputs in PAIRS
    inputs = inputs // 2 if upsamples else inputs
    if outputs not in (inputs, 2 * inputs):
        raise AlphabarError(f"{source} takes {inputs} channels and returns {outputs}, neither as many nor twice.")
    stages = 1 + max(_numbers(foreign, "output_blocks."))
    ends = [k for k in range(stages) if _upsamples(foreign, k)]
    each = ends[0] + 1 if ends else stages  # blocks of a level of the decoder
    firsts = [f"input_blocks.{1 + level * each}" for level in range(stages // each)]
    widths = [foreign[f"{first}.0.out_layers.3.weight"].shape[0] for first in firsts]
    if each < 2 or stages % each or any(width % channels for width in widths):
        raise AlphabarError(f"{source} has levels of {widths} channels, no multiples of its first {channels}.")
    rows, width = foreign[f"{firsts[0]}.0.emb_layers.1.weight"].shape[0], widths[0]
    return Shapes(
        channels=channels,
        time_channels=foreign["time_embed.0.weight"].shape[1],
        channel_mult=tuple(width // channels for width in widths),
        num_blocks=each - 1,
        attends=tuple(level for level, first in enumerate(firsts) if f"{first}.1.qkv.weight" in foreign),
        image_channels=inputs,
        upsamples=upsamples,
        learns_variance=outputs == 2 * inputs,
        scale_shift=rows == 2 * width,
        blocks_resample=any(f"output_blocks.{k}.{i}.in_layers.0.weight" in foreign for k in ends for i in (1, 2)),
        classes=foreign["label_emb.weight"].shape[0] if "label_emb.weight" in foreign else 0,
    )


def _upsamples(foreign: Mapping[str, Tensor], block: int) -> bool:
    """Whether the entry of `output_blocks` ends its level."""
    names = ("conv.weight", "in_layers.0.weight")
    return any(f"output_blocks.{block}.{index}.{name}" in foreign for index in (1, 2) for name in names)


def _numbers(keys: Iterable[str], prefix: str) -> Iterable[int]:
    parts = (key.removeprefix(prefix).split(".")[0] for key in keys if key.startswith(prefix))
    return (int(part) for part in parts if part.isdigit())
