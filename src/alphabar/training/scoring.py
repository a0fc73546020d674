"""Metrics of a checkpoint while training, and which checkpoint is the best so far."""

import json
from collections.abc import Mapping

import torch
from torch import Tensor

from alphabar import build, images
from alphabar.config import Config, Sampling
from alphabar.evaluation import Scorer
from alphabar.progress import progress
from alphabar.runs import checkpoint
from alphabar.runs import run as runs
from alphabar.sampling import job as generation
from alphabar.sampling.job import Job
from alphabar.training.interrupt import Interrupt
from alphabar.training.log import Log
from alphabar.training.state import TrainState


def is_due(config: Config, step: int, last: bool) -> bool:
    """Whether a checkpoint is evaluated at `step`."""
    every = config.evaluation.every
    return bool(every) and (last or step % every == 0)


def is_missing(run: runs.Run, config: Config, step: int, last: bool) -> bool:
    """Whether the evaluation of the checkpoint of `step` is due and was not done: a kill came before it."""
    lines = run.metrics.read_text().splitlines() if run.metrics.exists() else []
    rows = [json.loads(line) for line in lines]
    return is_due(config, step, last) and not any(row["step"] == step and "evaluation" in row for row in rows)


def prune(run: runs.Run, keep: int) -> None:
    """Remove all but the newest checkpoints and the best."""
    best = runs.read_best(run)
    checkpoint.prune(run.checkpoints, keep, best.step if best else None)


def draw(
    state: TrainState, section: Sampling, job: Job, device: torch.device, interrupt: Interrupt, label: str
) -> Tensor | None:
    """Images of a job, uint8 (N, C, H, W), by the first EMA; None if the run is to be left meanwhile."""
    average = next(iter(state.ema.networks.values()))
    denoiser = build.respaced(build.denoiser(state.config, average), section)
    condition = build.condition(state.config, state.facts, section)
    drawn = []
    with progress(label, len(job.seeds)) as advance:
        for step in generation.draw(denoiser, build.sampler(section), job, section.batch_size, device, condition):
            if interrupt.requested:
                return None
            advance(len(step.x) / denoiser.schedule.T)
            if step.t == 0:
                drawn.append(images.to_uint8(step.x).cpu())
    return torch.cat(drawn)


def evaluate(
    run: runs.Run, state: TrainState, scorer: Scorer, device: torch.device, log: Log, interrupt: Interrupt
) -> None:
    """A line of metrics.jsonl with the metrics of this step's checkpoint, and best.json if it is the best."""
    with log.paused():
        job = scorer.job(state.config, state.facts)
        drawn = draw(state, state.config.sampling, job, device, interrupt, "drawing to evaluate")
        if drawn is None:
            return
        values = scorer.score(drawn)
    best = _keep_if_best(run, state.step, scorer, values)
    prune(run, state.config.training.keep_checkpoints)
    log.write_scores(state, values, scorer.how)
    log.say(f"step {state.step}  {listed(values)}{'  the best so far' if best else ''}")


def _keep_if_best(run: runs.Run, step: int, scorer: Scorer, values: dict[str, float]) -> bool:
    if scorer.best is None:
        return False
    _, name = scorer.best
    before = runs.read_best(run)
    comparable = before is not None and (before.metric, before.how) == (name, scorer.how)
    if before and comparable and not scorer.is_better(values[name], before.value):
        return False
    runs.write_best(run, runs.Best(step, name, values[name], scorer.how))
    return True


def listed(values: Mapping[str, float]) -> str:
    """For people."""
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())
