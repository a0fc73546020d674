"""The timesteps with the least bound, by dynamic programming over the costs of steps (Watson et al. 2021)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from alphabar.diffusion.step_costs import StepCosts


@dataclass(frozen=True)
class BestChain:
    """The chain of its length with the least bound: its timesteps, ascending, and the bound, bits/dim."""

    rows: tuple[int, ...]
    bound: float


def best_chains(costs: StepCosts) -> list[BestChain]:
    """The best chain of each length 1..M among the M candidates of `costs`; exact, in M³ operations.

    The bound is the prior of the last timestep and one term for each step, so the best way to reach a timestep with k
    steps goes on from the best way to reach the one before it with k − 1. The first two are chosen together, because
    L_0 depends on both. A chain may start at any timestep whose prior term is worth it.
    """
    M, steps = len(costs.rows), costs.steps.nan_to_num(nan=torch.inf)
    alone = costs.decoder.diagonal() + costs.prior
    chains = [_chain(costs, [int(alone.argmin())])]
    came_from: list[list[int]] = []
    reached = None  # the least cost of x_t, ..., x_0 given x_t with k steps, by t
    for _ in range(2, M + 1):
        through = costs.decoder.nan_to_num(nan=torch.inf) + steps if reached is None else reached[:, None] + steps
        reached, before = through.min(0)
        came_from.append(before.tolist())
        places = [int((reached + costs.prior).argmin())]
        for step in reversed(came_from):
            places.append(step[places[-1]])
        chains.append(_chain(costs, places[::-1]))
    return chains


def best_within(chains: Sequence[BestChain], steps: int) -> BestChain:
    """The chain of at most `steps` steps with the least bound, of those that `best_chains` found.

    It is shorter where one step more would cost bits, as it can with a variance that is not the best one.
    """
    return min(chains[:steps], key=lambda chain: chain.bound)


def _chain(costs: StepCosts, places: list[int]) -> BestChain:
    rows = tuple(costs.rows[place] for place in places)
    return BestChain(rows, costs.bound(rows))
