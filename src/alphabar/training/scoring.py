"""Metrics of a checkpoint while training, and which checkpoint is the best so far."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from alphabar import distributed
from alphabar.config import Config
from alphabar.data import ImageSet
from alphabar.diffusion import Step
from alphabar.evaluation import Scorer
from alphabar.files import json_lines
from alphabar.runs import checkpoint
from alphabar.runs.run import Best, Run, read_best, write_best
from alphabar.sampling.pipeline import Pipeline
from alphabar.training import stopping
from alphabar.training.interrupt import Interrupt
from alphabar.training.log import Log
from alphabar.training.state import TrainState


def is_due(config: Config, step: int, last: bool) -> bool:
    """Whether a checkpoint is evaluated at `step`."""
    every = config.evaluation.every
    return bool(every) and (last or step % every == 0)


def is_missing(run: Run, config: Config, step: int, last: bool) -> bool:
    """Whether the evaluation of the checkpoint of `step` is due but missing: the run was killed before it."""
    rows = json_lines.rows(run.metrics)
    missing = is_due(config, step, last) and not any(row.get("step") == step and "evaluation" in row for row in rows)
    return distributed.of_main(missing)


def prune(run: Run, keep: int) -> None:
    """Remove all but the newest checkpoints and the best."""
    best = read_best(run)
    checkpoint.prune(run.checkpoints, keep, best.step if best else None)


class Interrupted(Exception):
    """Sampling was given up, because the run is to be left."""


def sample(pipeline: Pipeline, count: int, interrupt: Interrupt | None, bar: str) -> Tensor | None:
    """The images of the seeds 0..count-1, uint8 (N, C, H, W), sampled by all processes together.

    None if the run is interrupted meanwhile. bar: the label of the bar.
    """

    def watch(step: Step) -> None:
        if interrupt and interrupt.is_heard:
            raise Interrupted

    own, samples = distributed.share(count), torch.empty(0, *pipeline.model.facts.shape, dtype=torch.uint8)
    given_up = False
    try:
        samples = pipeline.images(pipeline.job(own), watch=watch, bar=bar) if own else samples
    except Interrupted:
        given_up = True
    return None if any(distributed.highest(given_up)) else distributed.gathered(samples)


@dataclass(frozen=True)
class Judges:
    """What each evaluation measures."""

    scorer: Scorer
    held_out: stopping.HeldOutLoss | None
    """The loss that may stop the run, if it was asked for."""

    def introduce(self, log: Log) -> None:
        """Say before training what real images score, and what cannot be measured."""
        if self.scorer.note:
            log.say(f"warning: {self.scorer.note}")
        log.say(f"{self.scorer.floor_n:,} real images against others score  {listed(self.scorer.floor)}")
        if self.scorer.hint:
            log.say(self.scorer.hint)


def judges(config: Config, images: ImageSet, device: torch.device) -> Judges | None:
    """What evaluates a run on these images; None if nothing does, AlphabarError if it cannot."""
    if not config.evaluation.every:
        return None
    return Judges(Scorer(config, images, device), stopping.HeldOutLoss.of(config, images))


def evaluate(run: Run, state: TrainState, pipeline: Pipeline, judges: Judges, log: Log, interrupt: Interrupt) -> None:
    """A line of metrics.jsonl with the metrics of this step's checkpoint, and best.json if it is the best."""
    scorer, held_out = judges.scorer, judges.held_out
    with log.paused():
        state.show()
        samples = sample(pipeline, scorer.count, interrupt, "sampling to evaluate")
        if samples is None:
            return
        values = scorer.score(samples, state.step)
        if held_out is not None:
            values[stopping.NAME] = held_out.value(state.shown, state.device)
    if not distributed.is_main():
        return
    best = _keep_if_best(run, state.step, judges, values)
    prune(run, state.config.training.keep_checkpoints)
    log.write_scores(state, values, scorer.how)
    log.say(f"step {state.step}  {listed(values)}{'  the best so far' if best else ''}")
    if scorer.alarm is not None and not log.alarmed:
        log.alarmed = True  # once in a session
        log.say(scorer.alarm)


def _keep_if_best(run: Run, step: int, judges: Judges, values: dict[str, float]) -> bool:
    """Write best.json if this step is the best, by evaluation.best, or else by the loss of held-out images."""
    scorer, held_out = judges.scorer, judges.held_out
    how: Mapping[str, Any]
    is_better: Callable[[float, float], bool]
    if scorer.best is not None:
        name, how, is_better = scorer.best[1], scorer.how, scorer.is_better
    elif held_out is not None:
        name, how, is_better = stopping.NAME, held_out.how, float.__lt__
    else:
        return False
    before = read_best(run)
    comparable = before is not None and (before.metric, before.how) == (name, how)
    if before and comparable and not is_better(values[name], before.value):
        return False
    write_best(run, Best(step, name, values[name], how))
    return True


def listed(values: Mapping[str, float]) -> str:
    """The values, for people."""
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())
