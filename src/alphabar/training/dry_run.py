"""A rehearsal of training: everything is built and runs once, and nothing is written."""

import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from alphabar import build, data, evaluation
from alphabar.config import Config
from alphabar.training import start
from alphabar.training.length import total_steps
from alphabar.training.loop import preview_pipeline
from alphabar.training.state import TrainState
from alphabar.training.step import Update, train_step


def dry_run(config: Config, device: torch.device) -> Iterator[str]:
    """Lines about a run of `config`: its images, network and length, and the cost of a training and a sampling step."""
    image_set = build.image_set(config.data)
    state = TrainState(config, build.image_facts(image_set), device)
    size, batch_size = len(image_set), config.training.batch_size
    end = total_steps(config.training, size)
    yield f"images       {image_set.described()}"
    if image_set.contents.warning:
        yield f"warning      {image_set.contents.warning}"
    yield f"parameters   {sum(p.numel() for p in state.network.parameters()):,}"
    for line in start.start(state, Path("dry-run")):
        yield f"weights      {line}"
    length = f"{end:,} steps, {end * batch_size / size:,.1f} epochs" if end else f"{config.training.minutes:g} minutes"
    yield f"length       {length} of batch size {batch_size}"

    if config.evaluation.every:
        evaluation.Scorer(config, image_set, device)
    stream = data.ShuffledStream(image_set, config.training.seed, config.data.horizontal_flip)
    update, pipeline = Update.of(state, device, end), preview_pipeline(state, Path("dry-run"))
    began = time.perf_counter()
    train_step(update, state, stream.batch(0, batch_size))
    loss = state.meter.read()["loss"]
    seconds = time.perf_counter() - began
    yield f"train step   loss {loss:.4f}, {batch_size / seconds:,.1f} images/s (one cold step, {seconds:.2f} s)"
    if end:
        yield f"training     about {_span(seconds * end)} at that speed; training.minutes=N ends it sooner"

    num = min(config.sampling.num, config.sampling.batch_size)
    began = time.perf_counter()
    next(pipeline.steps(pipeline.job(range(num)))).x.sum().item()
    seconds = time.perf_counter() - began
    steps = pipeline.steps_per_image
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
