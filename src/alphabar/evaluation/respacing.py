"""The chain whose bound is measured: what `--steps` and `--spacing` mean for `alphabar evaluate --bpd`."""

from alphabar.diffusion import Denoiser, rows_of, spaced
from alphabar.errors import AlphabarError, sentences
from alphabar.evaluation.continuous_likelihood import LEVELS
from alphabar.names import EVERY_SPACING, OPTIMAL
from alphabar.registry import unknown
from alphabar.runs.model import LoadedModel
from alphabar.sampling.optimal_steps import optimal_steps

MOST_LEVELS = 100_000


def check_spacing(spacing: str | None, spec: str | None) -> None:
    """AlphabarError unless the spacing is known and has a number of steps to choose."""
    if spacing is None:
        return
    if spacing not in EVERY_SPACING:
        raise AlphabarError(unknown("spacing", spacing, EVERY_SPACING))
    if spec is None:
        raise AlphabarError(f"--spacing {spacing} chooses among the timesteps; give their number with --steps.")
    if not spec.isdecimal():
        raise AlphabarError(f"--spacing {spacing} chooses timesteps, and --steps {spec} names them; leave one out.")


def respaced(model: LoadedModel, spec: str | None, spacing: str | None) -> Denoiser:
    """The model's chain with the steps of `spec`, a number or a respacing of `rows_of`; None means all T steps."""
    denoiser = model.denoiser
    if spec is None:
        return denoiser
    with sentences():
        if spacing is None:
            return denoiser.respaced(rows_of(spec, denoiser.schedule.T))
        if spacing == OPTIMAL:
            return denoiser.respaced(optimal_steps(model, int(spec)))
        return denoiser.respaced(spaced(denoiser.schedule, spacing, int(spec)))


def levels(spec: str | None, spacing: str | None) -> int:
    """The network calls for each image of the continuous bound, which has no chain to respace."""
    steps = spec or str(LEVELS)
    if not steps.isdecimal() or not 1 <= int(steps) <= MOST_LEVELS or spacing is not None:
        what = f"--spacing {spacing}" if spacing else f"--steps {steps}"
        raise AlphabarError(
            f"--bpd continuous has no chain to respace; its --steps are network calls for each image, 1 to "
            f"{MOST_LEVELS:,}, and it takes no {what}."
        )
    return int(steps)
