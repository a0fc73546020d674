"""alphabar: the step of `alphabar train`, the network of `alphabar sample`, and what is beside the networks."""

import torch
from benchmarks.speed.made import Made, chosen
from benchmarks.speed.workload import CHAIN, FEATURES, SAVE, TRAIN, UNITS, Workload
from torch import Tensor

from alphabar import build, config, data
from alphabar.networks.precision import autocast
from alphabar.training.planning.precision import settled
from alphabar.training.state import TrainState
from alphabar.training.step import Update, train_step


def make(work: Workload, device: torch.device, tuned: bool) -> Made:
    if work.task in UNITS:
        return beside(work, device)
    return (training if work.task == TRAIN else sampling)(work, device, tuned)


def beside(work: Workload, device: torch.device) -> Made:
    """What is not a network's work; imported here, as these files take their settings from this one."""
    from benchmarks.speed import chains, features, loading, saving

    if work.task == CHAIN:
        return chains.ours(work, settings(work)[0], device)
    if work.task == SAVE:
        return saving.ours(work, device)
    return features.ours(work, device) if work.task == FEATURES else loading.ours(work)


def settings(work: Workload, precision: str = "fp32") -> tuple[config.Config, config.ImageFacts]:
    """Those of DDPM's recipe for CIFAR-10, with the network of the workload."""
    changes = {f"network.{name}": value for name, value in work.network.items()}
    changes |= {"training.batch_size": work.batch, "training.precision": precision}
    recipe = config.load("ddpm_cifar10", [f"{name}={value}" for name, value in changes.items()])
    return recipe, config.ImageFacts(shape=work.shape, class_names=(), fingerprint="")


def training(work: Workload, device: torch.device, auto: bool) -> Made:
    own, facts = settings(work, "auto" if auto else "fp32")
    own, why = settled(own, facts, device)
    state = TrainState(own, facts, device)
    update = Update.of(state, device, None)
    batch = data.Batch(torch.randint(0, 256, (work.batch, *work.shape), dtype=torch.uint8), None)
    parameters = sum(p.numel() for p in state.network.parameters())
    return Made(lambda: train_step(update, state, batch), parameters, own.training.precision, why or Made("", 0).why)


def sampling(work: Workload, device: torch.device, auto: bool) -> Made:
    own, facts = settings(work)
    network = build.place(build.network(own, facts), device).eval()
    inputs = build.example(own, facts, work.batch, device)

    @torch.no_grad()
    def call(dtype: torch.dtype | None) -> Tensor:
        return autocast(network, device.type, dtype)(**inputs)

    made = Made(lambda: call(None), sum(p.numel() for p in network.parameters()))
    if not auto:
        return made
    dtype, name, why = chosen(call, device)
    return made._replace(step=lambda: call(dtype), precision=name, why=why)
