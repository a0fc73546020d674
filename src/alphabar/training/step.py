"""One optimizer update: the whole of DDPM's Algorithm 1, with nothing that makes the host wait for the device."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from alphabar import build, data, distributed, images
from alphabar.config import Config
from alphabar.data import Batch
from alphabar.diffusion import Denoiser, Objective, training_loss
from alphabar.images import Size
from alphabar.networks import dropout
from alphabar.networks.precision import PRECISIONS, autocast
from alphabar.training.clock.pace import earliest
from alphabar.training.draws import Draws, Randomness
from alphabar.training.mishaps.skipping import learn
from alphabar.training.optimizers.lr import learning_rate
from alphabar.training.parallel import sharding
from alphabar.training.parallel.division import Division
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
    randomness: Randomness
    micro_batch_size: int | None
    exact: bool
    """Whether the micro-batches do not depend on the number of processes."""
    clip_norm: float
    class_conditional: bool
    null_class: int
    """The label that means no class."""
    low_resolution: Size | None
    """(h, w) of the small images of an upsampler."""

    @classmethod
    def of(cls, state: TrainState, device: torch.device, total_steps: int | None) -> "Update":
        """The update of the run that `state` belongs to; AlphabarError for an objective that cannot be trained."""
        config = state.config
        return cls(
            denoiser=training_denoiser(config, state, device),
            objective=build.objective(config),
            learning_rate=partial(learning_rate, config.optimizer),
            total_steps=total_steps,
            randomness=Randomness(
                seed=config.training.seed,
                shape=state.facts.shape,
                label_dropout=config.network.label_dropout if config.network.class_conditional else 0.0,
                augment=config.data.augment,
                dropout_layers=len(dropout.layers(state.network)),
            ),
            micro_batch_size=config.training.micro_batch_size,
            exact=config.parallel.exact,
            clip_norm=config.optimizer.clip_norm or torch.inf,
            class_conditional=config.network.class_conditional,
            null_class=len(state.facts.class_names),
            low_resolution=config.network.low_resolution,
        )

    def division(self, batch: int) -> Division:
        """How a batch of so many images is divided."""
        return Division.of(batch, self.micro_batch_size, self.exact)


def training_denoiser(config: Config, state: TrainState, device: torch.device) -> Denoiser:
    """The denoiser that the loss is computed with: the network under autocast, the tables on the device."""
    network = autocast(state.strategy.network, device.type, PRECISIONS[config.training.precision])
    denoiser = build.denoiser(config, network)
    return denoiser if device.type == "mps" else denoiser.to(device)  # MPS has no float64


def train_step(update: Update, state: TrainState, batch: Batch) -> Tensor:
    """Update the weights and averages of `state` with `batch`; returns the norm of the unclipped gradient.

    All processes call it, each with its share of the batch.
    """
    division, device = update.division(batch.whole or len(batch.images)), state.device
    rows = division.rows
    tables = update.denoiser.schedule.alpha_bar.device
    draws = update.randomness.draws(state.step, division.batch, state.timestep_sampler, device, tables)
    losses = _of_all(_backward(update, state, batch, draws.of(slice(rows.start, rows.stop)), division), division)

    state.scaler.unscale_(state.optimizer)
    norm = sharding.whole(torch.nn.utils.clip_grad_norm_(state.network.parameters(), update.clip_norm))
    rate = state.rate_factor * update.learning_rate(state.step, earliest(update.total_steps, state.pace.end))
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    learn(state, norm, draws.t, losses, draws.weight)
    state.step += 1
    state.images += division.batch
    return norm


def _backward(update: Update, state: TrainState, batch: Batch, draws: Draws, division: Division) -> dict[str, Tensor]:
    """Compute the gradient; the losses of this process's images, as those of `training_loss`."""
    x0, y = on_device(update, batch, state.device)
    if y is not None and draws.loses_label is not None:
        y = torch.where(draws.loses_label, update.null_class, y)
    augmentation = None
    if draws.transformation is not None:
        x0, augmentation = data.transformed(x0, draws.transformation), draws.transformation.label

    parts = []
    for micro_batch in division.own:
        rows = slice(micro_batch.start - division.rows.start, micro_batch.stop - division.rows.start)
        denoiser = build.told(update.denoiser, x0[rows], None if y is None else y[rows], update.low_resolution)
        denoiser = denoiser if augmentation is None else denoiser.augmented(augmentation[rows])
        own = draws.of(rows)
        dropout.follow(state.network, own.dropout_keys)
        with state.strategy.micro_batch(last=micro_batch is division.own[-1]):
            losses = training_loss(denoiser, update.objective, x0[rows], own.t, own.eps)
            loss = (losses["loss"] * own.weight).sum() * (state.strategy.scale / division.batch)
            state.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        parts.append({name: loss.detach() for name, loss in losses.items()})
    dropout.follow(state.network, None)
    state.strategy.finish(division)
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _of_all(losses: Mapping[str, Tensor], division: Division) -> dict[str, Tensor]:
    """The losses of all images of the batch, in its order, from those of this process's images."""
    columns = distributed.in_order(torch.stack(list(losses.values()), dim=1), division.sizes)
    return dict(zip(losses, columns.unbind(1), strict=True))


def on_device(update: Update, batch: Batch, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """x_0 of a batch, float32 in [-1, 1], and its labels, if the network takes them."""
    x0 = images.to_signed(data.sent(batch.images, device)).contiguous(memory_format=torch.channels_last)
    return x0, data.sent(batch.labels, device) if update.class_conditional and batch.labels is not None else None
