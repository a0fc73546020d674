"""lucidrains' side: Unet and GaussianDiffusion of denoising-diffusion-pytorch, as its Trainer trains them.

Predicts v on the sigmoid schedule; Adam, learning rate 1e-4, β = (0.9, 0.99); gradients clipped at 1; EMA of 0.995
every ten updates; 16 images per update. It mirrors images by default, and does so here where the recipe does. Its
Trainer gives the network no classes (its classifier_free_guidance.py, which has no Trainer, does not race). Its
U-Net has the width at which its size is nearest to that of the recipe `fashion_mnist`. A head of its attention is half
as wide as the U-Net, as at its README's width of 64: with the default of 32 a small U-Net is much slower.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from benchmarks.race import peer
from benchmarks.race.task import Task
from torch import Tensor, nn

from alphabar.data import ImageSet

WIDTH = 12
"""1,262,161 parameters for grey images."""


def without_torchvision() -> None:
    """Put empty modules in the place of torchvision, where it is missing: there is no build of it for every torch.

    The package uses it for reading folders and writing grids alone, not for the network, the loss or the sampler.
    """
    names = () if find_spec("torchvision") else ("torchvision", "torchvision.transforms", "torchvision.utils")
    for name in names:
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__spec__ = ModuleSpec(name, None)
        if parent := name.rpartition(".")[0]:
            setattr(sys.modules[parent], name.rpartition(".")[2], sys.modules[name])


class Lucidrains:
    """Its network and its EMA."""

    batch_size, flips = 16, True

    def __init__(self, task: Task, images: ImageSet) -> None:
        without_torchvision()
        package: Any = import_module("denoising_diffusion_pytorch.denoising_diffusion_pytorch")
        package.tqdm = lambda steps, **_: steps  # it shows a bar for every batch
        options = {"channels": images.shape[0], "dropout": task.settings["network"]["dropout"]}
        unet = package.Unet(dim=WIDTH, attn_dim_head=WIDTH // 2, dim_mults=(1, 2, 4, 8), **options)
        self.shape = images.shape
        self.network: Any = package.GaussianDiffusion(unet, image_size=images.shape[1:])
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-4, betas=(0.9, 0.99))
        self.ema: Any = import_module("ema_pytorch").EMA(self.network, beta=0.995, update_every=10)

    def update(self, images: Tensor, used: float) -> None:
        self.network(images.float() / 255).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.update()

    def samplers(self) -> dict[str, peer.Sampler]:
        return {"ddim-50": self.ddim_50}

    def ddim_50(self, count: int) -> Tensor:
        """Its own DDIM, which clips x̂_0 and whose images lie in [0, 1]."""
        diffusion = self.ema.ema_model.eval()
        diffusion.sampling_timesteps = 50
        x: Tensor = diffusion.ddim_sample((count, *self.shape))
        return 2 * x - 1


if __name__ == "__main__":
    peer.run(Task.read(sys.argv[1]), Lucidrains)
