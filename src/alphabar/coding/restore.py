"""Images from x_k: what the model makes of the part of the chain that a lossy file kept (DDPM Alg. 4, Fig. 5)."""

from collections.abc import Callable

import torch
from torch import Tensor

from alphabar import images
from alphabar.coding.dither import Dither
from alphabar.diffusion import Denoiser, SeededNoise, reverse_process
from alphabar.diffusion.samplers import Ancestral


def mean(denoiser: Denoiser, x_k: Tensor, k: int, numbers: range) -> Tensor:
    """x̂_0(x_k), the images of the least squared error; (B, C, H, W)."""
    with torch.no_grad():
        return denoiser(x_k, k).x0


def sample(denoiser: Denoiser, x_k: Tensor, k: int, numbers: range) -> Tensor:
    """Samples of p(x_0 | x_k): x_{k−1}, ..., x_0 of the reverse process, seeded with the numbers; x̂_0 if k = 1."""
    steps = reverse_process(Ancestral(), denoiser, x_k, start=k, noise=SeededNoise(numbers))
    return [step.x for step in steps][-1]


FILLS: dict[str, Callable[[Denoiser, Tensor, int, range], Tensor]] = {"mean": mean, "sample": sample}
"""What fills in x_0 for x_k."""


def restored(denoiser: Denoiser, y: Tensor, k: int, numbers: range, device: torch.device, fill: str = "mean") -> Tensor:
    """The images, uint8 (B, C, H, W), that these y (B, C, H, W) of level k stand for.

    denoiser: of the whole chain. numbers: of the images. fill: a key of FILLS.
    """
    x_k = Dither.at(denoiser.schedule, k).value(y, numbers).float().to(device)
    x_k = x_k.contiguous(memory_format=torch.channels_last)
    return images.to_uint8(FILLS[fill](denoiser, x_k, k, numbers)).cpu()
