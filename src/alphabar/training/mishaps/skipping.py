"""The last part of a step, left out if its loss or gradient is not finite: only the count of steps changes then.

All of it stays on the device, so that the host waits for no step; on a CPU, where nothing waits, it simply branches.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from alphabar.training.state import TrainState

BRANCHING = {"cpu"}
"""Devices that the host does not wait for when it looks at a number."""


def learn(state: TrainState, norm: Tensor, t: Tensor, losses: Mapping[str, Tensor], weight: Tensor) -> None:
    """Update weights, averages, timestep sampler and meter of `state`, unless a loss or the gradient is not finite.

    norm: () of the gradient, which lies in the network. losses: (B,) each, by name, at steps t (B,) with their weights
    (B,), of the whole batch. In fp16 only the losses count: the gradient overflows now and then, and the scaler sees
    to that.
    """
    in_fp16 = state.scaler.is_enabled()
    learnt = torch.stack([loss.isfinite().all() for loss in losses.values()]).all()
    finite = learnt & norm.isfinite()
    state.skips.note(finite, t, state.step, state.images)
    state.is_copied.wait()
    state.is_changing = True
    if in_fp16 or norm.device.type not in BRANCHING:
        _learn_if(learnt if in_fp16 else finite, state, t, losses, weight)
    elif finite:
        state.timestep_sampler.update(t, losses.get("vlb", losses["loss"]))
        state.meter.update(t, losses, weight)
        _update(state, None)
    state.is_changing = False
    state.optimizer.zero_grad(set_to_none=True)


def _learn_if(good: Tensor, state: TrainState, t: Tensor, losses: Mapping[str, Tensor], weight: Tensor) -> None:
    """Learn where `good`, a truth value () on the device, is true; else all tensors stay what they are."""
    if not state.scaler.is_enabled():  # which does the same
        state.optimizer.grad_scale = None  # type: ignore[attr-defined]
        state.optimizer.found_inf = (~good).float()  # type: ignore[attr-defined]
    left_out = {name: torch.where(good, loss, torch.nan) for name, loss in losses.items()}
    state.timestep_sampler.update(t, left_out.get("vlb", left_out["loss"]))
    no_share = {name: torch.where(good, loss, 0) for name, loss in losses.items()}
    state.meter.update(t, no_share, torch.where(good, weight, 0))
    _update(state, good)


def _update(state: TrainState, good: Tensor | None) -> None:
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.ema.update(state.network, good)
