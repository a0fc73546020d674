"""diffusers: the step of its `train_unconditional.py` and its network; as they run, or tuned in what costs no code."""

import inspect
from importlib import import_module
from typing import Any

import torch
import torch.nn.functional as F
from benchmarks.speed import chains, loading, saving
from benchmarks.speed.made import Made, chosen, pictures
from benchmarks.speed.workload import CHAIN, SAVE, TRAIN, UNITS, Workload
from torch import Tensor, nn

from alphabar.networks.allocator import keep_memory
from alphabar.networks.precision import autocast

diffusers: Any = import_module("diffusers")
EMAModel: Any = import_module("diffusers.training_utils").EMAModel


def make(work: Workload, device: torch.device, tuned: bool) -> Made:
    if work.task in UNITS:
        return beside(work, device)
    if tuned:
        keep_memory()
    module = network(work).to(device)
    module = module.to(memory_format=torch.channels_last) if tuned else module
    return (training if work.task == TRAIN else sampling)(work, device, tuned, module)


def beside(work: Workload, device: torch.device) -> Made:
    """A step of a scheduler, a DataLoader, torch.save."""
    if work.task == CHAIN:
        return chains.theirs(work, device)
    return saving.theirs(work, device) if work.task == SAVE else loading.theirs(work)


def network(work: Workload) -> Any:
    """A UNet2DModel with the layers of the workload's [network], its `ddpm-cifar10-32`'s options where they differ."""
    own = work.network
    base, side = own["channels"], work.shape[-1]
    attends = [side >> level in own["attention_resolutions"] for level in range(len(own["channel_mult"]))]
    return diffusers.UNet2DModel(
        sample_size=side,
        in_channels=work.image_channels,
        out_channels=work.image_channels,
        layers_per_block=own["num_blocks"],
        block_out_channels=tuple(base * multiple for multiple in own["channel_mult"]),
        down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attends),
        up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
        attention_head_dim=None,
        norm_num_groups=min(32, base // 2),
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
        norm_eps=1e-6,
        dropout=own["dropout"],
    )


def averages(module: nn.Module, tuned: bool) -> Any:
    options = {"decay": 0.9999, "use_ema_warmup": True, "inv_gamma": 1.0, "power": 0.75}
    if tuned and "foreach" in inspect.signature(EMAModel).parameters:
        options["foreach"] = True
    return EMAModel(module.parameters(), **options)


def training(work: Workload, device: torch.device, tuned: bool, module: nn.Module) -> Made:
    scheduler, ema = diffusers.DDPMScheduler(num_train_timesteps=1000), averages(module, tuned)
    options: Any = {"fused": True} if tuned else {}
    parameters = list(module.parameters())
    adamw = torch.optim.AdamW(parameters, lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8, **options)
    x0 = pictures(work.shape, work.batch, device)
    x0 = x0.contiguous(memory_format=torch.channels_last) if tuned else x0

    def backward(dtype: torch.dtype | None) -> None:
        noise, t = torch.randn_like(x0), torch.randint(0, 1000, (work.batch,), device=device)
        call = autocast(lambda x, time: module(x, time).sample, device.type, dtype)
        torch.autograd.backward(F.mse_loss(call(scheduler.add_noise(x0, noise, t), t), noise))

    def measured(dtype: torch.dtype | None) -> None:
        backward(dtype)
        adamw.zero_grad()

    def step() -> None:
        backward(dtype)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        adamw.step()
        adamw.zero_grad()
        ema.step(parameters)

    dtype, *said = chosen(measured, device) if tuned else (None,)
    return Made(step, sum(p.numel() for p in parameters), *said)


def sampling(work: Workload, device: torch.device, tuned: bool, module: nn.Module) -> Made:
    x, t = pictures(work.shape, work.batch, device), torch.tensor(500, device=device)
    x = x.contiguous(memory_format=torch.channels_last) if tuned else x
    module.eval()

    @torch.no_grad()
    def call(dtype: torch.dtype | None) -> Tensor:
        return autocast(lambda x, time: module(x, time).sample, device.type, dtype)(x, t)

    dtype, *said = chosen(call, device) if tuned else (None,)
    return Made(lambda: call(dtype), sum(p.numel() for p in module.parameters()), *said)
