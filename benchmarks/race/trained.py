"""What a side hands over once it is trained: a denoiser, and its own ways of drawing."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from alphabar.diffusion import Denoiser
from alphabar.sampling.job import Job

Draw = Callable[[Job], Tensor]
"""A batch of seeds, and of classes if the network is told them -> images (B, C, H, W) in [-1, 1]."""


@dataclass(frozen=True)
class Way:
    """A way of drawing: whose sampler with how many network calls an image, and whether only --slow asks for it."""

    name: str
    calls: int
    draw: Draw
    slow: bool = False


@dataclass(frozen=True)
class Trained:
    """The averaged network, read as alphabar reads one, and the ways in which its package draws."""

    denoiser: Denoiser
    own: tuple[Way, ...]
