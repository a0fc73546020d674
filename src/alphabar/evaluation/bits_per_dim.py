"""Bits per dimension of a data set under a run: the bound of its chain, the limit of it, or the probability flow's."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alphabar import distributed, plots
from alphabar.data import ImageSet
from alphabar.diffusion import DECODERS, Denoiser, VariationalBound
from alphabar.errors import AlphabarError, check_number
from alphabar.evaluation import codecs
from alphabar.evaluation.bound_job import BoundJob
from alphabar.evaluation.continuous_likelihood import continuous_bits
from alphabar.evaluation.features import random_order
from alphabar.evaluation.flow_likelihood import SOLVER, flow_bits
from alphabar.evaluation.respacing import check_spacing, levels, respaced
from alphabar.evaluation.vlb import bound
from alphabar.files import atomic_file
from alphabar.metrics import Z
from alphabar.registry import unknown
from alphabar.runs import evaluations, provenance
from alphabar.runs.model import IN_PLACE, DataPlace, LoadedModel, load_model
from alphabar.runs.run import home

KINDS = ("bound", "continuous", "ode")


@dataclass(frozen=True)
class BitsRequest:
    """The run, the images and the likelihood; the options of `alphabar evaluate RUN --bpd`."""

    run: Path | LoadedModel
    kind: str = "bound"
    """bound: the variational bound, by the sum of its terms. continuous: its limit for chains of ever more steps. ode:
    the likelihood of the probability flow."""
    split: str = "test"
    count: int | None = None
    """How many images, chosen at random but always the same ones; None means all."""
    steps: str | None = None
    """A shorter chain: a number of steps, or a respacing of `rows_of`; None means all T steps. With continuous, the
    number of network calls for each image; None means 100."""
    spacing: str | None = None
    """Which timesteps, if `steps` is a number: a key of SPACINGS, or optimal; None means evenly spaced ones."""
    decoder: str = "exact"
    weights: str = "ema"
    step: str | None = None
    batch_size: int | None = None
    place: DataPlace = IN_PLACE
    out: Path | None = None


def bits_per_dim(request: BitsRequest, device: torch.device) -> dict[str, Any]:
    """One row, ready for JSON; terms and a plot of them go to a folder in the run."""
    started = time.perf_counter()
    for what, name, names in (("kind of bits/dim", request.kind, KINDS), ("decoder", request.decoder, DECODERS)):
        if name not in names:
            raise AlphabarError(unknown(what, name, names))
    check_spacing(request.spacing, request.steps)
    check_number("--count", request.count)
    check_number("--batch-size", request.batch_size)
    model = request.run
    if not isinstance(model, LoadedModel):
        model = load_model(model, request.weights, device, request.step, request.place)
    images = _images(model, request)
    evaluations.prepare(request.out or home(model.path))
    rows = random_order(len(images))[: request.count]
    denoiser = model.denoiser if request.kind == "continuous" else respaced(model, request.steps, request.spacing)
    quantities, more = _measured(request, _job(request, model, denoiser, images, rows), denoiser, rows, device)
    row = {
        "bits_per_dim": {name: estimate(values) for name, values in quantities.items()},
        **_per_stored_dim(quantities, images, rows),
        "bytes_per_image": estimate(quantities["total"] * (math.prod(images.shape) / 8)),
        "codecs": codecs.sizes(images, rows),
        "kind": request.kind,
        "n": len(rows),
        "split": request.split,
        "data": model.config.data.name,
        "fingerprint": images.fingerprint(),
        "run": str(model.path),
        "step": model.step,
        "weights": model.weights,
        "weights_sha256": model.sha256,
        "T": model.denoiser.schedule.T,
        "steps": denoiser.schedule.T,
        "spacing": request.spacing,
        "x0_transform": model.config.diffusion.x0_transform,
        "decoder": request.decoder,
        **more,
        "command": provenance.command(),
        "versions": provenance.versions(),
        "device": device.type,
        "seconds": round(time.perf_counter() - started, 1),
    }
    if distributed.is_main():
        evaluations.add(request.out or home(model.path), row)
    return row


def _job(request: BitsRequest, model: LoadedModel, denoiser: Denoiser, images: ImageSet, rows: Tensor) -> BoundJob:
    """The images of these rows, and the key of all that their bits depend on."""
    labels = images.labels[rows] if model.config.network.class_conditional and images.labels is not None else None
    key = {
        "kind": request.kind,
        "weights_sha256": model.sha256,
        "diffusion": model.config.diffusion.model_dump(mode="json"),
        "images": images.fingerprint(),
        "count": len(rows),
        "timesteps": denoiser.schedule.timesteps[1:].tolist(),
        "decoder": request.decoder,
        **({"solver": SOLVER} if request.kind == "ode" else {}),
        **({"levels": levels(request.steps, request.spacing)} if request.kind == "continuous" else {}),
    }
    return BoundJob(
        images=images.images[rows],
        seeds=tuple(rows.tolist()),
        labels=labels,
        low_resolution=model.config.network.low_resolution,
        decoder=request.decoder,
        batch_size=request.batch_size or model.config.sampling.batch_size,
        folder=request.out or home(model.path) / "bits_per_dim",
        key=key,
    )


def _measured(
    request: BitsRequest, job: BoundJob, denoiser: Denoiser, rows: Tensor, device: torch.device
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The quantities by name, (N,) bits/dim of each image, and the row's entries about how they were measured."""
    if request.kind == "ode":
        return flow_bits(denoiser, job, device)
    if request.kind == "continuous":
        return continuous_bits(denoiser, job, levels(request.steps, request.spacing), device)
    vlb = bound(denoiser, job, device)
    quantities = {"total": vlb.total, "prior": vlb.prior, "rate": vlb.rate, "distortion": vlb.distortion}
    return quantities, _saved(vlb, denoiser, job, rows) if distributed.is_main() else {}


