"""The training loop, from top to bottom."""

import shlex
import time
from collections.abc import Set
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from alphabar import build, data, images, plots
from alphabar.config import Config
from alphabar.errors import AlphabarError
from alphabar.runs import checkpoint
from alphabar.runs.previews import is_whole
from alphabar.runs.run import Run, opened
from alphabar.sampling.pipeline import Pipeline
from alphabar.training import divergence, scoring, start, stopping
from alphabar.training.greeting import greet
from alphabar.training.interrupt import Interrupt
from alphabar.training.length import Length
from alphabar.training.log import Log, check_tensorboard
from alphabar.training.moments import Moments
from alphabar.training.state import TrainState
from alphabar.training.step import Update, train_step


def train(config: Config, path: Path, device: torch.device, console: Console, allowed: Set[str] = frozenset()) -> bool:
    """Train what `config` describes in the run directory `path`, resuming from its newest checkpoint if it has one.

    allowed: the settings that may differ from those that the run had so far.
    Returns whether the run reached its end (False: it was interrupted, and saved). All that can be wrong with the
    input is found before the first byte is written.
    """
    check_tensorboard(config.training)
    image_set = build.image_set(config.data)
    state = TrainState(config, build.image_facts(image_set), device)
    notes = start.start(state, path)
    length = Length.of(config, len(image_set))
    update = Update.of(state, device, length.steps)
    pipeline = preview_pipeline(state, path)
    stream = data.ShuffledStream(image_set, config.training.seed, config.data.horizontal_flip)
    judges = scoring.judges(config, image_set, device)
    every = config.training

    say = partial(console.print, markup=False, soft_wrap=True)
    with opened(path, config, state.facts, say, allowed) as (run, saved):
        if saved is not None:
            state.restore(saved)
        state.pace = state.pace.within(length.budget)
        saved_step = state.step if saved else None
        greet(console, path, state, length, image_set, saved, notes)
        moments = Moments(every, pipeline.section.num * pipeline.steps_per_image, state.seconds, length.seconds)
        before, began = state.seconds, time.perf_counter()
        last = length.is_over(state.pace, state.step, state.seconds)
        with Log(path, run.metrics, state, length, len(image_set), console) as log, Interrupt(log.say) as interrupt:
            if saved_step and judges and scoring.is_missing(run, config, state.step, last):
                scoring.evaluate(run, state, pipeline, judges, log, interrupt)
            if stopping.has_ended(run, config, state.step):
                last = True
                log.say(stopping.farewell(run, state))
            is_missing = saved_step and (last or moments.preview_is_due_at(state.step))
            if is_missing and not is_whole(_preview_path(run, state)):
                preview(run, state, pipeline, log, interrupt)  # the run was killed between a checkpoint and its preview
            if judges:
                judges.introduce(log)
            put_aside(state, moments, time.perf_counter() - began)
            while not (last or interrupt.requested):
                batch = stream.batch(state.images, every.batch_size)
                norm = train_step(update, state, batch)
                state.seconds = before + time.perf_counter() - began
                moments.stepped(every.batch_size, state.seconds)
                is_measured = state.pace.is_due(state.step, state.seconds)
                if is_measured:
                    state.pace = state.pace.measured(state.step, state.seconds, state.aside, moments.reserve)
                last = length.is_over(state.pace, state.step, state.seconds)
                if state.step % every.log_every == 0 or last:
                    divergence.check_update(state, norm, saved_step, last)
                    log.write(state, grad_norm=float(norm), learning_rate=state.optimizer.param_groups[0]["lr"])
                log.tick(state, last)
                show = last or moments.preview_is_due(state.step, state.seconds)
                score = scoring.is_due(config, state.step, last)
                is_due = is_measured or show or score or last or moments.checkpoint_is_due(state.step, state.seconds)
                if is_due or interrupt.save_requested:
                    begin = time.perf_counter()
                    saved_step = save(run, update, state, batch, norm, saved_step)
                    moments.saved(state.seconds, time.perf_counter() - begin)
                    interrupt.saved(state.step)
                if show:
                    begin = time.perf_counter()
                    preview(run, state, pipeline, log, interrupt)
                    cost = time.perf_counter() - begin
                    moments.previewed(state.seconds, cost)
                    put_aside(state, moments, cost)
                if judges and score and not interrupt.requested:
                    begin = time.perf_counter()
                    scoring.evaluate(run, state, pipeline, judges, log, interrupt)
                    cost = time.perf_counter() - begin
                    moments.scored(cost)
                    put_aside(state, moments, cost)
                    if not last and stopping.has_ended(run, config, state.step):
                        last = True
                        log.say(stopping.farewell(run, state))
                        if not show:
                            preview(run, state, pipeline, log, interrupt)
                if saved_step == state.step:
                    log.restart_clock(state)
            if state.step and saved_step != state.step:  # an interrupt came, at whatever moment of the step
                saved_step = save(run, update, state, batch, norm, saved_step)
            if saved_step:
                interrupt.saved(saved_step)
            if (
                interrupt.by_hand
                and every.sample_every == "auto"
                and state.step
                and not _preview_path(run, state).exists()
            ):
                log.say(f"saved at step {state.step:,}; a last preview follows, and Ctrl-C leaves it out")
                preview(run, state, pipeline, log, None)
            if not last:
                log.say(
                    f"interrupted and saved at step {saved_step:,}; resume with alphabar train {shlex.quote(str(path))}"
                    if saved_step
                    else "interrupted before the first step, so nothing was saved; the same command starts again"
                )
            plots.loss_curve(run.metrics, run.path / "loss.png")
            plots.scores(run.metrics, run.path / "scores.png")
        return last


def put_aside(state: TrainState, moments: Moments, seconds: float) -> None:
    """Note that so many seconds of the run were not spent on steps."""
    state.aside += seconds
    moments.put_aside(seconds)


def save(run: Run, update: Update, state: TrainState, batch: data.Batch, norm: Tensor, saved_step: int | None) -> int:
    """Write a checkpoint, unless the run has diverged, and remove the oldest; returns the step."""
    divergence.check_update(state, norm, saved_step, last=False)
    divergence.check_weights(update, state, batch, saved_step)
    checkpoint.save(run.checkpoints, state.step, state.tensors(), state.numbers())
    scoring.prune(run, state.config.training.keep_checkpoints)
    return state.step


def _preview_path(run: Run, state: TrainState) -> Path:
    return run.samples / f"step-{state.step:08d}.png"


def preview_pipeline(state: TrainState, path: Path) -> Pipeline:
    """The pipeline of previews and evaluations: the first EMA, sampled as [sampling] says."""
    if state.config.sampling.variance == "analytic":
        raise AlphabarError(
            "[sampling] variance 'analytic' is measured on a trained network: train with 'model', and sample with "
            "`alphabar sample RUN --sampler ddpm --variance analytic`."
        )
    return Pipeline.of(state.model(path))


def preview(run: Run, state: TrainState, pipeline: Pipeline, log: Log, interrupt: Interrupt | None) -> None:
    """A grid of samples with the same seeds each time; given up if the run is interrupted, unless that is None."""
    with log.paused():
        samples = scoring.sample(pipeline, pipeline.job(range(pipeline.section.num)), interrupt, "samples")
    if samples is None:
        again = "" if state.config.training.sample_every == "auto" else "; the same command makes them"
        log.say(f"the samples of step {state.step} are missing{again}")
    else:
        sheet = images.sheet(samples)
        images.save_png(_preview_path(run, state), sheet)
        images.save_png(run.latest_preview, sheet)
        log.say(f"samples of step {state.step}: {_preview_path(run, state)}")
