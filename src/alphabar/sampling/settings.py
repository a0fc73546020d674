"""How images are sampled: a recipe's [sampling] with changes, checked; and its description."""

import hashlib
from collections.abc import Mapping
from typing import Any

from alphabar import config as c
from alphabar.diffusion import SAMPLERS, NoiseSchedule, Sampler
from alphabar.diffusion.samplers import network_calls
from alphabar.errors import AlphabarError
from alphabar.sampling import parts

OWNED_BY_THE_SAMPLER = {"variance": "model", **dict.fromkeys(("steps", "spacing", *parts.SAMPLER_OPTIONS))}
"""Settings of [sampling] that a recipe makes for its own sampler, and their values with another sampler."""


def changed(config: c.Config, changes: Mapping[str, Any]) -> c.Sampling:
    """The [sampling] of `config` with `changes`; a sampler other than the recipe's comes with its own defaults."""
    settings = config.model_dump(mode="json")
    if changes.get("sampler", config.sampling.sampler) != config.sampling.sampler:
        changes = OWNED_BY_THE_SAMPLER | dict(changes)
    settings["sampling"] |= changes
    section = c.parse(settings).sampling
    if changes.get("spacing") and isinstance(section.steps, str):
        raise AlphabarError(
            f"--spacing {section.spacing} chooses timesteps, and --steps {section.steps} names them; leave one out."
        )
    if changes.get("spacing") and section.steps is None and SAMPLERS[section.sampler].grid.steps is None:
        raise AlphabarError(f"--spacing {section.spacing} chooses among the timesteps; give their number with --steps.")
    for name in ("guidance_interval", "guidance_rescale"):
        if changes.get(name) and section.guidance_scale == 1:
            raise AlphabarError(
                f"--{name.replace('_', '-')} says how to guide, and --guidance 1 does not guide; raise it."
            )
    return section


def described(section: c.Sampling, sampler: Sampler) -> str:
    """The sampler and its options, for people: "ddim, η = 1"."""
    signs = {"eta": "η"}
    options = {name: getattr(sampler, name, None) for name in parts.SAMPLER_OPTIONS}
    words = [f"{signs.get(name, name)} = {value:g}" for name, value in options.items() if value is not None]
    return ", ".join([section.sampler, *words])


def listed(section: c.Sampling, sampler: Sampler, schedule: NoiseSchedule, T: int) -> dict[str, Any]:
    """Every setting that decides how an image looks; None where one does not apply.

    schedule: the chain that is sampled; T: the length of the network's own chain.
    """
    guided = section.guidance_scale != 1
    return {
        "sampler": section.sampler,
        "steps": schedule.T,
        "spacing": _spacing(section, T),
        **{name: getattr(sampler, name, None) for name in parts.SAMPLER_OPTIONS},
        "network_calls": _network_calls(section, sampler, schedule),
        "variance": None if section.variance == "model" else section.variance,
        "precision": None if section.precision == "fp32" else section.precision,
        "guidance_scale": section.guidance_scale if guided else None,
        "guidance_interval": list(section.guidance_interval or ()) or None if guided else None,
        "guidance_rescale": section.guidance_rescale or None if guided else None,
    }


def _network_calls(section: c.Sampling, sampler: Sampler, schedule: NoiseSchedule) -> int:
    """Network calls per image; a guided one counts twice."""
    calls = network_calls(sampler, schedule.T)
    if section.guidance_scale == 1:
        return calls
    first, last = section.guidance_interval or (1, int(schedule.timesteps[-1]))
    timesteps = schedule.timesteps[1:].tolist()
    timesteps += timesteps[:-1] * (sampler.calls - 1)  # a step's second call is at the level that it leads to
    return int(calls + sum(first <= timestep <= last for timestep in timesteps))


def _spacing(section: c.Sampling, T: int) -> str:
    """Which timesteps are visited, in words."""
    if isinstance(section.steps, str):
        return section.steps
    everything = (section.steps or SAMPLERS[section.sampler].grid.steps or T) >= T
    return "all" if everything else parts.spacing(section)


def folder_name(settings: Mapping[str, Any]) -> str:
    """A folder name that differs for any two ways of sampling."""
    spacing = settings["spacing"]
    if len(spacing) > 40:  # a list of timesteps, too long for a name
        spacing = hashlib.sha256(spacing.encode()).hexdigest()[:12]
    words = [settings["sampler"], settings["steps"], spacing]
    words += [f"{name}-{settings[name]:g}" for name in parts.SAMPLER_OPTIONS if settings[name]]
    words += [settings["variance"]] if settings["variance"] else []
    if settings["guidance_scale"] is not None:
        interval = settings["guidance_interval"]
        words += [f"guidance-{settings['guidance_scale']:g}"]
        words += ["t-{}-{}".format(*interval)] if interval else []
        words += [f"rescale-{settings['guidance_rescale']:g}"] if settings["guidance_rescale"] else []
    words += [settings["backend"]] if settings["backend"] else []
    words += [settings["precision"]] if settings["precision"] else []
    words += ["unconditional"] if settings["unconditional"] else []
    words += [] if settings["class"] is None else [f"class-{settings['class']}"]
    return "-".join(map(str, [*words, settings["weights"], f"step-{settings['step']}"]))
