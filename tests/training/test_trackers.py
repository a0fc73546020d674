"""A training tells trackers its settings, numbers and pictures, and depends on none of them."""

import io
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from rich.console import Console

from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.training import loop
from alphabar.training.trackers import TRACKERS, tracking
from alphabar.training.trackers.tracker import Session
from alphabar.training.trackers.tracking import Tracking
from tiny_settings import TINY

CPU = torch.device("cpu")


class Notes:
    """A tracker that remembers, and fails where it is told to."""

    sessions: list["Notes"]
    fails_at: str

    def __init__(self, session: Session) -> None:
        self.session, self.id = session, session.id or "an id of its own"
        self.rows: list[tuple[int, dict[str, float]]] = []
        self.images: list[tuple[int, str, bytes]] = []
        self.closed: list[bool] = []

    @classmethod
    def check(cls) -> None:
        return

    @classmethod
    def open(cls, session: Session) -> "Notes":
        cls._may_fail("open")
        cls.sessions.append(cls(session))
        return cls.sessions[-1]

    @classmethod
    def _may_fail(cls, where: str) -> None:
        if cls.fails_at == where:
            raise RuntimeError(f"{where} went wrong\nand a page of advice")

    def scalars(self, step: int, values: dict[str, float]) -> None:
        self._may_fail("scalars")
        self.rows.append((step, dict(values)))

    def image(self, step: int, name: str, picture: Path) -> None:
        self._may_fail("image")
        self.images.append((step, name, picture.read_bytes()))

    def close(self, failed: bool) -> None:
        self._may_fail("close")
        self.closed.append(failed)


@pytest.fixture
def notes(monkeypatch) -> type[Notes]:
    """`Notes`, in the place of TensorBoard."""
    kind = type("Notes", (Notes,), {"sessions": [], "fails_at": ""})
    monkeypatch.setitem(TRACKERS, "tensorboard", kind)
    return kind


def test_a_tracker_gets_the_settings_every_row_and_every_preview(tiny, quiet, tmp_path, notes) -> None:
    config = tiny("training.tracker=tensorboard", "training.sample_every=4")
    assert loop.train(config, tmp_path / "run", CPU, quiet)
    (session,) = notes.sessions
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [{"step": step, **values} for step, values in session.rows] == rows
    assert {"loss", "loss_q1", "loss_q4", "images_per_second", "learning_rate"} <= session.rows[0][1].keys()
    previews = {int(path.stem[5:]): path.read_bytes() for path in (tmp_path / "run" / "samples").glob("step-*.png")}
    assert {step: picture for step, _, picture in session.images} == previews and len(previews) == 2
    assert session.session.settings == config.model_dump(mode="json") and session.closed == [False]


def test_the_scores_of_an_evaluation_go_to_the_trackers_under_a_name_of_their_own(notes, tiny, tmp_path) -> None:
    tracking = Tracking(print)
    tracking.open(tmp_path, tiny("training.tracker=tensorboard"), 0)
    tracking.scalars(5, {"fd": 2.0, "note": "no number", "none": None}, "evaluation/")
    assert notes.sessions[0].rows == [(5, {"evaluation/fd": 2.0})]


def test_a_resumed_run_continues_the_run_of_its_tracker(tiny, quiet, tmp_path, notes) -> None:
    for steps in (4, 6):
        loop.train(tiny("training.tracker=tensorboard", f"training.steps={steps}"), tmp_path / "run", CPU, quiet)
    first, second = notes.sessions
    assert (first.session.id, first.session.step) == (None, 0)
    assert (second.session.id, second.session.step) == ("an id of its own", 4)
    assert [step for step, _ in second.rows] == [6]


@pytest.mark.parametrize("where", ["open", "scalars", "image", "close"])
def test_a_tracker_that_fails_is_warned_of_once_and_does_not_stop_the_training(
    tiny, tmp_path, notes, where: str
) -> None:
    notes.fails_at, told = where, Console(file=io.StringIO(), width=400)
    assert loop.train(tiny("training.tracker=tensorboard", "training.sample_every=2"), tmp_path / "run", CPU, told)
    warnings = [line for line in told.file.getvalue().splitlines() if line.startswith("warning: ")]
    assert warnings == [
        f"warning: tensorboard gets nothing more in this session, because it failed ({where} went wrong)"
    ]
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 3


def test_a_spoiled_file_of_ids_is_named_and_left_as_it_is(tiny, tmp_path, notes) -> None:
    said = list[str]()
    (tmp_path / "trackers.json").write_text("[3]")
    Tracking(said.append).open(tmp_path, tiny("training.tracker=tensorboard"), 0)
    assert not notes.sessions and len(said) == 1 and str(tmp_path / "trackers.json") in said[0]
    assert (tmp_path / "trackers.json").read_text() == "[3]"


