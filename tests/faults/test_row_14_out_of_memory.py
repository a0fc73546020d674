"""A batch that does not fit into memory is taken in smaller parts, with the same result; or it is said what fits."""

import io
import json

import pytest
import torch
from rich.console import Console

from alphabar.errors import AlphabarError
from alphabar.runs import checkpoint
from alphabar.training import loop, step
from alphabar.training.mishaps import memory

CPU = torch.device("cpu")


def memory_of(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """No more than `most` images fit; returns the sizes of the micro-batches that go through."""
    real, sizes = step.training_loss, list[int]()

    def loss(denoiser, objective, x0, t, eps):
        if len(x0) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(x0))
        return real(denoiser, objective, x0, t, eps)

    monkeypatch.setattr(step, "training_loss", loss)
    return sizes


def test_row_14_out_of_memory_halves_the_micro_batch_and_the_result_is_that_of_the_small_one(
    tiny, quiet, tmp_path, monkeypatch
) -> None:
    assert loop.train(tiny("training.micro_batch_size=2"), tmp_path / "small", CPU, quiet)
    console = Console(file=io.StringIO(), width=500)
    with monkeypatch.context() as patch:
        sizes = memory_of(patch, 3)
        assert loop.train(tiny(), tmp_path / "run", CPU, console)
    assert set(sizes) == {2} and len(sizes) == 4 * 6
    assert console.file.getvalue().count("out of memory: from here on 2 images at a time, in batches of 8") == 1
    changes = [json.loads(line)["changed"] for line in (tmp_path / "run" / "environment.jsonl").open()]
    assert changes == [[], ["training.micro_batch_size: none -> 2 from step 0 on (memory)"]]
    ours, theirs = (checkpoint.latest(tmp_path / name / "checkpoints") for name in ("run", "small"))
    for name in ours.names():
        mine, small = ours.tensors(name), theirs.tensors(name)
        assert all(torch.equal(mine[key], small[key]) for key in small)


def test_row_14_if_not_one_image_fits_the_sentence_names_a_size_that_does(tiny, quiet, tmp_path, monkeypatch) -> None:
    def never(*args):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(step, "training_loss", never)
    monkeypatch.setattr(memory, "LEAST_SIDE", 4)
    monkeypatch.setattr(memory, "images_per_second", lambda config, size, device: 1.0)
    with pytest.raises(
        AlphabarError, match=r"^Not even one image of 1x8x8 fits .* 1x4x4 does: choose data.image_size=4, "
    ):
        loop.train(tiny(), tmp_path / "run", CPU, quiet)
