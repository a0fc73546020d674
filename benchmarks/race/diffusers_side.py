"""diffusers' side: UNet2DModel and DDPMScheduler, as its example train_unconditional.py trains them.

AdamW, learning rate 1e-4 after 500 updates of warm-up, then a cosine to 0; gradients clipped at 1; EMAModel; predicts ε
on the linear schedule; 16 images per update; mirrors no images, knows no classes. Layers, widths and attention are the
recipe's, everything else of the network is its default, except for the groups of its norms: where 32 are too many, as
many as alphabar's narrowest level has.
"""

import math
import sys
from functools import partial
from importlib import import_module
from typing import Any

import torch
import torch.nn.functional as F
from benchmarks.race import peer
from benchmarks.race.task import Task
from torch import Tensor, nn

from alphabar.data import ImageSet
from alphabar.images import to_signed

diffusers: Any = import_module("diffusers")
EMAModel: Any = import_module("diffusers.training_utils").EMAModel
SDE = {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True, "thresholding": True}
"""DPM-Solver++ (SDE) on Karras's steps. It clips x̂_0, as DDIM does by default: `thresholding` has the limit 1."""


def network(section: dict[str, Any], shape: tuple[int, int, int]) -> Any:
    """A UNet2DModel with the layers of the [network] section of a recipe, for images (C, H, W)."""
    channels, height, width = shape
    base, multiples = section["channels"], section["channel_mult"]
    attends = [min(height, width) >> level in section["attention_resolutions"] for level in range(len(multiples))]
    return diffusers.UNet2DModel(
        sample_size=(height, width),
        in_channels=channels,
        out_channels=channels,
        layers_per_block=section["num_blocks"],
        block_out_channels=tuple(base * multiple for multiple in multiples),
        down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attends),
        up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
        norm_num_groups=max(n for n in range(1, min(32, base // 2) + 1) if base % n == 0),
        dropout=section["dropout"],
    )


class Diffusers:
    """Its network, trained by its script's defaults, or at the learning rate, warm-up and batch size of the recipe."""

    batch_size, flips = 16, False

    def __init__(self, task: Task, images: ImageSet) -> None:
        self.shape, self.network = images.shape, network(task.settings["network"], images.shape)
        self.learning_rate, self.warm_up, self.updates, self.warm = 1e-4, 500, 0, 0.0
        if task.path.name == "diffusers-tuned":
            optimizer, self.batch_size = task.settings["optimizer"], task.settings["training"]["batch_size"]
            self.learning_rate = task.rate or optimizer["learning_rate"]
            self.warm_up = optimizer["warmup_steps"]
        self.scheduler = diffusers.DDPMScheduler(num_train_timesteps=1000)
        parameters = list(self.network.parameters())
        self.optimizer = torch.optim.AdamW(parameters, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8)
        self.ema = EMAModel(parameters, decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)

    def update(self, images: Tensor, used: float) -> None:
        x0 = to_signed(images)
        noise, t = torch.randn_like(x0), torch.randint(0, 1000, (len(x0),))
        predicted = self.network(self.scheduler.add_noise(x0, noise, t), t).sample
        torch.autograd.backward(F.mse_loss(predicted, noise))
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.param_groups[0]["lr"] = self.learning_rate * self.pace(used)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.step(self.network.parameters())
        self.updates += 1

    def pace(self, used: float) -> float:
        """Its schedule 'cosine'; the used fraction of the budget stands for the steps, whose number is not known."""
        if self.updates < self.warm_up:
            self.warm = used
            return self.updates / self.warm_up
        return 0.5 * (1 + math.cos(math.pi * (used - self.warm) / (1 - self.warm)))

    def samplers(self) -> dict[str, peer.Sampler]:
        self.ema.copy_to(self.network.parameters())
        self.network.eval()
        ddim = diffusers.DDIMScheduler.from_config(self.scheduler.config)
        sde = diffusers.DPMSolverMultistepScheduler.from_config(self.scheduler.config, **SDE)
        ways = {"sde-dpmsolver++-10": (sde, 10), "sde-dpmsolver++-20": (sde, 20), "ddim-50": (ddim, 50)}
        return {name: partial(self.sample, *way) for name, way in ways.items()}

    def sample(self, scheduler: Any, calls: int, count: int) -> Tensor:
        """What its pipelines do."""
        x: Tensor = torch.randn(count, *self.shape) * scheduler.init_noise_sigma
        scheduler.set_timesteps(calls)
        for t in scheduler.timesteps:
            x = scheduler.step(self.network(scheduler.scale_model_input(x, t), t).sample, t, x).prev_sample
        return x


if __name__ == "__main__":
    peer.run(Task.read(sys.argv[1]), Diffusers)
