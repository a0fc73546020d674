"""A rehearsal: everything is built and moves once, and nothing is written."""

import resource
import sys
import time
from collections.abc import Iterator

import torch

from alphabar import build, data, evaluation
from alphabar.config import Config
from alphabar.sampling import job as generation
from alphabar.training.length import total_steps
from alphabar.training.state import TrainState
from alphabar.training.step import train_step, training_denoiser


def dry_run(config: Config, device: torch.device) -> Iterator[str]:
    """Lines that say what a run of `config` is made of and what its first step and first sampling step cost."""
    image_set = build.image_set(config)
    state = TrainState(config, build.image_facts(image_set), device)
    size, batch_size = len(image_set), config.training.batch_size
    end = total_steps(config.training, size)
    yield f"images       {size:,} of shape {'x'.join(map(str, image_set.shape))}, {image_set.num_classes} classes"
    yield f"             {image_set.source}"
    yield f"parameters   {sum(p.numel() for p in state.network.parameters()):,}"
    length = f"{end:,} steps, {end * batch_size / size:,.1f} epochs" if end else f"{config.training.minutes:g} minutes"
    yield f"length       {length} of batch size {batch_size}"

    if config.evaluation.every:
        evaluation.Scorer(config, image_set, device)
    stream = data.ShuffledStream(image_set, config.training.seed, config.data.horizontal_flip)
    denoiser = training_denoiser(config, state, device)
    start = time.perf_counter()
    train_step(state, denoiser, stream.batch(0, batch_size), end)
    loss = state.meter.read()["loss"]
    seconds = time.perf_counter() - start
    yield f"train step   loss {loss:.4f}, {batch_size / seconds:,.1f} images/s (one cold step, {seconds:.2f} s)"
    if end:
        yield f"training     about {_span(seconds * end)} at that speed; training.minutes=N ends it sooner"

    average = next(iter(state.ema.networks.values()))
    sampling = build.respaced(build.denoiser(config, average), config.sampling)
    num = min(config.sampling.num, config.sampling.batch_size)
    job = generation.job(range(num), image_set.shape, len(build.class_names(config, state.facts)))
    start = time.perf_counter()
    next(generation.denoise(sampling, build.sampler(config.sampling), job, device)).x.sum().item()
    seconds = time.perf_counter() - start
    steps = sampling.schedule.T
    yield f"sample step  {num} images in {seconds:.2f} s, so {_span(seconds * steps)} for all {steps} steps"
    where = "of the GPU" if device.type == "cuda" else "of the whole process"
    yield f"memory       {_peak_memory(device):,.0f} MiB at the peak {where}"
    yield "nothing was written; leave --dry-run out to train"


def _peak_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB here
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"
