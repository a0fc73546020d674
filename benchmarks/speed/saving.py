"""A checkpoint: how long a training stands still for it. alphabar writes it in a thread, torch.save in the loop.

What alphabar's loop waits is the begin of a save, and until the tensors are copied if the next update came at once; in
a training the copy goes on during the next forward and backward pass. benchmarks/saves.py times a training itself.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from benchmarks.speed.alphabar_side import settings
from benchmarks.speed.made import Made
from benchmarks.speed.workload import Workload

from alphabar import build
from alphabar.runs.run import Run
from alphabar.training.saving import Saver
from alphabar.training.state import TrainState


def ours(work: Workload, device: torch.device) -> Made:
    folder = TemporaryDirectory()
    state = TrainState(*settings(work), device)
    filled(state.network, state.optimizer)
    saver = Saver(Run(Path(folder.name)), state, None, print)

    def step(_: object = folder) -> None:
        saver.begin(state)
        state.is_copied.wait()
        state.step += 1

    saver.prepare(state)
    saver.wait()
    return Made(step, 0, rest=saver.wait)


def theirs(work: Workload, device: torch.device) -> Made:
    """The same network, with Adam's moments and an average of the weights, in one file by torch.save."""
    folder = TemporaryDirectory()
    network = build.place(build.network(*settings(work)), device)
    adam = torch.optim.Adam(network.parameters())
    filled(network, adam)
    average = {name: value.clone() for name, value in network.state_dict().items()}

    def step() -> None:
        whole = {"network": network.state_dict(), "optimizer": adam.state_dict(), "ema": average}
        torch.save(whole, Path(folder.name) / "checkpoint.pt")

    return Made(step, 0)


def filled(network: Any, optimizer: torch.optim.Optimizer) -> None:
    """One step, so that the optimizer has its moments."""
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
