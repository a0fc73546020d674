"""A rehearsal of training: everything is built and runs a few times, and nothing is written."""

import math
import resource
import sys
import time
from collections.abc import Iterator, Set
from pathlib import Path

import torch

from alphabar import build, data
from alphabar.config import Config
from alphabar.runs.prospect import prospect
from alphabar.training import scoring, start
from alphabar.training.clock.length import total_steps
from alphabar.training.planning.precision import settled
from alphabar.training.previews import preview_pipeline
from alphabar.training.state import TrainState
from alphabar.training.step import Update, train_step

_WARM = 3  # training steps that are timed; the one before them is slower, as memory and kernels are prepared


def dry_run(config: Config, path: Path, device: torch.device, allowed: Set[str] = frozenset()) -> Iterator[str]:
    """Lines about a run of `config` at `path`: its images, network and length, and the cost of its steps.

    allowed: the settings that may differ from those that the run had so far.
    """
    image_set = build.image_set(config.data)
    facts = build.image_facts(image_set)
    config, why = settled(config, facts, device)
    state = TrainState(config, facts, device)
    size, batch_size = len(image_set), config.training.batch_size
    end = total_steps(config.training, size)
    yield f"images       {image_set.described()}"
    if image_set.contents.warning:
        yield f"warning      {image_set.contents.warning}"
    yield f"run          {prospect(path, config, state.facts, allowed)}"
    yield f"parameters   {sum(p.numel() for p in state.network.parameters()):,}"
    if why:
        yield f"precision    {why}"
    for line in start.start(state, path):
        yield f"weights      {line}"
    minutes = f"{config.training.minutes or 0:g} minute{'' if config.training.minutes == 1 else 's'}"
    length = f"{end:,} steps, {end * batch_size / size:,.1f} epochs" if end else minutes
    yield f"length       {length}, at {batch_size} images per step"

    scoring.judges(config, image_set, device)
    stream = data.ShuffledStream(image_set, config.training.seed, config.data.horizontal_flip)
    update, pipeline = Update.of(state, device, end), preview_pipeline(state, Path("dry-run"), image_set)
    first, *warm = (_timed(update, state, stream.batch(k * batch_size, batch_size)) for k in range(1 + _WARM))
    (loss, cold), (least, *_, most) = first, sorted(span for _, span in warm)
    speeds = f"loss {loss:.4f}, {batch_size / most:,.1f} to {batch_size / least:,.1f} images/s"
    spans = f"the range of {_WARM} warm steps, {least:.2f} to {most:.2f} s; the cold one before took {cold:.2f} s"
    yield f"train step   {speeds} ({spans})"
    yield f"training     {_duration(config, end, least, most)}"

    num = min(config.sampling.num, config.sampling.batch_size)
    began = time.perf_counter()
    next(pipeline.steps(pipeline.job(range(num)))).x.sum().item()
    seconds = time.perf_counter() - began
    steps = pipeline.steps_per_image
    yield f"sample step  {num} images in {seconds:.2f} s, so {_span(seconds * steps)} for all {steps} steps"
    where = "of the GPU" if device.type == "cuda" else "of the whole process"
    yield f"memory       {_peak_memory(device):,.0f} MiB at the peak {where}"
    yield "nothing was written; leave --dry-run out to train"


def _timed(update: Update, state: TrainState, batch: data.Batch) -> tuple[float, float]:
    """The loss of a training step and its seconds."""
    began = time.perf_counter()
    train_step(update, state, batch)
    loss = state.meter.read()["loss"]  # waits for the device
    return math.nan if loss is None else loss, time.perf_counter() - began


def _duration(config: Config, end: int | None, least: float, most: float) -> str:
    """How long a run of `end` steps takes, if a step takes from `least` to `most` seconds; previews come on top."""
    minutes = config.training.minutes
    if minutes is not None and (end is None or least * end > 60 * minutes):
        steps = [f"{60 * minutes / seconds:,.0f}" for seconds in (most, least)]
        return f"training.minutes={minutes:g} ends it, after about {' to '.join(dict.fromkeys(steps))} steps"
    assert end is not None
    spans = " to ".join(dict.fromkeys(_span(seconds * end) for seconds in (least, most)))
    return f"about {spans} at that speed, without previews; training.minutes=N ends it sooner"


def _peak_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB here
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"
