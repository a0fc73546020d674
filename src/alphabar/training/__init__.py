"""Training: a loop that reads from top to bottom, and its state."""

from alphabar.training.dry_run import dry_run
from alphabar.training.loop import train
from alphabar.training.optimizers.ema import EMA
from alphabar.training.state import TrainState

__all__ = ["EMA", "TrainState", "dry_run", "train"]