def _images(model: LoadedModel, request: BitsRequest) -> ImageSet:
    images = model.images(request.split)
    if request.count is not None and request.count > len(images):
        raise AlphabarError(
            f"The {request.split} split holds {len(images):,} images; --count {request.count} asks for more."
        )
    return images


def estimate(values: Tensor) -> dict[str, Any]:
    """The mean of values (N,) over images, its standard error and 95 % interval, ready for JSON."""
    value, error = float(values.mean()), float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else None
    interval = None if error is None else [value - Z * error, value + Z * error]
    return {"value": value, "standard_error": error, "interval": interval}


def _per_stored_dim(quantities: Mapping[str, Tensor], images: ImageSet, rows: Tensor) -> dict[str, Any]:
    """The row's entries for padded images: bits per dimension of the images as they were stored."""
    if images.stored is None:
        return {}
    stored, dims = images.stored[rows].double(), math.prod(images.shape)
    return {
        "bits_per_stored_dim": {name: ratio(values * dims, stored) for name, values in quantities.items()},
        "dims": dims,
        "stored_dims": float(stored.mean()),
    }


def ratio(bits: Tensor, dims: Tensor) -> dict[str, Any]:
    """All bits (N,) over all dimensions (N,), with the standard error of a ratio over images, ready for JSON."""
    value = float(bits.sum() / dims.sum())
    around = estimate((bits - value * dims) / dims.mean())
    interval = around["interval"] and [value + bound for bound in around["interval"]]
    return {"value": value, "standard_error": around["standard_error"], "interval": interval}


def _saved(vlb: VariationalBound, denoiser: Denoiser, job: BoundJob, rows: Tensor) -> dict[str, str]:
    """The paths of the terms, written as an .npz and as a picture."""
    terms, picture = job.place / "terms.npz", job.place / "terms.png"
    steps = denoiser.schedule.timesteps[1:].cpu()
    with atomic_file(terms) as file:
        np.savez(
            file,
            t=steps.numpy(),
            image=rows.numpy(),
            prior=vlb.prior.numpy(),
            terms=vlb.terms.numpy(),
            x0_mse=vlb.x0_mse.numpy(),
            eps_mse=vlb.eps_mse.numpy(),
        )
    plots.bound_terms(picture, steps, vlb.terms.mean(0), vlb.x0_mse.mean(0))
    return {"terms": str(terms), "picture": str(picture)}
