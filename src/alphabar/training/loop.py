"""The training loop, from top to bottom."""

import shlex
import time
from collections.abc import Set
from contextlib import suppress
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from alphabar import build, data, distributed, plots
from alphabar.config import Config
from alphabar.errors import DivergedError, StorageError
from alphabar.files import json_lines
from alphabar.networks.compiled import Compiled
from alphabar.runs import provenance
from alphabar.runs.previews import is_whole
from alphabar.runs.run import Run
from alphabar.runs.together import opened_together
from alphabar.sampling.pipeline import Pipeline
from alphabar.training import scoring, start, stopping
from alphabar.training.clock.length import Length
from alphabar.training.clock.moments import Moments
from alphabar.training.greeting import greet
from alphabar.training.interrupt import Interrupt
from alphabar.training.log import Log
from alphabar.training.mishaps import divergence, memory, recovery
from alphabar.training.mishaps.skip_report import SkipReport
from alphabar.training.planning.precision import settled
from alphabar.training.previews import preview, preview_path, preview_pipeline
from alphabar.training.saving import Saver
from alphabar.training.state import TrainState
from alphabar.training.step import Update, train_step
from alphabar.training.trackers import tracking


def train(config: Config, path: Path, device: torch.device, console: Console, allowed: Set[str] = frozenset()) -> bool:
    """Train what `config` describes in the run directory `path`, resuming from its newest checkpoint if it has one.

    allowed: the settings that may differ from those that the run had so far.
    Returns whether the run reached its end (False: it was interrupted, and saved). All that can be wrong with the
    input is found before the first byte is written.
    """
    with distributed.alike():
        tracking.check(config.training)
        image_set = build.image_set(config.data)
        facts = build.image_facts(image_set)
    config, why = settled(config, facts, device)
    with distributed.alike():
        state = TrainState(config, facts, device)
        notes = [*start.start(state, path), *([why] if why else [])]
        length = Length.of(config, len(image_set))
        update = Update.of(state, device, length.steps)
        update.division(config.training.batch_size)
        pipeline = preview_pipeline(state, path, image_set)
        fed = data.resident(image_set, device, config.training.images_on_device)
        stream = data.ShuffledStream(fed, config.training.seed, config.data.horizontal_flip)
        judges = scoring.judges(config, image_set, device)

    say = partial(console.print, markup=False, soft_wrap=True)
    with opened_together(path, config, state.facts, say, allowed) as (run, saved):
        if saved is not None:
            with distributed.alike():
                state.restore(saved)
        state.pace = state.pace.within(length.budget)
        greet(console, path, state, length, image_set, saved, notes)
        with (
            Log(path, run.metrics, state, length, len(image_set), console) as log,
            Interrupt(log.say) as interrupt,
            Saver(run, state, state.step if saved else None, log.say) as saver,
        ):
            session = Session(run, state, length, update, stream, pipeline, judges, saver)
            session.catch_up(log, interrupt)
            while not (session.is_over or interrupt.requested):
                session.advance(log, interrupt)
            session.leave(log, interrupt)
        return session.is_over


