"""Previews: grids of samples while training."""

from dataclasses import replace
from pathlib import Path

from alphabar import distributed, images
from alphabar.data import ImageSet
from alphabar.errors import AlphabarError
from alphabar.evaluation import held_out
from alphabar.names import OPTIMAL
from alphabar.runs.run import Run
from alphabar.sampling.pipeline import Pipeline
from alphabar.training import scoring
from alphabar.training.interrupt import Interrupt
from alphabar.training.log import Log
from alphabar.training.state import TrainState

MOST_EXAMPLES = 2000
"""Small images that an upsampler enlarges while it is trained."""


def preview_path(run: Run, state: TrainState) -> Path:
    """Where the preview of this step lies."""
    return run.samples / f"step-{state.step:08d}.png"


def preview_pipeline(state: TrainState, path: Path, train: ImageSet) -> Pipeline:
    """The pipeline of previews and evaluations: the first EMA, sampled as [sampling] says.

    An upsampler enlarges small versions of the held-out images, or of the images in `train` if there are none.
    """
    if state.config.sampling.variance == "analytic":
        raise AlphabarError(
            "[sampling] variance 'analytic' is measured on a trained network: train with 'model', and sample with "
            "`alphabar sample RUN --sampler ddpm --variance analytic`."
        )
    if state.config.sampling.spacing == OPTIMAL:
        raise AlphabarError(
            "[sampling] spacing 'optimal' is measured on a trained network: train with another, and sample with "
            "`alphabar sample RUN --steps 25 --spacing optimal`."
        )
    pipeline = Pipeline.of(state.model(path), {"cuda_graphs": False})  # the memory is the training's
    if (size := state.config.network.low_resolution) is None:
        return pipeline
    shown = (held_out.images(state.config, train) or train).images[: max(pipeline.section.num, MOST_EXAMPLES)]
    return replace(pipeline, examples=images.to_uint8(images.smaller(images.to_signed(shown), size)))


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
            log.show(state, preview_path(run, state))
            log.say(f"samples of step {state.step}: {preview_path(run, state)}")
        except AlphabarError as error:  # a full disk, which does not end the training
            log.say(f"warning: {error}")
