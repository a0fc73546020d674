"""Whether a training has diverged. It is asked before a checkpoint is written, so that the last one stays good."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from alphabar import build, distributed
from alphabar.config import Config
from alphabar.data import Batch
from alphabar.diffusion import training_loss
from alphabar.errors import DivergedError
from alphabar.training.state import TrainState
from alphabar.training.step import Update, on_device

MOST_SKIPPED = 20
"""Updates in a row whose gradient overflows in fp16. Each halves the loss scale, and a few of them are usual; after 20
the scale is a millionth of what it was, so that it is not the scale that makes them overflow."""
HOPELESS = 100.0
"""How many times the loss of a network that outputs 0 the loss may be. That network is where every training starts, and
a spike of a training that recovers stays far below; weights that one too large update has thrown to 1e3 are at 1e6."""
IMAGES = 32
"""How many images of the last batch the loss is computed of: one forward pass for each checkpoint."""


def check_update(state: TrainState, saved_step: int | None, last: bool) -> None:
    """DivergedError if too many steps in a row were skipped, as their loss or gradient was not finite.

    last: whether the run ends here, which it must not without a single update.
    """
    skipped, in_fp16 = int(state.skips.in_a_row), state.scaler.is_enabled()
    most = MOST_SKIPPED - 1 if in_fp16 else state.config.training.bad_steps
    if skipped > most or (last and skipped == state.step > 0):
        why = (
            f"the loss or its gradient is not finite in the last {skipped} updates by step {state.step}, which were "
            "skipped"
        )
        raise _diverged(why, state.config, saved_step)


def check_weights(update: Update, state: TrainState, batch: Batch, saved_step: int | None) -> None:
    """DivergedError if the network is far worse than one that outputs 0.

    A finite loss says nothing of the weights that were updated after it: an update can throw them to 1e20.
    """
    loss, zero = _losses(update, state, batch)
    if any(distributed.highest(not loss <= HOPELESS * max(zero, 1))):  # each process looks at its own images
        check_finite(state.config, state.tensors(), state.step, saved_step)
        why = f"the loss at step {state.step} is {loss:.3g}, and that of a network that outputs 0 is {zero:.3g}"
        raise _diverged(why, state.config, saved_step)


def check_finite(config: Config, files: Mapping[str, Mapping[str, Tensor]], step: int, saved_step: int | None) -> None:
    """DivergedError if a tensor of the checkpoint of `step` is not finite."""
    for name, tensors in files.items():
        if not all(tensor.isfinite().all() for tensor in tensors.values()):
            raise _diverged(f"'{name}' is not finite at step {step}", config, saved_step)


@torch.no_grad()
def _losses(update: Update, state: TrainState, batch: Batch) -> tuple[float, float]:
    """The loss of the present weights over evenly spaced t, and that of a network that outputs 0."""
    x0, y = on_device(update, batch, state.device)
    x0 = x0[: min(IMAGES, update.micro_batch_size or IMAGES)]
    denoiser = build.told(update.denoiser, x0, None if y is None else y[: len(x0)], update.low_resolution)
    T = denoiser.schedule.T
    t = torch.linspace(1, T, len(x0)).round().long().to(denoiser.schedule.alpha_bar.device)
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0)).to(x0)
    copies = 2 if denoiser.variance.learned else 1
    zero = replace(denoiser, network=lambda x, _: torch.zeros_like(x).repeat(1, copies, 1, 1))
    now, idle = (training_loss(each, update.objective, x0, t, eps)["loss"].mean() for each in (denoiser, zero))
    return float(now), float(idle)


def _diverged(why: str, config: Config, saved_step: int | None) -> DivergedError:
    kept = f"the checkpoint of step {saved_step} is kept" if saved_step else "no checkpoint was written yet"
    again = "resume" if saved_step else "start again"
    half = config.training.precision != "fp32"
    fp32 = ", or training.precision=fp32" if half else ""
    remedies = ["a smaller optimizer.learning_rate", "a longer optimizer.warmup_steps", "a smaller optimizer.clip_norm"]
    listed = ", ".join(remedies) + fp32 if half else f"{', '.join(remedies[:-1])} or {remedies[-1]}"
    return distributed.said_once(DivergedError(f"Training diverged: {why} ({kept}); {again} with {listed}."))
