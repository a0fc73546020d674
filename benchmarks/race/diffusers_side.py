"""diffusers' side: UNet2DModel and DDPMScheduler, as its example train_unconditional.py trains them.

AdamW, learning rate 1e-4 after 500 updates of warm-up, then a cosine to 0; gradients clipped at 1; EMAModel; predicts ε
on the linear schedule; 16 images per update; mirrors no images. The script knows no classes: the conditional network is
the same with `num_class_embeds`. Layers, widths and attention are the recipe's, everything else of the network is its
default, but for the groups of its norms: where 32 are too many, as many as alphabar's narrowest level has.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from benchmarks.race.peer import Peer
from benchmarks.race.trained import Trained, Way
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, UNet2DModel
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from alphabar import config as c
from alphabar.diffusion import EPS, FIXED_SMALL, Denoiser, clip, from_betas
from alphabar.images import to_signed
from alphabar.sampling.job import Job

WARM_UP = 500
LEARNING_RATE = 1e-4


def options(config: c.Config, facts: c.ImageFacts, conditional: bool) -> dict[str, Any]:
    """A UNet2DModel with the layers of the recipe's U-Net."""
    section, (channels, height, width) = config.network, facts.shape
    sides = [min(height, width) >> level for level in range(len(section.channel_mult))]
    attends = [side in section.attention_resolutions for side in sides]
    groups = max(n for n in range(1, min(32, section.channels // 2) + 1) if section.channels % n == 0)
    return {
        "sample_size": [height, width],
        "in_channels": channels,
        "out_channels": channels,
        "layers_per_block": section.num_blocks,
        "block_out_channels": [section.channels * multiple for multiple in section.channel_mult],
        "down_block_types": ["AttnDownBlock2D" if a else "DownBlock2D" for a in attends],
        "up_block_types": ["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)],
        "norm_num_groups": groups,
        "dropout": section.dropout,
        "num_class_embeds": len(facts.class_names) if conditional else None,
    }


class Diffusers(Peer):
    package, batch_size, flips = "diffusers", 16, False

    def __init__(self, options: dict[str, Any], learning_rate: float = LEARNING_RATE, warm_up: int = WARM_UP) -> None:
        self.options, self.learning_rate, self.warm_up = options, learning_rate, warm_up
        self.network = UNet2DModel(**options)
        self.scheduler = DDPMScheduler(num_train_timesteps=1000)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=learning_rate, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8
        )
        self.ema = EMAModel(self.network.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)

    def update(self, images: Tensor, labels: Tensor | None, used: float) -> None:
        x0 = to_signed(images)
        noise, t = torch.randn_like(x0), torch.randint(0, 1000, (len(x0),))
        told = labels if self.options["num_class_embeds"] else None
        predicted = self.network(self.scheduler.add_noise(x0, noise, t), t, class_labels=told).sample
        F.mse_loss(predicted, noise).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * self._pace(used)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.step(self.network.parameters())

    def average(self) -> nn.Module:
        network = UNet2DModel(**self.options)
        network.load_state_dict(self.network.state_dict())
        self.ema.copy_to(network.parameters())
        return network

    def _pace(self, used: float) -> float:
        """Of its schedule 'cosine', the part of the budget standing for the steps, whose number nobody knows."""
        if self.updates < self.warm_up:
            self.warm = used
            return self.updates / self.warm_up
        return 0.5 * (1 + math.cos(math.pi * (used - self.warm) / (1 - self.warm)))


def trained(options: dict[str, Any], weights: dict[str, Tensor]) -> Trained:
    """Its network as a denoiser of ours, and its own samplers: DDIM, and DPM-Solver++ (SDE) on Karras's steps.

    The latter clips x̂_0, as DDIM does by default, by what the package calls thresholding, whose default limit is 1.
    """
    network = UNet2DModel(**options)
    network.load_state_dict(weights)
    network.eval().requires_grad_(False)
    ddpm = DDPMScheduler(num_train_timesteps=1000)

    def way(name: str, calls: int, make: Callable[[], Any], slow: bool = False) -> Way:
        return Way(f"diffusers-{name}-{calls}", calls, lambda batch: draw(network, make(), batch, calls), slow)

    def ddim() -> Any:
        return DDIMScheduler.from_config(ddpm.config)

    def dpm() -> Any:
        how = {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True, "thresholding": True}
        return DPMSolverMultistepScheduler.from_config(ddpm.config, **how)

    own = (way("ddim", 50, ddim), way("sde-dpmsolver++", 10, dpm), way("sde-dpmsolver++", 20, dpm))
    return Trained(denoiser(network, ddpm), (*own, way("ddpm", 1000, lambda: ddpm, slow=True)))


def denoiser(network: nn.Module, ddpm: DDPMScheduler) -> Denoiser:
    """Its step t of 0..999 is our t + 1, which is what Denoiser tells a network anyway."""

    def output(x: Tensor, time: Tensor, y: Tensor | None = None) -> Tensor:
        predicted: Tensor = network(x.contiguous(), time, class_labels=y).sample
        return predicted

    return Denoiser(output, from_betas(ddpm.betas), EPS, FIXED_SMALL, x0_transform=clip)


@torch.no_grad()
def draw(network: nn.Module, scheduler: Any, batch: Job, calls: int) -> Tensor:
    """What its pipelines do, which know no classes."""
    torch.manual_seed(batch.seeds[0])
    labels = None if batch.labels is None else torch.tensor(batch.labels)
    x = torch.randn(len(batch.seeds), *batch.shape) * scheduler.init_noise_sigma
    scheduler.set_timesteps(calls)
    for t in scheduler.timesteps:
        predicted = network(scheduler.scale_model_input(x, t), t, class_labels=labels).sample
        x = scheduler.step(predicted, t, x).prev_sample
    return x
