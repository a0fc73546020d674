"""Devices and precisions that are not there."""

import pytest
import torch

import alphabar
from alphabar import build
from alphabar.errors import AlphabarError
from exact import SMALL
from tiny_settings import TINY

MISSING = ["cuda:99", "mps:3", "meta", "tpu", "", "cuda:-2"]


@pytest.mark.parametrize("name", MISSING)
def test_row_23_a_device_that_is_not_there_is_a_sentence_that_names_cpu(name: str) -> None:
    with pytest.raises(AlphabarError, match="try 'cpu'"):
        build.device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_row_23_cuda_without_a_gpu_is_a_sentence_before_anything_is_written(tmp_path) -> None:
    with pytest.raises(AlphabarError, match="There is no device 'cuda' here"):
        alphabar.train("ddpm_digits", run=tmp_path / "run", overrides=[*TINY, *SMALL], device="cuda")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_row_23_half_precision_trains_on_a_cpu(tmp_path, precision: str) -> None:
    settings = [*TINY, *SMALL, f"training.precision={precision}", "training.steps=2"]
    assert alphabar.train("ddpm_digits", run=tmp_path / "run", overrides=settings, device="cpu").finished


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("first", "second"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_row_23_a_run_goes_on_on_another_device(tmp_path, first: str, second: str) -> None:
    settings = [*TINY, *SMALL, "training.steps=2"]
    assert alphabar.train("ddpm_digits", run=tmp_path / "run", overrides=settings, device=first).finished
    assert alphabar.train(tmp_path / "run", overrides=["training.steps=4"], device=second).finished
    assert alphabar.load(tmp_path / "run", device=first).loaded.step == 4
