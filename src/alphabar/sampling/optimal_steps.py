"""The spacing `optimal`: the timesteps of a model with the least bound, measured once on its training images.

RUN/optimal_steps/step-XXXXXXXX-WEIGHTS-VARIANCE.json   the best chain of each length, and everything that it depends on
"""

import math
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from alphabar import build, distributed, seeds
from alphabar import config as c
from alphabar.diffusion import SAMPLERS, Denoiser, SeededNoise
from alphabar.diffusion.optimal_steps import BestChain, best_chains, best_within
from alphabar.diffusion.step_costs import StepCosts, candidates, mean_costs, step_costs
from alphabar.errors import AlphabarError
from alphabar.images import to_signed
from alphabar.names import OPTIMAL
from alphabar.runs.model import LoadedModel
from alphabar.sampling import parts
from alphabar.sampling.measured import Measurement
from alphabar.terminal.progress import progress

IMAGES = 64
"""Training images that every cost is measured on."""

CANDIDATES = 128
"""The most timesteps to choose from."""

VERSION = 1
"""The version of the estimate: raised when other images, noise or candidates are used."""

CHAINS = "chains"


def with_optimal_steps(model: LoadedModel, section: c.Sampling) -> c.Sampling:
    """The [sampling] section with the timesteps themselves, if it asks for the spacing `optimal`: "t:1,5,9".

    So what is sampled or compressed names its timesteps, and can be repeated without the measurement.
    """
    if section.spacing != OPTIMAL or isinstance(section.steps, str):
        return section
    if section.variance == "analytic":
        raise AlphabarError(
            "The spacing 'optimal' needs a variance that is known at every timestep, and 'analytic' is measured at the "
            "timesteps of a chain; choose another variance or spacing."
        )
    T = model.denoiser.schedule.T
    steps = section.steps if section.steps is not None else min(SAMPLERS[section.sampler].grid.steps or T, T)
    rows = optimal_steps(model, steps, section.variance)
    return section.model_copy(update={"steps": f"t:{','.join(map(str, rows))}", "spacing": None})


def optimal_steps(model: LoadedModel, steps: int, variance: str = "model") -> list[int]:
    """At most `steps` timesteps, ascending, whose chain has the least bound on training images.

    variance: that of the chain: the model's own, or a fixed one.
    Of several processes the first one measures; the others wait for its timesteps.
    """
    denoiser = parts.with_variance(model.denoiser, variance)
    rows = candidates(denoiser.schedule, CANDIDATES)
    if not 1 <= steps <= len(rows):
        of = "the length of this model's chain" if len(rows) == denoiser.schedule.T else "the number that was measured"
        raise AlphabarError(f"The spacing 'optimal' chooses 1..{len(rows)} timesteps, {of}; got {steps}.")
    chosen: list[int] = []
    with distributed.alike():
        if distributed.is_main():
            chosen = list(best_within(_known_or_measured(model, denoiser, rows, variance), steps).rows)
    return distributed.of_main(chosen)


def _known_or_measured(model: LoadedModel, denoiser: Denoiser, rows: list[int], variance: str) -> list[BestChain]:
    name = "" if variance == "model" else f"-{variance}"
    measurement = Measurement(model, "optimal_steps", "The spacing 'optimal' is", "another spacing", name)
    key = measurement.key(variance=denoiser.variance.name, images=IMAGES, candidates=rows, version=VERSION)
    chains = measurement.known(key, CHAINS, lambda content: _parsed(content, rows))
    if chains is None:
        chains = best_chains(_measured(measurement, denoiser, rows))
        content = [{"timesteps": chain.rows, "bits_per_dim": chain.bound} for chain in chains]
        measurement.keep({**key, CHAINS: content}, "The measured timesteps are")
    return chains


def _measured(measurement: Measurement, denoiser: Denoiser, rows: list[int]) -> StepCosts:
    """The costs of the steps between `rows`, on random training images, told their classes.

    Noise depends on the image and t. Samples with guidance or without a class use the same timesteps.
    """
    model, images = measurement.model, measurement.images()
    labels = images.labels if model.config.network.class_conditional else None
    picks = torch.randperm(len(images), generator=seeds.generator("optimal steps"))[:IMAGES]
    size, parts_of = model.config.sampling.batch_size, []
    with progress("optimal steps", len(rows) * len(picks)) as advance:
        for k in range(0, len(picks), size):
            batch = picks[k : k + size]
            x0 = to_signed(images.images[batch].to(model.device)).contiguous(memory_format=torch.channels_last)
            labels_k = None if labels is None else labels[batch]
            told = build.told(denoiser, x0, labels_k, model.config.network.low_resolution)
            costs = step_costs(told, x0, rows, partial(_noise, x0, k), partial(advance, len(batch)))
            parts_of.append((len(batch), costs))
    costs = mean_costs(parts_of)
    if not bool(costs.decoder.diagonal().isfinite().all()):
        raise measurement.diverged("The bound of the network is not finite")
    return costs


def _noise(x0: Tensor, first: int, t: int) -> Tensor:
    """ε at t of images whose first one has this number."""
    return SeededNoise([seeds.derived("optimal steps", t, first + k) for k in range(len(x0))])(x0)


def _parsed(content: Any, rows: list[int]) -> list[BestChain]:
    """The chains in a file; ValueError unless there is one of each length, and it visits candidates."""
    chains = [BestChain(tuple(entry["timesteps"]), float(entry["bits_per_dim"])) for entry in content]
    for length, chain in enumerate(chains, 1):
        ascending = all(a < b for a, b in pairwise(chain.rows))
        if len(chain.rows) != length or not set(chain.rows) <= set(rows) or not ascending:
            raise ValueError(f"{chain.rows} is no chain of {length} of the candidates")
        if not math.isfinite(chain.bound):
            raise ValueError(f"{chain.bound} is no bound")
    if len(chains) != len(rows):
        raise ValueError(f"there are {len(chains)} chains")
    return chains
