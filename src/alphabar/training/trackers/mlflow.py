"""MLflow: files in RUN/mlruns, or the server of MLFLOW_TRACKING_URI."""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from alphabar.images import opened
from alphabar.training.trackers.tracker import Session, Tracker, check_installed

ENVIRONMENT = {
    "MLFLOW_ALLOW_FILE_STORE": "true",  # since 3.13 it has to be asked for; SQLite needs more packages
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # its seven retries would hold up the training for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""What MLflow is told where the user says nothing."""
LONGEST = 6000
"""Characters of a parameter, by MLflow's rule."""
AT_ONCE = 100
"""Parameters in one request, by MLflow's rule."""


class MLflow(Tracker):
    """A run of the experiment MLFLOW_EXPERIMENT_NAME, or else alphabar."""

    def __init__(self, client: Any, id: str) -> None:
        self._client, self.id = client, id

    @classmethod
    def check(cls) -> None:
        """AlphabarError if mlflow-skinny, or the whole mlflow, is not installed."""
        check_installed("mlflow", "mlflow", "mlflow")

    @classmethod
    def open(cls, session: Session) -> Self:
        """The run of that id; a new one gets the settings as parameters, which may not change later."""
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient
        from mlflow.entities import Param

        here = (session.folder / "mlruns").absolute().as_uri()
        client = MlflowClient(tracking_uri=os.environ.get("MLFLOW_TRACKING_URI", here))
        if session.id is not None:
            client.update_run(session.id, "RUNNING")
            return cls(client, session.id)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "alphabar")
        experiment = client.get_experiment_by_name(name)
        place = experiment.experiment_id if experiment else client.create_experiment(name)
        id = client.create_run(place, run_name=session.folder.name).info.run_id
        settings = [Param(key, value[:LONGEST]) for key, value in _flat(session.settings)]
        for first in range(0, len(settings), AT_ONCE):
            client.log_batch(id, params=settings[first : first + AT_ONCE])
        return cls(client, id)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """A point on each curve."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self.id, [Metric(name, value, now, step) for name, value in values.items()])

    def image(self, step: int, name: str, picture: Path) -> None:
        """The picture, under its name, with a slider over the steps."""
        with opened(picture) as image:
            self._client.log_image(self.id, image.convert("RGB"), key=name, step=step, synchronous=True)

    def close(self, failed: bool) -> None:
        """Mark the run as ended."""
        self._client.set_terminated(self.id, "FAILED" if failed else "FINISHED")


def _flat(settings: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """("training.batch_size", "128") and so on."""
    for section, values in settings.items():
        yield from ((f"{section}.{key}", str(value)) for key, value in values.items())