def test_only_the_first_process_tracks(tiny, tmp_path, notes, monkeypatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    Tracking(print).open(tmp_path, tiny("training.tracker=tensorboard"), 0)
    assert not notes.sessions


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_that_is_not_installed_is_missed_before_the_training_and_only_if_it_is_chosen(
    tiny, quiet, tmp_path, monkeypatch, name: str
) -> None:
    modules = [module for module in sys.modules if module.split(".")[0] == name]
    for module in [*modules, name, "torch.utils.tensorboard"]:
        monkeypatch.setitem(sys.modules, module, None)
    assert loop.train(tiny(), tmp_path / "run", CPU, quiet)
    with pytest.raises(AlphabarError, match=rf'pip install "alphabar\[{name}\]"'):
        loop.train(tiny(f"training.tracker={name}"), tmp_path / "missing", CPU, quiet)
    assert not (tmp_path / "missing").exists()


def test_wandb_asks_nobody_for_a_key(tiny, tmp_path, monkeypatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    tracking.check(tiny("training.tracker=wandb").training)  # offline
    monkeypatch.setenv("WANDB_MODE", "online")
    with pytest.raises(AlphabarError, match="WANDB_MODE is online, and there is no API key"):
        tracking.check(tiny("training.tracker=wandb").training)


@pytest.mark.parametrize(
    ("written", "trackers"),
    [
        (["training.tensorboard=true"], ("tensorboard",)),
        (["training.tensorboard=false"], ()),
        (["training.tensorboard=true", "training.tracker=wandb"], ("tensorboard", "wandb")),
        (["training.tracker=none"], ()),
        (["training.tracker=trackio"], ("trackio",)),
        (["training.tracker=wandb, mlflow"], ("wandb", "mlflow")),
        (['training.tracker=["wandb", "mlflow"]'], ("wandb", "mlflow")),
    ],
)
def test_one_tracker_a_list_and_the_setting_of_earlier_runs_are_read(written, trackers) -> None:
    assert c.load("ddpm_digits", written).training.tracker == trackers


def test_a_run_may_be_resumed_with_other_trackers(tiny) -> None:
    assert not c.differences(tiny("training.tensorboard=true"), tiny("training.tracker=mlflow"))


def in_tensorboard(run: Path) -> tuple[list[int], int]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    assert "batch_size" in str(events.Tensors("settings/text_summary"))
    return [event.step for event in events.Scalars("loss_q1")], len(events.Images("samples"))


def in_wandb(run: Path) -> tuple[list[int], int]:
    sessions = sorted((run / "wandb").glob(f"offline-run-*-{json.loads((run / 'trackers.json').read_text())['wandb']}"))
    raw = [next(session.glob("*.wandb")).read_bytes() for session in sessions]
    assert len(raw) == 2 and all(b"loss_q1" in part and b"ema_rates" in part for part in raw)
    return [2, 4, 6], len([*(run / "wandb").glob("offline-run-*/files/media/images/samples*.png")])


def in_trackio(run: Path) -> tuple[list[int], int]:
    from trackio.sqlite_storage import SQLiteStorage

    (name,) = SQLiteStorage.get_runs("alphabar")
    rows = SQLiteStorage.get_logs("alphabar", name)
    assert SQLiteStorage.get_run_config("alphabar", name)["training"]["batch_size"] == 8
    return [row["step"] for row in rows if "loss_q1" in row], sum("samples" in row for row in rows)


def in_mlflow(run: Path) -> tuple[list[int], int]:
    from mlflow import MlflowClient

    client, id = MlflowClient(f"file:{run}/mlruns"), json.loads((run / "trackers.json").read_text())["mlflow"]
    assert client.get_run(id).data.params["training.batch_size"] == "8"
    assert client.get_run(id).info.status == "FINISHED"
    pictures = [file.path for file in client.list_artifacts(id, "images") if file.path.endswith(".png")]
    return [point.step for point in client.get_metric_history(id, "loss_q1")], len(pictures)


READERS = {"tensorboard": in_tensorboard, "wandb": in_wandb, "trackio": in_trackio, "mlflow": in_mlflow}


@pytest.mark.heavy
def test_the_real_trackers_keep_a_run_and_continue_it_when_it_is_resumed(tmp_path) -> None:
    names = [name for name in TRACKERS if find_spec(name)]
    if not names:
        pytest.skip("no tracker is installed")
    run, environment = tmp_path / "run", os.environ | {"HOME": str(tmp_path), "TRACKIO_DIR": str(tmp_path / "trackio")}
    environment |= {"MLFLOW_ALLOW_FILE_STORE": "true", "PYTHONPATH": os.pathsep.join(sys.path)}
    environment = {key: value for key, value in environment.items() if not key.startswith("WANDB")}
    for steps in (4, 6):
        command = ["train", "ddpm_digits", "--run", str(run), *TINY, f"training.tracker={','.join(names)}"]
        done = subprocess.run(
            [sys.executable, "-m", "alphabar", *command, f"training.steps={steps}"],
            env=environment, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0 and "warning" not in done.stderr + done.stdout, done.stderr
        assert {"wandb", "trackio", "mlflow"}.isdisjoint(done.stdout.lower().split())
    read = (
        "from test_trackers import READERS; from pathlib import Path; import json\n"
        f"print(json.dumps({{name: READERS[name](Path({str(run)!r})) for name in {names}}}))"
    )
    environment["PYTHONPATH"] += os.pathsep + str(Path(__file__).parent)
    seen = subprocess.run([sys.executable, "-c", read], env=environment, capture_output=True, text=True, timeout=300)
    assert seen.returncode == 0, seen.stderr
    assert json.loads(seen.stdout.splitlines()[-1]) == {name: [[2, 4, 6], 2] for name in names}
