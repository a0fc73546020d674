"""denoising-diffusion-pytorch, as its Trainer trains; a network of other layers, of the nearest size."""

from importlib import import_module
from typing import Any

import torch
from benchmarks.race.lucidrains_side import without_torchvision
from benchmarks.speed.made import Made
from benchmarks.speed.workload import TRAIN, Workload
from torch import nn

WIDTHS = {16: 12, 64: 28, 128: 64}
"""Our channels -> its width."""


def make(work: Workload, device: torch.device, tuned: bool) -> Made:
    without_torchvision()
    package: Any = import_module("denoising_diffusion_pytorch.denoising_diffusion_pytorch")
    width = WIDTHS[work.network["channels"]]
    unet = package.Unet(
        dim=width,
        attn_dim_head=min(32, width // 2),
        dim_mults=(1, 2, 4, 8),
        channels=work.image_channels,
        dropout=work.network["dropout"],
    )
    module = package.GaussianDiffusion(unet, image_size=work.shape[1:]).to(device)
    images = torch.rand(work.batch, *work.shape, device=device)
    parameters = sum(p.numel() for p in unet.parameters())
    if work.task == TRAIN:
        return Made(training(module, images), parameters)
    time = torch.full((work.batch,), 500, device=device)
    unet.eval()
    return Made(torch.no_grad()(lambda: unet(images, time)), parameters)


def training(module: Any, images: torch.Tensor) -> Any:
    adam = torch.optim.Adam(module.parameters(), lr=1e-4, betas=(0.9, 0.99))
    ema: Any = import_module("ema_pytorch").EMA(module, beta=0.995, update_every=10)

    def step() -> None:
        module(images).backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        adam.step()
        adam.zero_grad()
        ema.update()

    return step
