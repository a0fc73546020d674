"""Files of a run that are changed at random: a reader ends in a value or a sentence, soon, in little memory, in place.

Each test runs in a process of its own, whose memory is limited. A case may change a value of JSON, a header of
safetensors, or bytes; the manifest is right all the same, so that the reader gets to see it.
"""

import functools
import io
import json
import os
import resource
import shutil
import signal
import struct
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from rich.console import Console

from alphabar import config as c
from alphabar.api.live import View
from alphabar.data import DataOptions
from alphabar.editing import latents
from alphabar.errors import is_sentence
from alphabar.evaluation import subjects
from alphabar.figures.steps import Cell, known
from alphabar.runs import checkpoint
from alphabar.runs.model import LoadedModel, load_model
from alphabar.runs.resuming import own_settings
from alphabar.runs.run import Run, described, read_best
from alphabar.sampling import analytic_variance
from alphabar.sampling.pipeline import Pipeline
from alphabar.sampling.to_folder import Plan, fill
from alphabar.training import log
from alphabar.training.progress import progress
from alphabar.training.state import TrainState
from fuzz import often
from hostile import changes, damaged
from quick import is_quick
from spoiled_runs import SECONDS, edits, signed
from tiny_settings import TINY

MEMORY = 512 << 20
"""Bytes beyond what the process holds before the first case."""
CASES = often(500)
"""2,000 in CI, which says FUZZ=4."""
CHECKPOINT = Path("checkpoints/step-00000006")
SAMPLES = Path("generated/three")
LATENTS = Path("latents.safetensors")
ANALYTIC = Path("analytic/step-00000006-ema-0.995.json")


def model_of(run: Path) -> object:
    model = load_model(run)
    return Pipeline.of(model).settings(), model.class_names


loaded = functools.cache(load_model)
"""The model of a run whose checkpoint is not changed."""


def training_of(run: Path) -> object:
    saved = checkpoint.newest_good(run / "checkpoints", lambda line: None)
    assert saved is not None
    described(saved)
    return training().restore(saved)


@functools.cache
def training() -> TrainState:
    return TrainState(c.load("ddpm_digits", TINY), FACTS, torch.device("cpu"))


def samples_of(run: Path) -> object:
    return subjects.of_path(run / SAMPLES, DataOptions(), None)


def filled(run: Path) -> object:
    pipeline = Pipeline.of(loaded(run))
    return fill(Plan.of(pipeline, pipeline.job(range(3)), run / SAMPLES))


def steps_of(run: Path) -> object:
    return known(loaded(run), Cell("ddim", {"sampler": "ddim"}, 3), 3, "0" * 64, "fd")


def _key_of(model: LoadedModel) -> dict[str, object]:
    return analytic_variance._key(analytic_variance._measurement(model))


def variance_of(run: Path) -> object:
    measurement = analytic_variance._measurement(loaded(run))
    assert measurement.path == run / ANALYTIC
    key = _key_of(loaded(run))
    return measurement.kept(key, analytic_variance.ERRORS, partial(analytic_variance._parsed, key["steps"]))


def best_of(run: Path) -> object:
    best = read_best(Run(run))
    return best and (f"{best.step:08d}", best.value < 1.0, dict(best.how))


def logged(run: Path) -> None:
    state = training()
    state.step, state.images = 6, 48
    with log.Log(run, run / "metrics.jsonl", state, 6, 100, Console(file=io.StringIO())):
        pass


def followed(run: Path) -> str:
    return repr(View(progress(run)))


def latents_of(run: Path) -> object:
    read, pipeline = latents.load(run / LATENTS, loaded(run))
    return read.isfinite().all().item(), pipeline.settings()


FACTS = c.ImageFacts(shape=(1, 8, 8), class_names=tuple(map(str, range(10))), fingerprint="")
READERS: dict[str, tuple[Path, Callable[[Path], object]]] = {
    "state and model": (CHECKPOINT / "state.json", model_of),
    "state and training": (CHECKPOINT / "state.json", training_of),
    "manifest and model": (CHECKPOINT / "manifest.json", model_of),
    "manifest and training": (CHECKPOINT / "manifest.json", training_of),
    "average": (CHECKPOINT / "ema-0.995.safetensors", model_of),
    "network": (CHECKPOINT / "network.safetensors", training_of),
    "optimizer": (CHECKPOINT / "optimizer.safetensors", training_of),
    "meter": (CHECKPOINT / "meter.safetensors", training_of),
    "best": (Path("best.json"), best_of),
    "evaluations": (Path("evaluations.jsonl"), steps_of),
    "settings and evaluation": (SAMPLES / "settings.json", samples_of),
    "settings and sampling": (SAMPLES / "settings.json", filled),
    "image and evaluation": (SAMPLES / "seed-000001.png", samples_of),
    "image and sampling": (SAMPLES / "seed-000001.png", filled),
    "variance": (ANALYTIC, variance_of),
    "metrics and training": (Path("metrics.jsonl"), logged),
    "metrics and looking": (Path("metrics.jsonl"), followed),
    "latents": (LATENTS, latents_of),
    "own settings": (Path("config.json"), own_settings),
}
"""A file of a run, and what reads it."""


