"""Programs that follow trainings: TRACKERS by name. Each is a file here, and needs its extra if it is chosen."""

from alphabar.training.trackers.mlflow import MLflow
from alphabar.training.trackers.tensorboard import TensorBoard
from alphabar.training.trackers.tracker import Tracker
from alphabar.training.trackers.trackio import Trackio
from alphabar.training.trackers.wandb import Wandb

TRACKERS: dict[str, type[Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": Wandb,
    "trackio": Trackio,
    "mlflow": MLflow,
}
"""The trackers, by name."""

__all__ = ["TRACKERS", "Tracker"]
