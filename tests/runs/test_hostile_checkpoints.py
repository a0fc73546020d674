"""Whatever a checkpoint holds, opening it ends at once: in a model whose weights are good, or in one sentence."""

import errno
import hashlib
import json
import os
import shutil
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from alphabar import config as c
from alphabar import files
from alphabar.errors import AlphabarError
from alphabar.runs import checkpoint, evaluations
from alphabar.runs.model import load_model
from alphabar.runs.run import Run, read_best
from alphabar.sampling import folder as folders
from alphabar.sampling.export import export
from alphabar.training import loop
from hostile import Change, changes, damaged
from tiny_settings import TINY

CPU = torch.device("cpu")
SECONDS = 1.0
MEMORY = 64 << 20


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the checkpoints of steps 2, 4 and 6."""
    from rich.console import Console

    path = tmp_path_factory.mktemp("hostile") / "run"
    loop.train(c.load("ddpm_digits", TINY), path, CPU, Console(quiet=True))
    return path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


def newest(run: Path) -> Path:
    return run / "checkpoints" / "step-00000006"


def signed(path: Path) -> Path:
    """The checkpoint at `path` with a manifest that is right."""
    names = [file for file in sorted(path.iterdir()) if file.name != "manifest.json" and file.is_file()]
    hashes = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in names}
    (path / "manifest.json").write_text(json.dumps({"files": hashes}))
    return path


def state(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the state of a checkpoint, with a manifest that is right."""
    content = json.loads((path / "state.json").read_text())
    change(content)
    (path / "state.json").write_text(json.dumps(content))
    signed(path)


def sentence(work: Callable[[], object]) -> str:
    started, cpu = time.perf_counter(), time.process_time()
    with pytest.raises(AlphabarError) as caught:
        work()
    assert time.process_time() - cpu < SECONDS and time.perf_counter() - started < 20 * SECONDS
    assert str(caught.value).count("\n") == 0
    return str(caught.value)


# ---- what the manifest says -------------------------------------------------------------------------------------

NAMES = ["/dev/zero", "../../../config.json", "..", "", "a/b", "/etc/passwd", "\0", "x" * 5000]


@pytest.mark.parametrize("name", NAMES)
def test_a_manifest_cannot_name_what_lies_elsewhere(run: Path, name: str) -> None:
    manifest = json.loads((newest(run) / "manifest.json").read_text())
    manifest["files"][name] = "0" * 64
    (newest(run) / "manifest.json").write_text(json.dumps(manifest))
    assert "step-00000006" in sentence(lambda: checkpoint.read(newest(run)).verify())


@pytest.mark.parametrize("kind", ["device", "fifo", "folder", "loop"])
@pytest.mark.parametrize("name", ["manifest.json", "state.json", "ema-0.995.safetensors"])
def test_what_is_no_regular_file_is_never_read(run: Path, name: str, kind: str) -> None:
    path = newest(run) / name
    path.unlink()
    make = {"device": lambda: path.symlink_to("/dev/zero"), "fifo": lambda: os.mkfifo(path), "folder": path.mkdir}
    make.get(kind, lambda: path.symlink_to(path))()
    assert "step-00000006" in sentence(lambda: load_model(run))


JSON = {
    "nested": b'{"files": ' + b"[" * 100_000,
    "digits": b'{"files": ' + b"9" * 5000 + b"}",
    "list": b"[]",
    "null": b"null",
    "no files": b"{}",
    "files that are a list": b'{"files": ["state.json"]}',
    "hashes that are numbers": b'{"files": {"state.json": 7}}',
    "not UTF-8": b'{"files": "\xff"}',
    "NaN": b'{"files": NaN}',
    "empty": b"",
    "17 MB": b" " * 17_000_000,
}


@pytest.mark.parametrize("name", ["manifest.json", "state.json"])
@pytest.mark.parametrize("content", JSON.values(), ids=JSON)
def test_strange_json_is_a_sentence(run: Path, name: str, content: bytes) -> None:
    (newest(run) / name).write_bytes(content)
    if name == "state.json":
        signed(newest(run))
    assert "is corrupt" in sentence(lambda: load_model(run))


# ---- what the state says ----------------------------------------------------------------------------------------

HUGE = {
    "blocks": lambda s: s["config"]["network"].update(num_blocks=100_000),
    "channels": lambda s: s["config"]["network"].update(channels=10**9),
    "levels": lambda s: s["config"]["network"].update(channel_mult=[1] * 500),
    "wide levels": lambda s: s["config"]["network"].update(channel_mult=[1, 10**6]),
    "pixels": lambda s: s["image_facts"].update(shape=[1, 10**6, 10**6]),
    "image channels": lambda s: s["image_facts"].update(shape=[10**9, 8, 8]),
    "steps": lambda s: s["config"]["diffusion"].update(steps=10**9),
}


