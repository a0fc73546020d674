"""Whatever a checkpoint holds, opening it ends at once: in a model whose weights are good, or in one sentence."""

import errno
import json
import os
import shutil
import struct
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from alphabar import config as c
from alphabar import files
from alphabar.errors import AlphabarError
from alphabar.files import whole
from alphabar.runs import checkpoint
from alphabar.runs.model import load_model
from alphabar.sampling.export import export
from alphabar.training import loop
from spoiled_runs import newest, sentence, signed, state
from tiny_settings import TINY

CPU = torch.device("cpu")
MEMORY = 64 << 20


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


HEADERS: dict[str, bytes | Callable[[], bytes]] = {
    "claims 2^63 bytes": struct.pack("<Q", 1 << 63) + b"{}",
    "claims more than there is": struct.pack("<Q", 1 << 20) + b"{}",
    "nested": struct.pack("<Q", 200_000) + b"[" * 200_000,
    "overlapping": header({k: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for k in "ab"}, bytes(4)),
    "a terabyte": header({"a": {"dtype": "F32", "shape": [1 << 38], "data_offsets": [0, 1 << 40]}}),
    "negative": header({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, bytes(4)),
    "no such type": header({"a": {"dtype": "F33", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
    "empty": b"",
    "101 MB of header": lambda: struct.pack("<Q", 101 << 20) + b" " * (101 << 20),
    "a million tensors": lambda: header(
        {str(k): {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for k in range(10**6)}
    ),
    "two of a name": struct.pack("<Q", 104)
    + b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}'
    + bytes(8),
    "a shape that does not fit its bytes": header(
        {"a": {"dtype": "F64", "shape": [3], "data_offsets": [0, 8]}}, bytes(8)
    ),
    "a shape whose size overflows": header(
        {"a": {"dtype": "F32", "shape": [1 << 62, 1 << 62], "data_offsets": [0, 4]}}
    ),
    "a hole": header(
        {k: {"dtype": "F32", "shape": [1], "data_offsets": [o, o + 4]} for k, o in (("a", 0), ("b", 8))}, bytes(12)
    ),
    "no dictionary": struct.pack("<Q", 2) + b"[]",
    "a pickle": b"\x80\x04cos\nsystem\n(S'touch canary'\ntR.",
}


@pytest.mark.parametrize("content", HEADERS.values(), ids=HEADERS)
def test_a_hostile_safetensors_header_is_a_sentence(run: Path, content: bytes | Callable[[], bytes]) -> None:
    """At once: `sentence` measures the time."""
    (newest(run) / "ema-0.995.safetensors").write_bytes(content() if callable(content) else content)
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

    for module in (checkpoint, whole):
        monkeypatch.setattr(module, "open_regular", fails)
    for work in (
        lambda: load_model(run),
        lambda: loop.train(c.load("ddpm_digits", [*TINY, "training.steps=7"]), run, CPU, quiet),
    ):
        with pytest.raises(AlphabarError) as caught:
            work()
        said = str(caught.value)
        assert f"cannot be read: {os.strerror(number)}" in said and "corrupt" not in said and "delete" not in said
    assert sorted(run.rglob("*")) == before


def test_only_what_is_loaded_is_opened(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = checkpoint.open_regular
    for module in (checkpoint, whole):
        monkeypatch.setattr(module, "open_regular", lambda path: opened.append(path.name) or real(path))
    load_model(run)
    assert list(dict.fromkeys(opened)) == ["manifest.json", "state.json", "ema-0.995.safetensors"]
    (newest(run) / "optimizer.safetensors").write_bytes(b"damaged")
    assert load_model(run).step == 6


def test_loading_a_model_reads_no_more_bytes_than_its_weights_have(run: Path) -> None:
    """The other files, of 20 MB here, are not even hashed."""
    save_file({"w": torch.zeros(5_000_000)}, newest(run) / "optimizer.safetensors")
    signed(newest(run))
    wanted = sum((newest(run) / name).stat().st_size for name in ("ema-0.995.safetensors", "state.json"))
    load_model(run)

    def count() -> int:
        return int(Path("/proc/self/io").read_text().split()[1])

    before = count()
    load_model(run)
    assert wanted <= count() - before < wanted + 100_000


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
    """60 of 60, while checkpoints appear and vanish as fast as they can."""
    source, folder, over = newest(run), run / "checkpoints", threading.Event()

    def churn() -> None:
        step = 7
        while not over.is_set():
            fresh = folder / f".new-{step}"
            shutil.copytree(source, fresh)
            content = json.loads((fresh / "state.json").read_text()) | {"step": step}
            (fresh / "state.json").write_text(json.dumps(content))
            signed(fresh).rename(folder / f"step-{step:08d}")
            for path in checkpoint.steps(folder)[:-1]:
                if path != source:
                    checkpoint._discard(path)
            step += 1

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
