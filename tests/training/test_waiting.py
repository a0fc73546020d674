"""The host does not wait for the device: no value is read from it in a step, nor by the loop between log lines."""

import threading

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from alphabar import build, data
from alphabar.training import loop
from alphabar.training.mishaps import skipping
from alphabar.training.optimizers import OPTIMIZERS
from alphabar.training.state import TrainState
from alphabar.training.step import Update, train_step

CPU = torch.device("cpu")


class Watch(TorchDispatchMode):
    """Notes what makes the host wait for a GPU: `.item()`, `bool(tensor)`, `.tolist()`, the size of a mask."""

    def __init__(self, monkeypatch) -> None:
        super().__init__()
        self.read: list[str] = []
        real, own = torch.Tensor.tolist, threading.get_ident()

        def tolist(tensor):
            if threading.get_ident() == own:
                self.read.append("tolist")
            return real(tensor)

        monkeypatch.setattr(torch.Tensor, "tolist", tolist)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function).removesuffix(".default")
        if name in ("aten._local_scalar_dense", "aten.nonzero", "aten.is_nonzero", "aten.equal", "aten.masked_select"):
            self.read.append(name)
        return function(*args, **(kwargs or {}))


@pytest.fixture
def watch(monkeypatch) -> Watch:
    """A watch over a CPU that is treated as a GPU is."""
    monkeypatch.setattr(skipping, "BRANCHING", set())
    return Watch(monkeypatch)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_nothing_in_a_step_waits_for_the_device(tiny, watch, precision: str, optimizer: str) -> None:
    config = tiny(
        f"training.precision={precision}", f"optimizer.name={optimizer}",
        "network.class_conditional=true", "network.label_dropout=0.5",
        "training.micro_batch_size=3",
    )  # fmt: skip
    image_set = build.image_set(config.data)
    state = TrainState(config, build.image_facts(image_set), CPU)
    update = Update.of(state, CPU, 2)
    batch = data.ShuffledStream(image_set, 0, True).batch(0, 8)
    train_step(update, state, batch)
    with watch:
        train_step(update, state, batch)
        assert not watch.read
        state.meter.read()
        float(torch.ones(1))
    assert {"tolist", "aten._local_scalar_dense"} == set(watch.read)  # it sees what it should


@pytest.mark.parametrize("more", [(), ("data.augment=0.5", "diffusion.timestep_sampler=antithetic")])
def test_the_loop_waits_for_the_device_at_log_lines_and_checkpoints_alone(
    tiny, quiet, tmp_path, watch, monkeypatch, more
) -> None:
    """The loss that a log line shows, and what is checked before a checkpoint, is all that is read."""
    waits: dict[int, int] = {}
    real = loop.Session._advance

    def advance(session, log, interrupt) -> None:
        with watch:
            before = len(watch.read)
            real(session, log, interrupt)
            waits[session.state.step] = len(watch.read) - before

    monkeypatch.setattr(loop.Session, "_advance", advance)
    config = tiny("training.steps=8", "training.log_every=3", "training.checkpoint_every=8", *more)
    assert loop.train(config, tmp_path / "run", CPU, quiet)
    assert {step for step, count in waits.items() if count} == {3, 6, 8}
    assert waits[3] == waits[6] <= 8