@pytest.mark.parametrize("change", HUGE.values(), ids=HUGE)
def test_a_huge_network_is_refused_before_memory_is_taken_for_it(run: Path, change: Callable[..., object]) -> None:
    state(newest(run), change)
    tracemalloc.start()
    try:
        sentence(lambda: load_model(run))
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()


COUNTERS = {
    "images missing": lambda s: s.pop("images"),
    "images text": lambda s: s.update(images="12"),
    "images negative": lambda s: s.update(images=-1),
    "images true": lambda s: s.update(images=True),
    "seconds a list": lambda s: s.update(seconds=[1]),
    "updates a fraction": lambda s: s.update(ema_updates=1.5),
    "updates missing": lambda s: s.pop("ema_updates"),
}


@pytest.mark.parametrize("change", COUNTERS.values(), ids=COUNTERS)
def test_a_run_does_not_resume_from_counters_that_are_none(run: Path, change: Callable[..., object], quiet) -> None:
    state(newest(run), change)
    with pytest.raises(AlphabarError, match="is damaged"):
        loop.train(c.load("ddpm_digits", [*TINY, "training.steps=7"]), run, CPU, quiet)


# ---- what the tensors are ---------------------------------------------------------------------------------------

WEIGHTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "NaN": lambda w: torch.full_like(w, torch.nan),
    "infinity": lambda w: torch.full_like(w, -torch.inf),
    "integers": lambda w: w.long(),
    "truth": lambda w: w.bool(),
    "complex": lambda w: w.to(torch.complex64),
    "another shape": lambda w: w[:1].clone(),
    "a scalar": lambda w: w.sum(),
    "empty": lambda w: w[:0].clone(),
}


@pytest.mark.parametrize("change", WEIGHTS.values(), ids=WEIGHTS)
def test_weights_that_are_no_weights_are_refused_whatever_the_manifest_says(run: Path, change) -> None:
    path = newest(run) / "ema-0.995.safetensors"
    tensors = load_file(path)
    key = sorted(tensors)[0]
    tensors[key] = change(tensors[key])
    save_file(tensors, path)
    signed(newest(run))
    said = sentence(lambda: load_model(run))
    assert key in said and "step-00000006" in said


@pytest.mark.parametrize("name", ["network", "optimizer", "meter", "ema-0.995"])
@pytest.mark.parametrize("change", ["renamed", "missing", "more", "NaN", "shape"])
def test_a_run_does_not_resume_from_tensors_that_do_not_fit(run: Path, name: str, change: str, quiet) -> None:
    path = newest(run) / f"{name}.safetensors"
    tensors = load_file(path)
    key = sorted(tensors)[0]
    tensor = tensors[key]
    if change in ("renamed", "missing"):
        del tensors[key]
    if change in ("renamed", "more"):
        tensors["\x1b[31mnew.key.name"] = tensor.clone()
    if change == "NaN":
        tensors[key] = torch.full_like(tensor, torch.nan)
    if change == "shape":
        tensors[key] = torch.zeros(3, 3, 3)
    save_file(tensors, path)
    signed(newest(run))
    with pytest.raises(AlphabarError, match="step-00000006"):
        loop.train(c.load("ddpm_digits", [*TINY, "training.steps=7"]), run, CPU, quiet)


def header(content: dict[str, Any], data: bytes = b"") -> bytes:
    text = json.dumps(content).encode()
    return struct.pack("<Q", len(text)) + text + data


