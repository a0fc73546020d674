"""Twelve files that would run code if they were unpickled, given to everything that reads files: none of it runs."""

import io
import pickle
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alphabar.data import DataOptions, load
from alphabar.errors import AlphabarError
from alphabar.runs import checkpoint
from alphabar.runs.model import load_model

SECONDS = 1.0


class Payload:
    """What its pickle calls."""

    def __init__(self, call: Callable[..., object], *arguments: object) -> None:
        self.call = call, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def gadget(module: str, name: str, argument: str) -> bytes:
    return f"c{module}\n{name}\n(S{argument!r}\ntR.".encode()


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return file.getvalue()


def saved(value: object, how: Callable[[Any, Any], None]) -> bytes:
    file = io.BytesIO()
    how(file, value)
    return file.getvalue()


def payloads(canary: Path) -> dict[str, bytes]:
    """Files by what is in them; each makes the file `canary` if it is unpickled."""
    touch, shell = Payload(Path.touch, canary), f"touch {canary}"
    plain = pickle.dumps(touch)
    return {
        "reduce": plain,
        "os.system": gadget("os", "system", shell),
        "posix.system": gadget("posix", "system", shell),
        "eval": gadget("builtins", "eval", f"open({str(canary)!r}, 'w')"),
        "subprocess": pickle.dumps(Payload(eval, f"__import__('subprocess').run(['touch', {str(canary)!r}])")),
        "in a dictionary": pickle.dumps({b"data": touch, b"labels": [0]}),
        "stack of globals": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c"
        + bytes([len(shell)])
        + shell.encode()
        + b"\x85R.",
        "object array": saved(np.array([touch], dtype=object), lambda file, value: np.save(file, value)),
        "archive of object arrays": saved(
            np.array([touch], dtype=object), lambda file, value: np.savez(file, arr_0=value)
        ),
        "torch": saved({"w": touch}, lambda file, value: torch.save(value, file)),
        "old torch": saved(touch, lambda file, value: torch.save(value, file, _use_new_zipfile_serialization=False)),
        "archive in an archive": zipped(data_zip=zipped(archive__data_pkl=plain), archive__data_pkl=plain),
    }


WHAT = list(payloads(Path("/nonexistent")))


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from rich.console import Console

    from alphabar.training import loop

    path = tmp_path_factory.mktemp("trained") / "run"
    loop.train(tiny("training.steps=2"), path, torch.device("cpu"), Console(quiet=True))
    return path


def refused(work: Callable[[], object]) -> None:
    began = time.process_time()
    with pytest.raises(AlphabarError) as caught:
        work()
    assert time.process_time() - began < SECONDS and "\n" not in str(caught.value)


@pytest.mark.parametrize("what", WHAT)
def test_row_05_no_reader_runs_what_a_file_holds(run: Path, tmp_path: Path, what: str) -> None:
    from spoiled_runs import signed

    canary = tmp_path / "canary"
    content = payloads(canary)[what]
    copy = shutil.copytree(run, tmp_path / "run")
    path = copy / "checkpoints" / "step-00000002"
    for name in ("ema-0.995.safetensors", "state.json", "manifest.json"):
        whole = {file: file.read_bytes() for file in path.iterdir()}
        (path / name).write_bytes(content)
        if name != "manifest.json":
            signed(path)
        refused(lambda: load_model(copy))
        refused(lambda: checkpoint.read(path).tensors("ema-0.995"))
        for file, before in whole.items():
            file.write_bytes(before)
    for suffix in (".npy", ".npz", ".pkl", ".pt", ".png", ".zip", ".tar", ".parquet"):
        file = tmp_path / suffix[1:] / f"file{suffix}"
        file.parent.mkdir()
        file.write_bytes(content)
        for place in (file, file.parent):
            refused(lambda place=place: load("folder", DataOptions(path=place)))
    cifar = tmp_path / "cifar-10-batches-py"
    cifar.mkdir()
    for batch in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "batches.meta"]:
        (cifar / batch).write_bytes(content)
    refused(lambda: load("cifar10", DataOptions(path=cifar)))
    assert not canary.exists()


def test_row_05_the_payloads_are_real(tmp_path: Path) -> None:
    for what, content in payloads(tmp_path / "canary").items():
        if content[:2] != b"PK" and content[:1] != b"\x93" and what != "old torch":
            pickle.loads(content)
            assert (tmp_path / "canary").exists(), what
            (tmp_path / "canary").unlink()
    assert len(WHAT) == 12
