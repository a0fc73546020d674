"""training.precision=auto and --precision auto: measured once, said, and kept."""

import json
import time
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import alphabar
from alphabar import cli
from alphabar.api.train import rehearsed
from alphabar.errors import AlphabarError
from alphabar.networks import precision
from alphabar.runs.model import load_model
from alphabar.sampling import precision as of_sampling
from alphabar.sampling.pipeline import Pipeline
from alphabar.training import loop
from alphabar.training.planning import precision as of_training
from ranks import forked
from tiny_settings import TINY

CPU = torch.device("cpu")
RUN = [*TINY, "training.precision=auto"]


def busy(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


@pytest.mark.parametrize(("fp32", "bf16", "chosen"), [(0.03, 0.01, "bf16"), (0.01, 0.03, "fp32"), (0.02, 0.02, "fp32")])
def test_the_faster_precision_is_chosen_and_the_usual_one_if_neither_is(fp32: float, bf16: float, chosen: str) -> None:
    name, ratio = precision.faster(lambda dtype: busy(fp32 if dtype is None else bf16), CPU)
    assert name == chosen and ratio == pytest.approx(fp32 / bf16, rel=0.5)


def test_the_warm_up_does_not_count() -> None:
    calls: list[torch.dtype | None] = []

    def work(dtype: torch.dtype | None) -> None:
        calls.append(dtype)
        busy(0.05 if len(calls) == 2 else 0.02 if dtype is None else 0.002)

    assert precision.faster(work, CPU)[0] == "bf16"
    assert calls[:4] == [None, torch.bfloat16] * 2


def test_a_processor_without_bf16_is_found_out_by_one_call_and_another_kind_of_device_is_not_tried() -> None:
    calls: list[torch.dtype | None] = []

    def work(dtype: torch.dtype | None) -> None:
        calls.append(dtype)
        busy(0.02 if dtype is None else 0.2)

    name, ratio = precision.faster(work, CPU)
    assert name == "fp32" and ratio < 0.25 and calls == [None, torch.bfloat16]
    assert precision.faster(work, torch.device("mps")) == ("fp32", 1.0) and len(calls) == 2


def always(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for place in (of_training, of_sampling):
        monkeypatch.setattr(place, "faster", lambda work, device: (work(precision.PRECISIONS[name]), (name, 2.0))[1])


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_a_run_keeps_the_precision_that_it_began_with(name: str, tmp_path: Path, monkeypatch) -> None:
    always(monkeypatch, name)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    steady = [*RUN, "optimizer.decay=constant"]
    alphabar.train("ddpm_digits", run=whole, overrides=steady, device="cpu")
    assert json.loads((whole / "config.json").read_text())["training"]["precision"] == name
    alphabar.train("ddpm_digits", run=parts, overrides=[*steady, "training.steps=2"], device="cpu")
    always(monkeypatch, "bf16" if name == "fp32" else "fp32")  # as on another machine
    alphabar.train("ddpm_digits", run=parts, overrides=steady, device="cpu")
    known, made = (load_model(path, "raw").tensors() for path in (whole, parts))
    assert all(torch.equal(known[key], made[key]) for key in known)


def test_what_was_measured_is_said_and_changes_no_random_number(tiny, quiet, tmp_path, monkeypatch) -> None:
    always(monkeypatch, "fp32")
    loop.train(tiny("training.precision=auto"), tmp_path / "auto", CPU, quiet)
    loop.train(tiny(), tmp_path / "plain", CPU, quiet)
    a, b = (load_model(tmp_path / name, "raw").tensors() for name in ("auto", "plain"))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert "training.precision=fp32: a step in bf16 is 2.00 times as fast as one in fp32 here" in quiet.file.getvalue()
    lines = [*rehearsed("ddpm_digits", overrides=RUN, run=tmp_path / "new", device="cpu")]
    assert any(line.startswith("precision    training.precision=fp32") for line in lines)


def test_one_process_of_several_measures(tiny, quiet, tmp_path, monkeypatch) -> None:
    def work() -> None:
        from alphabar import distributed

        name = "bf16" if distributed.is_main() else "fp32"
        always(monkeypatch, name)
        loop.train(tiny("training.precision=auto"), tmp_path / "run", CPU, quiet)

    assert forked(2, work) == [0, 0]
    assert json.loads((tmp_path / "run" / "config.json").read_text())["training"]["precision"] == "bf16"


def test_fp16_on_a_cpu_is_warned_of(tiny, quiet, tmp_path) -> None:
    loop.train(tiny("training.precision=fp16", "training.steps=2"), tmp_path / "run", CPU, quiet)
    assert "on a CPU fp16 takes several times as long" in quiet.file.getvalue()


# Sampling


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("precision") / "run"
    alphabar.train("ddpm_digits", run=path, overrides=TINY, device="cpu")
    return path


def test_images_in_bf16_are_nearly_those_in_fp32_and_say_so(run: Path, tmp_path: Path, monkeypatch) -> None:
    fp32 = alphabar.load(run, device="cpu").sample(4)
    bf16 = alphabar.load(run, device="cpu").sample(4, precision="bf16")
    difference = (fp32.tensor.double() - bf16.tensor.double()).abs()
    assert 0 < difference.max() <= 30 and difference.mean() < 2
    assert fp32.settings["precision"] is None and bf16.settings["precision"] == "bf16"
    always(monkeypatch, "bf16")
    result = CliRunner().invoke(cli.app, ["sample", str(run), "--num", "4", "--precision", "auto"])
    assert result.exit_code == 0
    (folder,) = (run / "generated").iterdir()
    assert "-bf16-" in folder.name
    assert json.loads((folder / "settings.json").read_text())["precision"] == "bf16"


def test_auto_that_finds_fp32_faster_gives_the_usual_images(run: Path, monkeypatch) -> None:
    always(monkeypatch, "fp32")
    model = alphabar.load(run, device="cpu")
    assert torch.equal(model.sample(3, precision="auto").tensor, model.sample(3).tensor)


def test_another_backend_computes_in_fp32_alone(run: Path) -> None:
    model = load_model(run)
    with pytest.raises(AlphabarError, match="computes in fp32; leave --precision bf16 or --backend out"):
        of_sampling.settled(model, model.config.sampling.model_copy(update={"precision": "bf16"}), "other", "torch")


@pytest.mark.parametrize("precision", ["fp16", "half"])
def test_no_other_precision_is_sampled(run: Path, precision: str) -> None:
    with pytest.raises(AlphabarError, match="precision"):
        Pipeline.of(load_model(run), {"precision": precision})