class Session:
    """A session of a run, from its start or its newest checkpoint to its end or an interrupt."""

    def __init__(
        self,
        run: Run,
        state: TrainState,
        length: Length,
        update: Update,
        stream: data.ShuffledStream,
        pipeline: Pipeline,
        judges: scoring.Judges | None,
        saver: Saver,
    ) -> None:
        self.run, self.state, self.length, self.update = run, state, length, update
        self.stream, self.pipeline, self.judges = stream, pipeline, judges
        self.saver = saver
        self.skips = SkipReport(state, stream, saver)
        self.graphs = Compiled()
        self.is_postponed = False
        self.micro_batch_size = update.micro_batch_size
        self.is_over = length.is_over(state.pace, state.step, state.seconds)
        self.training = state.config.training
        calls = pipeline.section.num * pipeline.steps_per_image
        self.moments = Moments(self.training, calls, state.seconds, length.seconds)
        self.before, self.began = state.seconds, time.perf_counter()

    def catch_up(self, log: Log, interrupt: Interrupt) -> None:
        """Make the evaluation and the preview that are missing, because the run was killed after its checkpoint.

        And remove the checkpoints that it would have removed: they are large, and there may be no later save.
        """
        state, config = self.state, self.state.config
        is_saved = self.saver.saved_step
        if is_saved and distributed.is_main():
            scoring.prune(self.run, self.training.keep_checkpoints)
        if is_saved and self.judges and scoring.is_missing(self.run, config, state.step, self.is_over):
            scoring.evaluate(self.run, state, self.pipeline, self.judges, log, interrupt)
        self._stop_early(log)
        is_missing = is_saved and (self.is_over or self.moments.preview_is_due_at(state.step))
        if is_missing and distributed.of_main(not is_whole(preview_path(self.run, state))):
            preview(self.run, state, self.pipeline, log, interrupt)
        if self.judges:
            self.judges.introduce(log)
        self._put_aside(_cost(self.began))

    def advance(self, log: Log, interrupt: Interrupt) -> None:
        """A step, and what is due after it; or, the first time that the numbers go bad, back to the last checkpoint."""
        try:
            self._advance(log, interrupt)
        except DivergedError as error:
            with suppress(DivergedError):
                self.saver.wait()
            if not recovery.go_back(self.run, self.state, error, log):
                raise
            self.saver.saved_step, self.is_postponed = self.state.step, False
            self.is_over = self.length.is_over(self.state.pace, self.state.step, self.state.seconds)

    def _advance(self, log: Log, interrupt: Interrupt) -> None:
        state, moments = self.state, self.moments
        size = self.training.batch_size
        self.saver.look()
        self.batch = self.stream.share(state.images, size, self.update.division(size).rows)
        self.update, self.norm = memory.fitting(train_step, self.update, state, self.batch)
        self._mind_memory(log)
        self.saver.prepare(state)
        state.seconds = self.before + _cost(self.began)
        interrupt.agree()
        moments.stepped(self.training.batch_size, state.seconds)
        is_measured = self._measure()
        self._report(log)
        show = self.is_over or moments.preview_is_due(state.step, state.seconds)
        score = scoring.is_due(state.config, state.step, self.is_over)
        is_due = is_measured or show or score or moments.checkpoint_is_due(state.step, state.seconds)
        must = self.is_over or show or score or interrupt.save_requested
        saves = must or ((is_due or self.is_postponed) and not self._postpones())
        if saves:
            self._save(interrupt)
        if show:
            self._preview(log, interrupt)
            interrupt.agree()
        if self.judges and score and not interrupt.requested:
            self.saver.wait()  # it may become the best checkpoint
            self._evaluate(self.judges, log, interrupt)
            if not self.is_over and self._stop_early(log) and not show:
                preview(self.run, state, self.pipeline, log, interrupt)
        interrupt.agree()
        if saves:
            log.restart_clock(state)

    def leave(self, log: Log, interrupt: Interrupt) -> None:
        """Save, if that is not done, and draw the curves; after Ctrl-C, a last preview."""
        state = self.state
        self.saver.wait()
        if state.step and self.saver.saved_step != state.step:  # an interrupt came, at whatever moment of the step
            self._save(interrupt)
            self._wait_for_the_last(log)
        if self.saver.saved_step:
            interrupt.answer(self.saver.saved_step)
        by_clock = self.training.sample_every == "auto"
        shown = distributed.of_main(preview_path(self.run, state).exists())
        if interrupt.by_hand and by_clock and state.step and not shown:
            log.say(f"saved at step {state.step:,}; a last preview follows, and Ctrl-C leaves it out")
            preview(self.run, state, self.pipeline, log, None)
        name = shlex.quote(str(self.run.path))
        if not self.is_over:
            log.say(
                f"interrupted and saved at step {self.saver.saved_step:,}; resume with alphabar train {name}"
                if self.saver.saved_step
                else "interrupted before the first step, so nothing was saved; the same command starts again"
            )
        if distributed.is_main():
            plots.loss_curve(self.run.metrics, self.run.path / "loss.png")
            plots.scores(self.run.metrics, self.run.path / "scores.png")

    def _wait_for_the_last(self, log: Log) -> None:
        try:
            self.saver.wait(last=True)
        except StorageError:
            if not self.is_over:
                log.say(f"interrupted at step {self.state.step:,}, which is not saved")
            raise

    def _measure(self) -> bool:
        """Measure the pace, if that is due; and find out whether the run is over."""
        state = self.state
        is_due = state.pace.is_due(state.step, state.seconds)
        if is_due:
            state.pace = state.pace.measured(state.step, state.seconds, state.aside, self.moments.reserve)
        self.is_over = self.length.is_over(state.pace, state.step, state.seconds)
        return is_due

    def _report(self, log: Log) -> None:
        state = self.state
        is_due = state.step % self.training.log_every == 0 or self.is_over
        self.skips.look(log, is_due, self.is_over)
        if is_due:
            rate = state.optimizer.param_groups[0]["lr"]
            log.write(state, grad_norm=float(self.norm), learning_rate=rate, **self.skips.row(), **self.graphs.row())
        log.tick(state, self.is_over)

    def _postpones(self) -> bool:
        """Whether a checkpoint that is due waits for a good step: the weights may be why the last one was bad."""
        self.is_postponed = not self.state.scaler.is_enabled() and bool(self.state.skips.in_a_row)
        return self.is_postponed

    def _mind_memory(self, log: Log) -> None:
        """Say and record that micro-batches were made smaller, if they were."""
        before, after = self.micro_batch_size, self.update.micro_batch_size
        if before == after:
            return
        self.micro_batch_size = after
        log.say(f"out of memory: from here on {after} images at a time, in batches of {self.training.batch_size}")
        change = f"training.micro_batch_size: {before or 'none'} -> {after} from step {self.state.step - 1} on (memory)"
        json_lines.append(self.run.environment, provenance.environment() | {"changed": [change]})

    def _save(self, interrupt: Interrupt) -> None:
        """Begin to write a checkpoint, unless the run has diverged; one that a signal asks for is waited for."""
        state, saver, begin = self.state, self.saver, time.perf_counter()
        divergence.check_update(state, saver.saved_step, last=False)
        divergence.check_weights(self.update, state, self.batch, saver.saved_step)
        saver.begin(state)
        if interrupt.save_requested:
            saver.wait()
            interrupt.answer(state.step if saver.saved_step == state.step else None)
        self.moments.saved(state.seconds, _cost(begin))

    def _preview(self, log: Log, interrupt: Interrupt) -> None:
        begin = time.perf_counter()
        preview(self.run, self.state, self.pipeline, log, interrupt)
        cost = _cost(begin)
        self.moments.previewed(self.state.seconds, cost)
        self._put_aside(cost)

    def _evaluate(self, judges: scoring.Judges, log: Log, interrupt: Interrupt) -> None:
        begin = time.perf_counter()
        scoring.evaluate(self.run, self.state, self.pipeline, judges, log, interrupt)
        cost = _cost(begin)
        self.moments.scored(cost)
        self._put_aside(cost)

    def _put_aside(self, seconds: float) -> None:
        """Note that so many seconds of the run were not spent on steps."""
        self.state.aside += seconds
        self.moments.put_aside(seconds)

    def _stop_early(self, log: Log) -> bool:
        """Whether the loss of held-out images ends the run here."""
        if not distributed.of_main(stopping.has_ended(self.run, self.state.config, self.state.step)):
            return False
        self.is_over = True
        log.say(stopping.farewell(self.run, self.state))
        return True


def _cost(begin: float) -> float:
    """The seconds since `begin`, of the process that took longest: all go by the same clock."""
    return distributed.highest(time.perf_counter() - begin)[0]
