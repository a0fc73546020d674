"""`alphabar doctor` says what the machine is, and warns of each known trap, and of no other."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import alphabar
from alphabar import cli
from alphabar.machine import Machine, looked_at, looking, traps

GOOD = Machine(
    versions={"alphabar": "1"}, platform="Linux", processor="GenuineIntel Xeon", flags=("avx2",), cores=4.0, threads=4,
    memory=8 << 30, keeps_memory=True, cuda=None, gpus=(), has_nvidia_driver=False, has_mps=False, uses_mkl=True,
    runs=Path("/runs"), cache=Path("/cache"), free={Path("/runs"): 9 << 30, Path("/cache"): 9 << 30}, disk_speed=1e8,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cuda": "13.0"}, "built for CUDA 13.0, and no GPU is seen"),
        ({"has_nvidia_driver": True}, "install torch for CUDA"),
        ({"flags": ()}, "no AVX2"),
        ({"processor": "AuthenticAMD EPYC"}, "MKL takes a slow path"),
        ({"threads": 16}, "set OMP_NUM_THREADS=4"),
        ({"threads": 1, "cores": 0.5}, "OMP_NUM_THREADS=1"),
        ({"disk_speed": 1e6}, "takes 1 MB/s"),
        ({"disk_speed": None}, "Nothing can be written to /runs"),
        ({"free": {Path("/cache"): 1 << 20}}, "The disk of /cache has 1.0 MB free"),
    ],
)
def test_each_trap_has_a_sentence_of_its_own(change, words) -> None:
    (sentence,) = traps(replace(GOOD, **change))
    assert words in sentence and sentence.endswith(".") and "\n" not in sentence


def test_a_good_machine_has_none() -> None:
    assert list(traps(GOOD)) == []
    assert list(traps(replace(GOOD, cuda="13.0", gpus=("H100",), has_nvidia_driver=True, flags=()))) == []
    assert list(traps(replace(GOOD, processor="Apple M3", flags=("asimd",), has_mps=True))) == []


def test_this_machine_is_described_and_nothing_is_left_behind(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = looked_at()
    assert found.runs == tmp_path and found.threads == torch.get_num_threads() and found.cores >= 0.1
    assert found.versions["torch"] == torch.__version__ and found.versions["alphabar"] == alphabar.__version__
    assert found.disk_speed and list(tmp_path.iterdir()) == []
    (tmp_path / "runs").mkdir()
    assert looked_at().runs == tmp_path / "runs"


def test_a_container_s_share_of_the_cores_counts(tmp_path, monkeypatch) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    monkeypatch.setattr(looking, "CPU_MAX", tmp_path / "cpu.max")
    assert looking.cores() == 0.5
    for other in ("max 100000\n", "", "1 0\n"):
        (tmp_path / "cpu.max").write_text(other)
        assert looking.cores() >= 1


def test_a_disk_that_takes_nothing_is_no_error_and_nothing_is_left_on_it(tmp_path, monkeypatch) -> None:
    def refuse(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    assert looked_at(tmp_path / "runs").disk_speed is None and list(tmp_path.iterdir()) == []


def test_the_command_prints_what_the_function_returns(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.app, ["doctor"])
    lines, warnings = alphabar.doctor()
    assert result.exit_code == 0
    for name in lines:
        assert any(line.startswith(name) for line in result.output.splitlines())
    assert result.output.count("warning:") == len(warnings)
