"""The training loop, from top to bottom."""

import math
import time
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from alphabar import build, data, evaluation, images, plots
from alphabar.config import Config
from alphabar.errors import AlphabarError
from alphabar.runs import checkpoint
from alphabar.runs import run as runs
from alphabar.sampling import job as generation
from alphabar.training import scoring
from alphabar.training.greeting import greet
from alphabar.training.interrupt import Interrupt
from alphabar.training.length import is_over, total_steps
from alphabar.training.log import Log
from alphabar.training.state import TrainState
from alphabar.training.step import train_step, training_denoiser


def train(config: Config, path: Path, device: torch.device, console: Console) -> bool:
    """Train what `config` describes in the run directory `path`, going on from its newest checkpoint if it has one.

    Returns whether the run reached its end (False: it was interrupted, and saved). All that can be wrong with the
    input is found before the first byte is written.
    """
    image_set = build.image_set(config)
    state = TrainState(config, build.image_facts(image_set), device)
    denoiser = training_denoiser(config, state, device)
    build.objective(config)  # what is wrong with these two is said now
    if config.sampling.variance == "analytic":
        raise AlphabarError(
            "[sampling] variance 'analytic' is measured on a trained network: train with 'model', and ask for it with "
            "`alphabar sample RUN --sampler ddpm --variance analytic`."
        )
    build.sampler(config.sampling)
    build.respaced(denoiser, config.sampling)
    build.condition(config, state.facts, config.sampling)
    stream = data.ShuffledStream(image_set, config.training.seed, config.data.horizontal_flip)
    scorer = evaluation.Scorer(config, image_set, device) if config.evaluation.every else None
    end = total_steps(config.training, len(image_set))
    every = config.training

    with runs.opened(path, config, state.facts) as (run, saved):
        if saved is not None:
            state.restore(saved)
        saved_step = state.step if saved else None
        greet(console, path, state, end, image_set, device)
        before, start = state.seconds, time.perf_counter()
        last, leaving = is_over(every, end, state.step, state.seconds), False
        with Log(path, run.metrics, state, end, len(image_set), console) as log, Interrupt(log.say) as interrupt:
            if saved_step and _preview_is_due(config, state.step, last) and not _preview_path(run, state).exists():
                preview(run, state, device, log, interrupt)  # a kill came between a checkpoint and its preview
            if saved_step and scorer and scoring.is_missing(run, config, state.step, last):
                scoring.evaluate(run, state, scorer, device, log, interrupt)
            if scorer:
                log.say(f"{scorer.floor_n:,} real images against others score  {scoring.listed(scorer.floor)}")
            while not (last or leaving):
                norm = train_step(state, denoiser, stream.batch(state.images, every.batch_size), end)
                state.seconds = before + time.perf_counter() - start
                log.tick(state)
                last, leaving = is_over(every, end, state.step, state.seconds), interrupt.requested
                if state.step % every.log_every == 0 or last:
                    _stop_if_not_finite(state, norm, saved_step)
                    log.write(state, grad_norm=float(norm), learning_rate=state.optimizer.param_groups[0]["lr"])
                draw, score = _preview_is_due(config, state.step, last), scoring.is_due(config, state.step, last)
                if state.step % every.checkpoint_every == 0 or draw or score or last or leaving:
                    _stop_if_not_finite(state, norm, saved_step)
                    checkpoint.save(run.checkpoints, state.step, state.tensors(), state.numbers())
                    scoring.prune(run, every.keep_checkpoints)
                    saved_step = state.step
                if draw:
                    preview(run, state, device, log, interrupt)
                if scorer and score and not interrupt.requested:
                    scoring.evaluate(run, state, scorer, device, log, interrupt)
                leaving = leaving or interrupt.requested
                if saved_step == state.step:
                    log.restart_clock(state)
        plots.loss_curve(run.metrics, run.path / "loss.png")
        plots.scores(run.metrics, run.path / "scores.png")
        return last


def _preview_is_due(config: Config, step: int, last: bool) -> bool:
    return last or bool(config.training.sample_every and step % config.training.sample_every == 0)


def _preview_path(run: runs.Run, state: TrainState) -> Path:
    return run.samples / f"step-{state.step:08d}.png"


def preview(run: runs.Run, state: TrainState, device: torch.device, log: Log, interrupt: Interrupt) -> None:
    """A grid of the same seeds each time, drawn with the first EMA; given up if the run is to be left."""
    section, facts = state.config.sampling, state.facts
    job = generation.job(range(section.num), facts.shape, len(build.class_names(state.config, facts)))
    with log.paused():
        drawn = scoring.draw(state, section, job, device, interrupt, "samples")
    if drawn is not None:
        images.save_png(_preview_path(run, state), images.sheet(drawn))
        log.say(f"samples of step {state.step}: {_preview_path(run, state)}")


def _stop_if_not_finite(state: TrainState, norm: Tensor, saved_step: int | None) -> None:
    """A run that has diverged ends here, before it can overwrite what is still good."""
    fine = state.meter.is_finite() and (math.isfinite(float(norm)) or state.scaler.is_enabled())
    if not fine:
        kept = f"the checkpoint of step {saved_step} is kept" if saved_step else "no checkpoint was written yet"
        raise AlphabarError(
            f"Training diverged: the loss or its gradient is not finite by step {state.step} ({kept}); "
            "try a smaller optimizer.learning_rate, a longer optimizer.warmup_steps, or training.precision=fp32."
        )
