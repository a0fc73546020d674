"""The precision in which a network is sampled; auto is what is faster for it here."""

import torch

from alphabar import build
from alphabar import config as c
from alphabar.diffusion import Network
from alphabar.errors import AlphabarError
from alphabar.networks.precision import AUTO, PRECISIONS, autocast, faster
from alphabar.runs.model import LoadedModel
from alphabar.sampling.cuda_graphs import graphed

FULL = "fp32"


def settled(model: LoadedModel, section: c.Sampling, backend: str, usual: str) -> c.Sampling:
    """The section with a precision in the place of auto, measured on a batch of its size.

    AlphabarError for a precision that the backend does not have; only the `usual` one has all.
    """
    if backend != usual and section.precision != FULL:
        raise AlphabarError(
            f"--backend {backend} computes in fp32; leave --precision {section.precision} or --backend out."
        )
    if section.precision != AUTO:
        return section
    device = model.device
    inputs = build.example(model.config, model.facts, section.batch_size, device)

    @torch.no_grad()
    def call(dtype: torch.dtype | None) -> None:
        autocast(model.denoiser.network, device.type, dtype)(**inputs)

    return section.model_copy(update={"precision": faster(call, device)[0]})


def computed(network: Network, section: c.Sampling, device: torch.device) -> Network:
    """The network in the section's precision, and as CUDA graphs where the section says so and there is a GPU."""
    cast = autocast(network, device.type, PRECISIONS[section.precision])
    return graphed(cast, device) if section.cuda_graphs else cast
