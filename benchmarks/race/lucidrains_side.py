"""lucidrains' side: Unet and GaussianDiffusion of denoising-diffusion-pytorch, as its Trainer trains them.

Predicts v on the sigmoid schedule; Adam, learning rate 1e-4, β = (0.9, 0.99); gradients clipped at 1; EMA of 0.995
every ten updates; 16 images per update. It mirrors images by default, and does so here where the recipe does. Its
Trainer tells no classes (its classifier_free_guidance.py, which has no Trainer, does not race). A head of its attention
is half as wide as the U-Net, as at its README's width of 64: with the default of 32 a small U-Net is much slower.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from benchmarks.race.peer import Peer, parameters
from benchmarks.race.trained import Trained, Way
from torch import Tensor, nn

from alphabar import config as c
from alphabar.diffusion import FIXED_SMALL, Denoiser, V, clip, from_betas
from alphabar.sampling.job import Job

WIDTHS = range(6, 257, 2)


def _package() -> tuple[Any, Any]:
    """Its module, and its EMA's.

    It imports torchvision, of which there is no build for every torch, for reading folders and writing grids alone: not
    for the network, the loss or the sampler. Where torchvision is missing, empty modules stand in while it is imported.
    """
    missing = [] if find_spec("torchvision") else ["torchvision", "torchvision.transforms", "torchvision.utils"]
    for name in missing:
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__spec__ = ModuleSpec(name, None)
    if missing:
        whole: Any = sys.modules["torchvision"]
        whole.transforms, whole.utils = (sys.modules[name] for name in missing[1:])
    try:
        package: Any = import_module("denoising_diffusion_pytorch.denoising_diffusion_pytorch")
        averages: Any = import_module("ema_pytorch")
    finally:
        for name in missing:
            del sys.modules[name]  # nobody else is to take it for the real one
    package.tqdm = lambda steps, **_: steps  # it draws a bar for every batch
    return package, averages


package, ema_pytorch = _package()


def options(config: c.Config, facts: c.ImageFacts, dim: int | None, wanted: int) -> dict[str, Any]:
    """Its U-Net of width `dim`, or of the width at which its size is nearest to `wanted` parameters."""
    base = {"dim_mults": [1, 2, 4, 8], "channels": facts.shape[0], "dropout": config.network.dropout}

    def of_width(width: int) -> dict[str, Any]:
        return {"dim": width, "attn_dim_head": width // 2, **base}

    if dim is None:
        with torch.device("meta"):
            sizes = {width: parameters(network(of_width(width))) for width in WIDTHS}
        dim = min(sizes, key=lambda width: abs(sizes[width] - wanted))
    return of_width(dim)


def network(options: dict[str, Any]) -> Any:
    """Its U-Net."""
    return package.Unet(**options | {"dim_mults": tuple(options["dim_mults"])})


class Lucidrains(Peer):
    package, batch_size, flips = "denoising-diffusion-pytorch", 16, True

    def __init__(self, options: dict[str, Any], size: tuple[int, int]) -> None:
        self.options = options
        self.network = package.GaussianDiffusion(network(options), image_size=size)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-4, betas=(0.9, 0.99))
        self.ema = ema_pytorch.EMA(self.network, beta=0.995, update_every=10)

    def update(self, images: Tensor, labels: Tensor | None, used: float) -> None:
        self.network(images.float() / 255).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.update()

    def average(self) -> nn.Module:
        found: nn.Module = self.ema.ema_model.model
        return found


def trained(options: dict[str, Any], weights: dict[str, Tensor], size: tuple[int, int]) -> Trained:
    """Its network as a denoiser of ours, and its own sampler: DDIM in 50 calls, or in its README's 250."""
    unet = network(options)
    unet.load_state_dict(weights)
    diffusion = package.GaussianDiffusion(unet, image_size=size).eval().requires_grad_(False)

    def way(calls: int, slow: bool = False) -> Way:
        return Way(f"lucidrains-ddim-{calls}", calls, lambda batch: draw(diffusion, batch, calls), slow)

    return Trained(denoiser(diffusion), (way(50), way(250, slow=True)))


def denoiser(diffusion: Any) -> Denoiser:
    """Its step t of 0..999 is our t + 1, and its v has our sign."""

    def output(x: Tensor, time: Tensor) -> Tensor:
        v: Tensor = diffusion.model(x, time)
        return v

    return Denoiser(output, from_betas(diffusion.betas), V, FIXED_SMALL, x0_transform=clip)


def draw(diffusion: Any, batch: Job, calls: int) -> Tensor:
    """Its own sampler, whose images lie in [0, 1]."""
    torch.manual_seed(batch.seeds[0])
    diffusion.sampling_timesteps = calls
    x: Tensor = diffusion.ddim_sample((len(batch.seeds), *batch.shape))
    return 2 * x - 1
