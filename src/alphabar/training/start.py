"""A new run that starts from the weights of another one."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import torch

from alphabar.data.classes import normal
from alphabar.errors import AlphabarError
from alphabar.networks.transfer import Transfer, transferred
from alphabar.runs import checkpoint, origin
from alphabar.runs.run import Run
from alphabar.training.parallel import sharding
from alphabar.training.source import Source, read
from alphabar.training.state import TrainState

SHOWN = 6
"""Groups of weights that a line names."""
LEAST = 0.01
"""The share of the network's weights that has to fit."""
DEPTH = {"down": 2, "up": 2, "embedding": 2}
"""How many parts of a name make its group, where it is not one."""


def start(state: TrainState, run: Path) -> list[str]:
    """Put the weights that training.initialised_from names into the network and its averages; lines that say which.

    Nothing happens, and there is no line, if it names none, or if the run directory `run` has a checkpoint already:
    a run is resumed from its own. AlphabarError if hardly any weight fits, or if they mean something else in this run.
    """
    path = state.config.training.initialised_from
    if path is None or checkpoint.steps(Run(run).checkpoints):
        return []
    source = read(path)
    origin.check_meaning(path, source.config, state.config)
    transfer = _transfer(state, source)
    fits = sum(transfer.tensors[name].numel() for name in (*transfer.taken, *transfer.adapted))
    if fits < LEAST * sum(tensor.numel() for tensor in transfer.tensors.values()):
        raise AlphabarError(
            f"Hardly a weight of {path} fits this network; leave the settings of [network] out, "
            "so that they are those of that run."
        )
    for network in (state.network, *state.ema.networks.values()):
        sharding.load(network, transfer.tensors)
    state.origin = dict(source.record)
    return list(_lines(path, source, transfer))


def _transfer(state: TrainState, source: Source) -> Transfer:
    numbers = {normal(name): row for row, name in enumerate(source.class_names)}
    own = sharding.all_whole(state.network.state_dict())
    rows = [numbers.get(normal(name)) for name in state.facts.class_names]
    with torch.no_grad():
        return transferred(own, source.tensors, rows, source.config.network.label_dropout > 0)


def _lines(path: Path, source: Source, transfer: Transfer) -> Iterable[str]:
    count = f"{len(transfer.taken):,} of {len(transfer.tensors):,} weights"
    which = ", {weights} of step {step:,}".format_map(source.record) if checkpoint.is_one(path) else ""
    yield f"starts from {path}{which}: {count} taken as they are"
    yield from (f"note of the import: {note}" for note in source.notes)
    if transfer.adapted:
        yield f"adapted to these images and classes: {_groups(transfer.adapted)}"
    if transfer.anew:
        yield f"initialised anew, as nothing fits: {_groups(transfer.anew)}"
    if transfer.unused:
        yield f"not used, as this network has no place for it: {_groups(transfer.unused)}"


def _groups(names: Iterable[str]) -> str:
    """The layers that weights belong to, and how many each has: 'conv_in, down.0 (4)'."""
    counts = Counter(".".join(name.split(".")[: DEPTH.get(name.split(".")[0], 1)]) for name in names)
    listed = [f"{name} ({count})" if count > 1 else name for name, count in counts.items()]
    return ", ".join(listed[:SHOWN]) + (f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else "")
