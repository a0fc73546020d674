"""Steps that do not fit into memory are made in smaller micro-batches; the batch, and so the result, stays the same."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import torch
from torch import Tensor

from alphabar import distributed
from alphabar.data import Batch
from alphabar.errors import AlphabarError
from alphabar.training.planning.probe import images_per_second
from alphabar.training.state import TrainState
from alphabar.training.step import Update

Step = Callable[[Update, TrainState, Batch], Tensor]
LEAST_SIDE = 8


def fitting(step: Step, update: Update, state: TrainState, batch: Batch) -> tuple[Update, Tensor]:
    """What `step` returns, and the update that it was made with: `update`, or one with smaller micro-batches.

    AlphabarError if not even one image fits. torch.OutOfMemoryError if weights may have changed already, and on several
    processes, of which the others go on.
    """
    while True:
        with suppress(torch.OutOfMemoryError):  # its traceback holds the tensors, so that it must be gone first
            return update, step(update, state, batch)
        if state.is_changing or distributed.world_size() > 1:
            raise torch.OutOfMemoryError(f"{state.device} is out of memory at step {state.step}")
        state.optimizer.zero_grad(set_to_none=True)
        if state.device.type == "cuda":
            torch.cuda.empty_cache()
        size = max(map(len, update.division(len(batch.images)).own))
        if size == 1:
            raise _too_large(state)
        update = replace(update, micro_batch_size=(size + 1) // 2)


def _too_large(state: TrainState) -> AlphabarError:
    channels, height, width = state.facts.shape
    fits = _largest(state, (height, width))
    remedy = (
        f"{channels}x{fits[0]}x{fits[1]} does: choose data.image_size={min(fits)}" if fits else "choose smaller ones"
    )
    return AlphabarError(
        f"Not even one image of {channels}x{height}x{width} fits into the memory of {state.device} with this network; "
        f"{remedy}, a smaller network.channels, or network.gradient_checkpointing=true."
    )


def _largest(state: TrainState, size: tuple[int, int]) -> tuple[int, int] | None:
    """The largest (H, W) of which one image fits: half of `size`, a quarter, ...; None if none is found."""
    training = state.config.training.model_copy(update={"batch_size": 1})
    config = state.config.model_copy(update={"training": training})
    while min(size) >= 2 * LEAST_SIDE:
        size = (size[0] // 2, size[1] // 2)
        with suppress(torch.OutOfMemoryError, AlphabarError):
            images_per_second(config, size, state.device)
            return size
    return None
