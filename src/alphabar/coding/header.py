"""What a compressed file says of itself: the model, the images, and the machine that must compute the same."""

import importlib.metadata
import math
import platform
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field

from alphabar.coding.precision import Precision

VERSION = 2
MOST_IMAGES = 1_000_000

Count = Annotated[int, Field(ge=1, le=MOST_IMAGES)]
Side = Annotated[int, Field(ge=1, le=1 << 16)]
Place = Annotated[int, Field(ge=0, lt=1 << 40)]
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(min_length=1, max_length=1024)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Machine(_Section):
    """What the network's floating-point numbers may depend on. `probe` is what says whether they are equal."""

    device: str
    threads: Annotated[int, Field(ge=1, le=1024)]
    instructions: str
    processor: str
    torch_version: str
    constriction: str

    @classmethod
    def this(cls, device: str) -> "Machine":
        """This machine, as torch uses it now."""
        return cls(
            device=device,
            threads=torch.get_num_threads(),
            instructions=torch.backends.cpu.get_cpu_capability(),
            processor=platform.machine(),
            torch_version=torch.__version__,
            constriction=importlib.metadata.version("constriction"),
        )


class Lossy(_Section):
    """What a lossy file keeps: x_t of the chain's row `level` and above, so that noise of this standard deviation is
    left in the pixels. rmse: of the images that `fill` "mean" makes, of all their values. Both in grey levels (0–255).
    """

    level: Annotated[int, Field(ge=1, le=100_000)]
    noise: Annotated[float, Field(ge=0)]
    rmse: Annotated[float, Field(ge=0, le=255)]

    @property
    def psnr(self) -> float:
        """20 log10(255 / RMSE), dB."""
        return 20 * math.log10(255 / self.rmse) if self.rmse else math.inf


class Header(_Section):
    """The settings of a compressed file.

    sampling: the settings of the chain. timesteps: the chain, to be sure. label: the class of all images.
    batches: how many images were coded together, from the first to the last.
    words: how many words lay on the stack at first: the images' checksums and, if these were too few, random ones.
    precision: of the network. ties: what was rounded down in float64, as numbers of a batch, of a rounding in it, and
    of an element. probe: the sha256 of some outputs of the network. pixels: of all images.
    lossy: None if the images come back exactly. Otherwise what is coded, and checked, are whole numbers of `Dither`.
    """

    version: int = VERSION
    alphabar: str
    run: str
    weights: str
    step: int
    weights_sha256: Hex
    sampling: dict[str, Any]
    timesteps: Annotated[list[int], Field(min_length=1, max_length=100_000)]
    label: int | None
    shape: tuple[Side, Side, Side]
    names: Annotated[list[Name], Field(min_length=1, max_length=MOST_IMAGES)]
    sizes: Annotated[list[tuple[Side, Side]], Field(min_length=1, max_length=MOST_IMAGES)]
    batches: Annotated[list[Count], Field(min_length=1, max_length=MOST_IMAGES)]
    words: Annotated[int, Field(ge=1, le=1 << 28)]
    precision: Precision
    ties: Annotated[list[tuple[Place, Place, Place]], Field(max_length=MOST_IMAGES)]
    machine: Machine
    probe: Hex
    pixels: Hex
    lossy: Lossy | None = None

    @property
    def count(self) -> int:
        """The number of images."""
        return len(self.names)
