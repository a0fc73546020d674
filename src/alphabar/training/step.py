"""One optimizer update: the whole of DDPM's Algorithm 1, with nothing that makes the host wait for the device."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from alphabar import build, data, images, seeds
from alphabar.config import Config
from alphabar.data import Batch
from alphabar.diffusion import Denoiser, Objective, training_loss
from alphabar.networks.precision import PRECISIONS, autocast
from alphabar.training.lr import learning_rate
from alphabar.training.pace import earliest
from alphabar.training.skipping import learn
from alphabar.training.state import TrainState


@dataclass(frozen=True)
class Update:
    """What every update of a run shares, built once from its config."""

    denoiser: Denoiser
    objective: Objective
    learning_rate: Callable[[int, int | None], float]
    """(step, the step at which the run ends) -> the learning rate of the update from `step` to step + 1."""
    total_steps: int | None
    """The step at which the run ends if its time does not end it before."""
    seed: int
    micro_batch_size: int | None
    clip_norm: float
    class_conditional: bool
    label_dropout: float
    null_class: int
    """The label that means no class."""
    augment: float
    """The probability of each transformation of an image."""

    @classmethod
    def of(cls, state: TrainState, device: torch.device, total_steps: int | None) -> "Update":
        """The update of the run that `state` belongs to; AlphabarError for an objective that cannot be trained."""
        config = state.config
        return cls(
            denoiser=training_denoiser(config, state, device),
            objective=build.objective(config),
            learning_rate=partial(learning_rate, config.optimizer),
            total_steps=total_steps,
            seed=config.training.seed,
            micro_batch_size=config.training.micro_batch_size,
            clip_norm=config.optimizer.clip_norm or torch.inf,
            class_conditional=config.network.class_conditional,
            label_dropout=config.network.label_dropout,
            null_class=len(state.facts.class_names),
            augment=config.data.augment,
        )


def training_denoiser(config: Config, state: TrainState, device: torch.device) -> Denoiser:
    """The denoiser that the loss is computed with: the network under autocast, the tables on the device."""
    network = autocast(state.network, device.type, PRECISIONS[config.training.precision])
    denoiser = build.denoiser(config, network)
    return denoiser if device.type == "mps" else denoiser.to(device)  # MPS has no float64


def train_step(update: Update, state: TrainState, batch: Batch) -> Tensor:
    """Update the weights and averages of `state` with `batch`; returns the norm of the unclipped gradient."""
    denoiser, device = update.denoiser, state.device
    torch.manual_seed(seeds.derived(update.seed, state.step))  # stateless: a resumed run repeats exactly
    x0, y = on_device(update, batch, device)
    t, weight = state.timestep_sampler.sample(len(x0), denoiser.schedule.alpha_bar.device)
    weight = weight.to(device)
    eps = torch.randn_like(x0)
    if y is not None and update.label_dropout:
        is_dropped = torch.rand(len(y), device=device) < update.label_dropout
        y = torch.where(is_dropped, update.null_class, y)
    augmentation = None
    if update.augment:
        x0, augmentation = data.augmented(x0, update.augment)

    parts: list[dict[str, Tensor]] = []
    size = update.micro_batch_size or len(x0)
    for first in range(0, len(x0), size):
        rows = slice(first, first + size)
        conditioned = denoiser if y is None else denoiser.given(y[rows])
        conditioned = conditioned if augmentation is None else conditioned.augmented(augmentation[rows])
        losses = training_loss(conditioned, update.objective, x0[rows], t[rows], eps[rows])
        state.scaler.scale((losses["loss"] * weight[rows]).sum() / len(x0)).backward()  # type: ignore[no-untyped-call]
        parts.append({name: loss.detach() for name, loss in losses.items()})
    losses = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    state.scaler.unscale_(state.optimizer)
    norm = torch.nn.utils.clip_grad_norm_(state.network.parameters(), update.clip_norm)
    rate = state.rate_factor * update.learning_rate(state.step, earliest(update.total_steps, state.pace.end))
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    learn(state, norm, t, losses, weight)
    state.step += 1
    state.images += len(x0)
    return norm


def on_device(update: Update, batch: Batch, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """x_0 of a batch, float32 in [-1, 1], and its labels, if the network takes them."""
    x0 = images.to_signed(_upload(batch.images, device)).contiguous(memory_format=torch.channels_last)
    return x0, _upload(batch.labels, device) if update.class_conditional and batch.labels is not None else None


def _upload(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`, without waiting for work that the device still does."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
