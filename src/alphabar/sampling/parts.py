"""A [sampling] section -> the parts of a Pipeline: the sampler, the timesteps, the denoiser on them, the condition."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial

from torch import Tensor

from alphabar import config as c
from alphabar import diffusion, names
from alphabar.errors import AlphabarError, sentences
from alphabar.registry import look_up


def options_of(sampler: str) -> list[str]:
    """The settings of [sampling] that are options of this sampler: the fields of its dataclass."""
    own = {field.name for field in fields(diffusion.SAMPLERS[sampler])}  # type: ignore[arg-type]  # a dataclass
    return [name for name in c.Sampling.model_fields if name in own]


SAMPLER_OPTIONS = tuple(
    name for name in c.Sampling.model_fields if any(name in options_of(sampler) for sampler in diffusion.SAMPLERS)
)
"""The settings of [sampling] that are options of some sampler: eta, order, churn."""


def sampler(section: c.Sampling) -> diffusion.Sampler:
    """The sampler of a [sampling] section; AlphabarError for an option that it does not have."""
    make = look_up(diffusion.SAMPLERS, section.sampler, "sampler")
    if section.variance != "model" and section.sampler != "ddpm":
        raise AlphabarError(
            f"[sampling] variance '{section.variance}' is an option of ddpm, and the sampler is '{section.sampler}'; "
            "choose ddpm, or leave the variance to the model."
        )
    options = {name: getattr(section, name) for name in SAMPLER_OPTIONS if getattr(section, name) is not None}
    for name in options:
        if name not in options_of(section.sampler):
            takers = [other for other in diffusion.SAMPLERS if name in options_of(other)]
            raise AlphabarError(
                f"[sampling] {name} is an option of {names.listed(takers)}, and the sampler is '{section.sampler}'; "
                f"leave it out, or choose one of those."
            )
    with sentences("sampling"):
        return make(**options)


def rows(schedule: diffusion.NoiseSchedule, section: c.Sampling) -> list[int]:
    """The timesteps, in 1..T, that a [sampling] section visits: its own, or its sampler's default grid."""
    usual = diffusion.SAMPLERS[section.sampler].grid.steps or schedule.T
    steps = section.steps if section.steps is not None else min(usual, schedule.T)
    with sentences("sampling"):
        if isinstance(steps, str):
            return diffusion.rows_of(steps, schedule.T)
        return diffusion.spaced(schedule, spacing(section), steps)


def spacing(section: c.Sampling) -> str:
    """The key of SPACINGS that a [sampling] section names, or its sampler's default."""
    return section.spacing or diffusion.SAMPLERS[section.sampler].grid.spacing


def respaced(denoiser: diffusion.Denoiser, section: c.Sampling, rows: Sequence[int]) -> diffusion.Denoiser:
    """The denoiser on the timesteps `rows`, with the fixed reverse variance of a [sampling] section, if it names one.

    An analytic variance is not known here: it is measured (`analytic_variance`).
    """
    return with_variance(denoiser, section.variance).respaced(rows)


def with_variance(denoiser: diffusion.Denoiser, variance: str) -> diffusion.Denoiser:
    """The denoiser with a fixed reverse variance, if `variance` names one; else its own."""
    if variance not in diffusion.VARIANCES:
        return denoiser
    learned = denoiser.variance.learned  # the network's second half of channels is split off all the same
    return replace(denoiser, variance=replace(diffusion.VARIANCES[variance], learned=learned))


Condition = Callable[[diffusion.Denoiser, Tensor], diffusion.Denoiser]
"""(p(x), y (B,)) -> p(x | y), guided or not."""


def condition(config: c.Config, facts: c.ImageFacts, section: c.Sampling) -> Condition:
    """How a [sampling] section conditions the denoiser on classes: with guidance, or without."""
    if section.guidance_scale == 1:
        return diffusion.Denoiser.given
    if not config.network.label_dropout:
        raise AlphabarError(
            f"[sampling] guidance_scale {section.guidance_scale:g} needs a network that was trained with "
            "network.label_dropout above 0, to know images without a class too; this one was not, so leave it at 1."
        )
    first, last = section.guidance_interval or (1, config.diffusion.steps)
    if not first <= last <= config.diffusion.steps:
        raise AlphabarError(
            f"[sampling] guidance_interval must be two timesteps in 1..{config.diffusion.steps}, the smaller first: "
            f"{first} and {last} are not."
        )
    return partial(
        diffusion.guided,
        null_y=len(facts.class_names),
        guidance_scale=section.guidance_scale,
        interval=section.guidance_interval,
        rescale=section.guidance_rescale,
    )
