"""Metrics of a checkpoint while training, and which checkpoint is the best so far."""

from collections.abc import Mapping

from torch import Tensor

from alphabar import json_lines
from alphabar.config import Config
from alphabar.diffusion import Step
from alphabar.evaluation import Scorer
from alphabar.runs import checkpoint
from alphabar.runs.run import Best, Run, read_best, write_best
from alphabar.sampling.job import Job
from alphabar.sampling.pipeline import Pipeline
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
    return is_due(config, step, last) and not any(row.get("step") == step and "evaluation" in row for row in rows)


def prune(run: Run, keep: int) -> None:
    """Remove all but the newest checkpoints and the best."""
    best = read_best(run)
    checkpoint.prune(run.checkpoints, keep, best.step if best else None)


class Interrupted(Exception):
    """Sampling was given up, because the run is to be left."""


def sample(pipeline: Pipeline, job: Job, interrupt: Interrupt, bar: str) -> Tensor | None:
    """The images of a job, uint8 (N, C, H, W); None if the run is interrupted meanwhile. bar: the label of the bar."""

    def watch(step: Step) -> None:
        if interrupt.requested:
            raise Interrupted

    try:
        return pipeline.images(job, watch=watch, bar=bar)
    except Interrupted:
        return None


def evaluate(run: Run, state: TrainState, pipeline: Pipeline, scorer: Scorer, log: Log, interrupt: Interrupt) -> None:
    """A line of metrics.jsonl with the metrics of this step's checkpoint, and best.json if it is the best."""
    with log.paused():
        samples = sample(pipeline, pipeline.job(range(scorer.count)), interrupt, "sampling to evaluate")
        if samples is None:
            return
        values = scorer.score(samples, state.step)
    best = _keep_if_best(run, state.step, scorer, values)
    prune(run, state.config.training.keep_checkpoints)
    log.write_scores(state, values, scorer.how)
    log.say(f"step {state.step}  {listed(values)}{'  the best so far' if best else ''}")
    if scorer.alarm is not None and not log.alarmed:
        log.alarmed = True  # once in a session
        log.say(scorer.alarm)


def _keep_if_best(run: Run, step: int, scorer: Scorer, values: dict[str, float]) -> bool:
    if scorer.best is None:
        return False
    _, name = scorer.best
    before = read_best(run)
    comparable = before is not None and (before.metric, before.how) == (name, scorer.how)
    if before and comparable and not scorer.is_better(values[name], before.value):
        return False
    write_best(run, Best(step, name, values[name], scorer.how))
    return True


def listed(values: Mapping[str, float]) -> str:
    """The values, for people."""
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())