@pytest.fixture(scope="module")
def whole(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one checkpoint and every file that is read."""
    run = shutil.copytree(trained, tmp_path_factory.mktemp("whole") / "run")
    for step in ("step-00000002", "step-00000004"):
        shutil.rmtree(run / "checkpoints" / step)
    filled(run)
    model = load_model(run)
    (run / "best.json").write_text(json.dumps({"step": 6, "metric": "fd", "value": 1.5, "how": {"count": 3}}))
    about = Pipeline.of(model, {"sampler": "ddim"}).settings() | {"seeds": "0-2"}
    of = {"reference": {"is_what_was_trained_on": True, "split": "train"}, "extractor": {"weights_sha256": "0" * 64}}
    row = {"images": about, **of, "metrics": {"fd": {"value": 1.0, "interval": [0.5, 1.5]}}}
    (run / "evaluations.jsonl").write_text(json.dumps(row) + "\n")
    pipeline = Pipeline.of(model, {"sampler": "ddim"})
    latents.save(run / LATENTS, torch.zeros(2, 1, 8, 8), pipeline)
    (run / "analytic").mkdir()
    errors = {str(t): {"value": 0.5, "standard_error": 0.1} for t in (1, 7, 20)}
    (run / ANALYTIC).write_text(json.dumps(_key_of(model) | {analytic_variance.ERRORS: errors}))
    return run


def changed(path: Path, raw: bytes, edit: Callable[[Any], Any]) -> bytes:
    """The file with a change to the JSON in it."""
    if path.suffix == ".safetensors":
        end = 8 + struct.unpack("<Q", raw[:8])[0]
        text = json.dumps(edit(json.loads(raw[8:end]))).encode("utf-8", "surrogatepass")
        return struct.pack("<Q", len(text)) + text + raw[end:]
    if path.suffix == ".png":
        path.write_bytes(raw)
        with Image.open(path) as picture:
            info, about, copy = PngInfo(), dict(picture.text), picture.copy()  # type: ignore[attr-defined]
        about["alphabar"] = json.dumps(edit(json.loads(about["alphabar"])))
        for key, value in about.items():
            info.add_text(key, value)
        copy.save(path, pnginfo=info)
        return path.read_bytes()
    line = raw.splitlines()[0] if path.suffix == ".jsonl" else raw
    return json.dumps(edit(json.loads(line))).replace("1e+308", "9" * 5000).encode("utf-8", "surrogatepass")


def seen(run: Path) -> list[Path]:
    """What lies beside the run, and the folders in it."""
    return sorted([*run.parent.iterdir(), *(path for path in run.rglob("*") if path.is_dir())])


def now(path: Path) -> tuple[int, int, int]:
    """What differs when a file has changed; zeros if there is none."""
    if not path.exists():
        return 0, 0, 0
    about = path.stat()
    return about.st_ino, about.st_mtime_ns, about.st_size


def attempts(whole: Path, run: Path, name: Path, reader: Callable[[Path], object]) -> None:
    path, raw = run / name, (whole / name).read_bytes()
    contents = {run / file.relative_to(whole): file.read_bytes() for file in whole.rglob("*") if file.is_file()}
    written = dict.fromkeys(contents, (0, 0, 0))

    @settings(
        max_examples=CASES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(edits(), changes, st.booleans())
    def attempt(edit: Callable[[Any], Any], change: list[Any], is_structural: bool) -> None:
        for place, content in contents.items():
            if now(place) != written[place]:
                place.write_bytes(content)
                written[place] = now(place)
        path.write_bytes(changed(path, raw, edit) if is_structural else damaged(raw, change))
        if name.parent == CHECKPOINT and name.name != "manifest.json":
            signed(path.parent)
        before = seen(run)
        assert is_quick(lambda: read_or_refused(run), SECONDS)
        assert seen(run) == before

    def read_or_refused(run: Path) -> None:
        signal.alarm(30)  # a hang takes no time of the processor
        try:
            reader(run)
        except ValueError as error:
            if not is_sentence(error):
                raise
            assert str(error).strip() and len(str(error).splitlines()) == 1
        signal.alarm(0)

    reader(run)  # imports, and the first use of a kernel
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    attempt()


@pytest.mark.heavy
@pytest.mark.parametrize("reading", READERS)
def test_a_run_that_says_anything_is_read_or_refused(whole: Path, tmp_path: Path, reading: str) -> None:
    name, reader = READERS[reading]
    run, report = tmp_path / "place" / "run", tmp_path / "report"
    run.parent.mkdir()
    shutil.copytree(whole, run)
    child = os.fork()
    if child == 0:
        try:
            attempts(whole, run, name, reader)
            report.write_text("good")
        except BaseException:
            report.write_text(traceback.format_exc())
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0 and report.read_text() == "good", report.read_text() if report.exists() else status
