"""The samplers that every network is drawn with: alphabar's, from the same seeds."""

import torch
from benchmarks.race.trained import Draw, Trained, Way
from torch import Tensor

from alphabar.build import Condition
from alphabar.diffusion import GRIDS, SAMPLERS, Denoiser, Sampler, network_calls, spaced
from alphabar.sampling import job as generation
from alphabar.sampling.job import Job

SHARED = {"dpmpp_2m_sde": 10, "ddim": 50}
"""With so many steps, on each sampler's own grid; ddim without noise."""


def ways(trained: Trained, slow: bool) -> list[Way]:
    """A side's own ways, then the shared ones that are not among them."""
    own = [way for way in trained.own if slow or not way.slow]
    names = {way.name for way in own}
    return own + [way for way in shared(trained.denoiser) if way.name not in names]


def shared(denoiser: Denoiser) -> list[Way]:
    """The same samplers for any denoiser."""
    found = []
    for name, steps in SHARED.items():
        short, sampler = denoiser.respaced(spaced(denoiser.schedule, GRIDS[name].spacing, steps)), SAMPLERS[name]()
        calls = network_calls(sampler, short.schedule.T)
        found.append(Way(f"alphabar-{name}-{calls}", calls, through(short, sampler)))
    return found


def through(denoiser: Denoiser, sampler: Sampler, condition: Condition = Denoiser.given) -> Draw:
    """Drawing through alphabar's reverse process."""

    def draw(batch: Job) -> Tensor:
        for step in generation.denoise(denoiser, sampler, batch, condition=condition):
            drawn = step.x
        return drawn

    return draw


def classes_for(labels: Tensor, count: int) -> tuple[int, ...]:
    """Classes for `count` images in the proportions of `labels`, evenly mixed, whatever `count` is.

    Image k takes the label at the fraction k·φ mod 1 of all labels in order, φ being the golden ratio.
    """
    fractions = torch.arange(count, dtype=torch.float64) * ((5**0.5 - 1) / 2) % 1
    return tuple(labels.sort().values[(fractions * len(labels)).long()].tolist())
