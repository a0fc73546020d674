"""One optimizer update: the whole of DDPM's Algorithm 1, with nothing that makes the host wait for the device."""

import hashlib

import torch
from torch import Tensor

from alphabar import build, images
from alphabar.config import Config
from alphabar.data import Batch
from alphabar.diffusion import Denoiser, training_loss
from alphabar.networks.precision import PRECISIONS, autocast
from alphabar.training.lr import learning_rate
from alphabar.training.state import TrainState


def training_denoiser(config: Config, state: TrainState, device: torch.device) -> Denoiser:
    """The denoiser that the loss looks at: the network under autocast, the tables on the device."""
    network = autocast(state.network, device.type, PRECISIONS[config.training.precision])
    denoiser = build.denoiser(config, network)
    return denoiser if device.type == "mps" else denoiser.to(device)  # MPS knows no float64


def train_step(state: TrainState, denoiser: Denoiser, batch: Batch, total_steps: int | None) -> Tensor:
    """Take `batch` into the weights and averages of `state`; returns the norm of the unclipped gradient."""
    config, device = state.config, next(state.network.parameters()).device
    torch.manual_seed(_seed(config.training.seed, state.step))  # stateless: a resumed run repeats exactly
    x0 = images.to_signed(_upload(batch.images, device)).contiguous(memory_format=torch.channels_last)
    labels = batch.labels if config.network.class_conditional else None
    y = None if labels is None else _upload(labels, device)
    t, weight = state.timestep_sampler.sample(len(x0), denoiser.schedule.alpha_bar.device)
    weight = weight.to(device)
    eps = torch.randn_like(x0)
    if y is not None and config.network.label_dropout:
        withheld = torch.rand(len(y), device=device) < config.network.label_dropout
        y = torch.where(withheld, len(state.facts.class_names), y)

    objective = build.objective(config)
    piece = config.training.micro_batch_size or len(x0)
    for first in range(0, len(x0), piece):
        rows = slice(first, first + piece)
        conditioned = denoiser if y is None else denoiser.given(y[rows])
        losses = training_loss(conditioned, objective, x0[rows], t[rows], eps[rows])
        state.scaler.scale((losses["loss"] * weight[rows]).sum() / len(x0)).backward()  # type: ignore[no-untyped-call]
        state.timestep_sampler.update(t[rows], losses.get("vlb", losses["loss"]).detach())
        state.meter.update(t[rows], losses, weight[rows])

    state.scaler.unscale_(state.optimizer)
    norm = torch.nn.utils.clip_grad_norm_(state.network.parameters(), config.optimizer.clip_norm or torch.inf)
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(config.optimizer, state.step, total_steps)
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.optimizer.zero_grad(set_to_none=True)
    state.ema.update(state.network)
    state.step += 1
    state.images += len(x0)
    return norm


def _upload(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`, without waiting for what the device is doing."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _seed(seed: int, step: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}/{step}".encode(), digest_size=4).digest())
