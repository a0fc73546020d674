"""Previews: grids of samples while training."""

from pathlib import Path

from alphabar import distributed, images
from alphabar.errors import AlphabarError
from alphabar.runs.run import Run
from alphabar.sampling.pipeline import Pipeline
from alphabar.training import scoring
from alphabar.training.interrupt import Interrupt
from alphabar.training.log import Log
from alphabar.training.state import TrainState


def preview_path(run: Run, state: TrainState) -> Path:
    """Where the preview of this step lies."""
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
        state.show()
        samples = scoring.sample(pipeline, pipeline.section.num, interrupt, "samples")
    if samples is None:
        again = "" if state.config.training.sample_every == "auto" else "; the same command makes them"
        log.say(f"the samples of step {state.step} are missing{again}")
    elif distributed.is_main():
        sheet = images.sheet(samples)
        try:
            images.save_png(preview_path(run, state), sheet)
            images.save_png(run.latest_preview, sheet)
            log.say(f"samples of step {state.step}: {preview_path(run, state)}")
        except AlphabarError as error:  # a full disk, which does not end the training
            log.say(f"warning: {error}")
