"""OPTIMIZERS by name, and their moments on the way into a checkpoint and back."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from alphabar.config import Optimizer
from alphabar.runs.checkpoint import Checkpoint
from alphabar.training.optimizers.muon import ADAM_MOMENTS, Muon
from alphabar.training.parallel import sharding


def adam(section: Optimizer, network: nn.Module) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2015); AdamW (Loshchilov & Hutter 2019) with weight decay."""
    kind = torch.optim.AdamW if section.weight_decay else torch.optim.Adam
    return kind(
        network.parameters(),
        lr=section.learning_rate,
        betas=section.betas,
        eps=section.eps,
        weight_decay=section.weight_decay,
        fused=True,
    )


def muon(section: Optimizer, network: nn.Module) -> torch.optim.Optimizer:
    """Muon (Jordan et al. 2024) for the hidden layers, Adam for the rest."""
    return Muon(network, section.learning_rate, section.adam_factor, section.betas, section.eps, section.weight_decay)


OPTIMIZERS: dict[str, Callable[[Optimizer, nn.Module], torch.optim.Optimizer]] = {"adam": adam, "muon": muon}
"""The optimizers by name: ([optimizer], network) -> optimizer of its weights."""


def moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's moments as '<parameter number>.<name>'."""
    by_number: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{number}.{name}": tensor for number, group in by_number.items() for name, tensor in group.items()}


def restore(optimizer: torch.optim.Optimizer, saved: Checkpoint) -> None:
    """Take over the moments in `saved`; AlphabarError unless they are those of `optimizer`."""
    places = [(p, group.get("moments", ADAM_MOMENTS)) for group in optimizer.param_groups for p in group["params"]]
    scalar = torch.zeros((), device="meta")
    like = {
        f"{number}.{name}": scalar if name == "step" else parameter
        for number, (parameter, names) in enumerate(places)
        for name in names
    }
    for key, tensor in saved.fitting("optimizer", like).items():
        number, _, name = key.partition(".")
        parameter = places[int(number)][0]
        # A moment takes the layout of its weights (channels_last), which a file does not know.
        if tensor.shape == parameter.shape:
            home = torch.empty_like(parameter).detach()
            optimizer.state[parameter][name] = home.copy_(sharding.share(tensor, home))
        else:
            optimizer.state[parameter][name] = tensor.to(parameter.device)