HEADERS = {
    "claims 2^63 bytes": struct.pack("<Q", 1 << 63) + b"{}",
    "claims more than there is": struct.pack("<Q", 1 << 20) + b"{}",
    "nested": struct.pack("<Q", 200_000) + b"[" * 200_000,
    "overlapping": header({k: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for k in "ab"}, bytes(4)),
    "a terabyte": header({"a": {"dtype": "F32", "shape": [1 << 38], "data_offsets": [0, 1 << 40]}}),
    "negative": header({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, bytes(4)),
    "no such type": header({"a": {"dtype": "F33", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
    "empty": b"",
    "a pickle": b"\x80\x04cos\nsystem\n(S'touch canary'\ntR.",
}


@pytest.mark.parametrize("content", HEADERS.values(), ids=HEADERS)
def test_a_hostile_safetensors_header_is_a_sentence(run: Path, content: bytes) -> None:
    (newest(run) / "ema-0.995.safetensors").write_bytes(content)
    signed(newest(run))
    assert "step-00000006" in sentence(lambda: load_model(run))
    assert not list(run.rglob("canary"))


# ---- what cannot be read, and what goes away --------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE, errno.ENOMEM])
def test_a_good_checkpoint_that_cannot_be_read_is_not_called_corrupt_and_not_renamed(
    run: Path, monkeypatch: pytest.MonkeyPatch, quiet, number: int
) -> None:
    before = sorted(run.rglob("*"))

    def fails(path: Path) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(checkpoint, "open_regular", fails)
    for work in (
        lambda: load_model(run),
        lambda: loop.train(c.load("ddpm_digits", [*TINY, "training.steps=7"]), run, CPU, quiet),
    ):
        with pytest.raises(AlphabarError) as caught:
            work()
        said = str(caught.value)
        assert f"cannot be read: {os.strerror(number)}" in said and "corrupt" not in said and "delete" not in said
    assert sorted(run.rglob("*")) == before


def test_only_what_is_loaded_is_hashed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    real = checkpoint._sha256
    monkeypatch.setattr(checkpoint, "_sha256", lambda path: hashed.append(path.name) or real(path))
    load_model(run)
    assert hashed == ["state.json", "ema-0.995.safetensors"]
    (newest(run) / "optimizer.safetensors").write_bytes(b"damaged")
    assert load_model(run).step == 6


@pytest.mark.parametrize("file", ["optimizer.safetensors", "state.json", "manifest.json", "network.safetensors"])
def test_a_run_resumes_from_the_newest_good_checkpoint_and_says_so(run: Path, trained: Path, capsys, file: str) -> None:
    from rich.console import Console

    content = (newest(run) / file).read_bytes()
    (newest(run) / file).write_bytes(content[:-3])
    loop.train(c.load("ddpm_digits", TINY), run, CPU, Console(width=300))
    said = capsys.readouterr().out
    assert "step-00000006 is corrupt" in said and "corrupt-step-00000006" in said and "step-00000004 is used" in said
    assert (newest(run).with_name("corrupt-step-00000006") / file).read_bytes() == content[:-3]  # nothing is deleted
    for name in ("network", "ema-0.995", "optimizer"):
        again, once = (checkpoint.read(newest(path)).verify().tensors(name) for path in (run, trained))
        assert all(torch.equal(again[key], once[key]) for key in once)


def test_if_no_checkpoint_is_good_nothing_is_renamed_and_nothing_begins_anew(run: Path, quiet) -> None:
    for path in checkpoint.steps(run / "checkpoints"):
        (path / "network.safetensors").write_bytes(b"")
    before = sorted(run.rglob("*"))
    with pytest.raises(AlphabarError, match="step-00000006 is corrupt"):
        loop.train(c.load("ddpm_digits", TINY), run, CPU, quiet)
    assert sorted(run.rglob("*")) == before


@pytest.mark.heavy
def test_loading_and_exporting_succeed_beside_a_training_that_prunes(run: Path, tmp_path: Path) -> None:
    """60 of 60, while a training makes a checkpoint every hundredth of a second and keeps the newest two."""
    source, folder, over = newest(run), run / "checkpoints", threading.Event()

    def churn() -> None:
        step = 7
        while not over.is_set():
            fresh = folder / f".new-{step}"
            shutil.copytree(source, fresh)
            content = json.loads((fresh / "state.json").read_text()) | {"step": step}
            (fresh / "state.json").write_text(json.dumps(content))
            signed(fresh).rename(folder / f"step-{step:08d}")
            for path in checkpoint.steps(folder)[:-2]:
                if path != source:
                    checkpoint._discard(path)
            step += 1
            over.wait(0.01)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        seen = [load_model(run).step for _ in range(45)]
        for k in range(15):
            export(run, tmp_path / f"out-{k}")
    finally:
        over.set()
        thread.join()
    assert len(set(seen)) > 1


# ---- leftovers --------------------------------------------------------------------------------------------------


def test_what_killed_processes_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    dead, named, other = (tmp_path / name for name in (".0123456789abcdef.tmp", "x.tmp", ".0123456789abcdeg.tmp"))
    for path in (dead, named, other):
        path.write_bytes(b"half")
    os.mkfifo(tmp_path / ".aaaaaaaaaaaaaaaa.tmp")
    with files.atomic_file(tmp_path / "whole") as file:
        file.write(b"1")
        files.sweep(tmp_path)
        assert len(list(tmp_path.glob(".*.tmp"))) == 3  # the one that is being written, too
    assert (tmp_path / "whole").read_bytes() == b"1"
    assert not dead.exists() and named.exists() and other.exists()


# ---- at random --------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just(1e308)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def edits(draw: st.DrawFn) -> Callable[[Any], Any]:
    """Changes somewhere in a JSON value: another value, or none."""
    picks, value, drop = draw(st.lists(st.integers(0, 50), max_size=4)), draw(VALUES), draw(st.booleans())

    def change(content: Any) -> Any:
        place = content
        for pick in picks[:-1]:
            keys = list(place) if isinstance(place, dict) else range(len(place)) if isinstance(place, list) else []
            if not keys or not isinstance(inner := place[list(keys)[pick % len(keys)]], dict | list):
                break
            place = inner
        keys = list(place) if isinstance(place, dict) else list(range(len(place))) if isinstance(place, list) else []
        if not keys:
            return value
        key = keys[(picks or [0])[-1] % len(keys)]
        if drop:
            del place[key]
        else:
            place[key] = value
        return content

    return change


CHECKPOINT = "checkpoints/step-00000006"
READERS: dict[str, list[Callable[[Path], object]]] = {
    f"{CHECKPOINT}/state.json": [load_model],
    f"{CHECKPOINT}/manifest.json": [load_model, lambda run: checkpoint.newest_good(run / "checkpoints", print)],
    f"{CHECKPOINT}/ema-0.995.safetensors": [load_model],
    "best.json": [lambda run: read_best(Run(run))],
    "evaluations.jsonl": [evaluations.read],
    "generated/settings.json": [lambda run: folders.read(run / "generated")],
}
"""What reads a file, by its name in a run."""
FILES = [name for name in READERS if "json" in name]


def attempt(run: Path, name: str) -> None:
    """What reads the file may succeed, or end in a sentence, at once."""
    for reader in READERS[name]:
        started, cpu = time.perf_counter(), time.process_time()
        try:
            reader(run)
        except AlphabarError as error:
            assert str(error).strip()
        # Other processes may have the cores: of work a second at most, and no waiting for something that never comes.
        assert time.process_time() - cpu < SECONDS and time.perf_counter() - started < 20 * SECONDS


CASES = {"quick": 12, "heavy": 2000}


@pytest.fixture(scope="module")
def victim(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one checkpoint and with every file that is read."""
    path = tmp_path_factory.mktemp("victim") / "run"
    shutil.copytree(trained, path)
    for step in ("step-00000002", "step-00000004"):
        shutil.rmtree(path / "checkpoints" / step)
    (path / "best.json").write_text(json.dumps({"step": 6, "metric": "fd", "value": 1.5, "how": {"count": 3}}))
    (path / "evaluations.jsonl").write_text(json.dumps({"metrics": {"fd": {"value": 1.0}}}) + "\n")
    (path / "generated").mkdir()
    settings_ = {"sampler": "ddim", "steps": 3, "weights_sha256": "0" * 64, "seeds": [0]}
    (path / "generated" / "settings.json").write_text(json.dumps(settings_))
    return path


def spoiled(victim: Path, name: str, content: bytes, is_signed: bool) -> None:
    """Try a run in which one file has another content; the run is as before afterwards."""
    path = victim / name
    before, manifest = path.read_bytes(), newest(victim) / "manifest.json"
    signature = manifest.read_bytes()
    outside = sorted(victim.parent.iterdir())
    try:
        path.write_bytes(content)
        if is_signed:
            signed(newest(victim))
        attempt(victim, name)
    finally:
        for aside in victim.glob("checkpoints/corrupt-*"):
            aside.rename(aside.with_name(aside.name.removeprefix("corrupt-")))
        path.write_bytes(before)
        manifest.write_bytes(signature)
    assert sorted(victim.parent.iterdir()) == outside


def fuzzed(count: int) -> settings:
    return settings(
        max_examples=count, deadline=None, database=None, derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )  # fmt: skip


@pytest.mark.parametrize("cases", [pytest.param(k, marks=[pytest.mark.heavy] if k == "heavy" else []) for k in CASES])
@pytest.mark.parametrize("name", FILES)
def test_json_that_says_anything_ends_at_once(victim: Path, name: str, cases: str) -> None:
    @fuzzed(CASES[cases])
    @given(edits(), changes, st.booleans())
    def check(edit: Callable[[Any], Any], change: list[Change], is_structural: bool) -> None:
        raw = (victim / name).read_bytes()
        if is_structural:
            value = edit(json.loads(raw.splitlines()[0] if name.endswith("l") else raw))
            content = json.dumps(value).replace("1e+308", "9" * 5000).encode("utf-8", "surrogatepass")
        else:
            content = damaged(raw, change)
        spoiled(victim, name, content, is_signed=name.endswith("state.json"))

    check()


@pytest.mark.parametrize("cases", [pytest.param(k, marks=[pytest.mark.heavy] if k == "heavy" else []) for k in CASES])
def test_damaged_weights_end_at_once(victim: Path, cases: str) -> None:
    name = f"{CHECKPOINT}/ema-0.995.safetensors"

    @fuzzed(CASES[cases])
    @given(changes)
    def check(change: list[Change]) -> None:
        spoiled(victim, name, damaged((victim / name).read_bytes(), change), is_signed=True)

    check()
