"""A scheduler_config.json of diffusers <-> how we read the network's output, and how we sample."""

from collections.abc import Mapping
from typing import Any

from alphabar import build
from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.interop import betas
from alphabar.interop.fields import known
from alphabar.interop.portable import Settings

SAMPLERS = {
    "DDPMScheduler": "ddpm",
    "DDIMScheduler": "ddim",
    "PNDMScheduler": "pndm",
    "DPMSolverMultistepScheduler": "dpmpp_2m",
    "UniPCMultistepScheduler": "unipc",
    "EulerDiscreteScheduler": "euler",
    "HeunDiscreteScheduler": "heun",
}
OLD_CLASSES = {"GaussianDDPMScheduler": "DDPMScheduler"}
OLD_FIELDS = {"timesteps": "num_train_timesteps"}
"""The names of 2022."""
CLIPPING = ("DDPMScheduler", "DDIMScheduler")
"""The classes that clip x̂_0; they also take the first timesteps, unless told otherwise."""
DEFAULTS: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "trained_betas": None,
    "rescale_betas_zero_snr": False,
    "variance_type": "fixed_small",
    "prediction_type": "epsilon",
    "clip_sample": True,
    "thresholding": False,
    "timestep_spacing": "leading",
}
"""The fields that have a counterpart here, and what diffusers takes for one that is missing."""
UNUSED: dict[str, Any] = {
    "clip_sample_range": 1.0,
    "dynamic_thresholding_ratio": 0.995,
    "sample_max_value": 1.0,
    "steps_offset": 0,
    "set_alpha_to_one": True,
}
"""The fields that change images and have none, and the values at which they change nothing."""
PREDICTIONS = {"epsilon": "eps", "sample": "x0", "v_prediction": "v"}
VARIANCES = {
    "fixed_small": "fixed_small",
    "fixed_small_log": "fixed_small",
    "fixed_large": "fixed_large",
    "learned_range": "learned_range",
}
SPACINGS = {"leading": "leading", "trailing": "trailing", "linspace": "uniform"}


def read(config: Mapping[str, Any], learns_variance: bool, source: str) -> tuple[Settings, list[str]]:
    """The settings of [diffusion] and [sampling], and the sentences about what is not used."""
    kind = OLD_CLASSES.get(name := str(config.get("_class_name", "DDPMScheduler")), name)
    if kind not in SAMPLERS:
        why = "is flow matching and has no chain of β_t" if "Flow" in kind else "alphabar does not know"
        raise AlphabarError(f"{source} has the scheduler {kind:.60}, which {why}; known are {', '.join(SAMPLERS)}.")
    own = {"clip_sample": False, "timestep_spacing": "linspace"} if kind not in CLIPPING else {}
    given = {OLD_FIELDS.get(key, key): value for key, value in config.items()}
    scheduler = known(given, DEFAULTS | own, source)
    notes = [
        f"{key}={given[key]!s:.40} of the scheduler has no counterpart here, and is not used."
        for key, value in UNUSED.items() if given.get(key, value) != value
    ]  # fmt: skip
    variance = _of(VARIANCES, scheduler, "variance_type", source)
    if learns_variance and variance != "learned_range":
        notes.append(f"the network learns its variance, so variance_type={scheduler['variance_type']} is not used.")
        variance = "learned_range"
    elif variance == "learned_range" and not learns_variance:
        raise AlphabarError(f"{source} has variance_type=learned_range, but its network returns no variance.")
    settings: Settings = {
        "diffusion": {
            **betas.chain(betas.betas(scheduler, source)),
            "parameterization": _of(PREDICTIONS, scheduler, "prediction_type", source),
            "variance": variance,
            "objective": "hybrid" if learns_variance else "simple",
            "x0_transform": "dynamic" if scheduler["thresholding"] else "clip" if scheduler["clip_sample"] else "none",
        },
        "sampling": {
            "sampler": SAMPLERS[kind],
            "spacing": _of(SPACINGS, scheduler, "timestep_spacing", source),
        },
    }
    return settings, notes


def _of(table: Mapping[str, str], scheduler: Mapping[str, Any], field: str, source: str) -> str:
    value = str(scheduler[field])
    if value not in table:
        raise AlphabarError(f"{source} has {field}={value:.40}; alphabar knows {', '.join(table)}.")
    return table[value]


def stride(config: c.Config) -> int:
    """1/time_scale: of a chain whose network is given t · time_scale, the steps at which that is a whole number.

    diffusers gives the network the timestep itself, so that every step of this shorter chain is one of its timesteps.
    """
    scale = config.diffusion.time_scale
    steps = round(1 / scale) if scale <= 1 else 0
    if not steps or abs(steps * scale - 1) > 1e-9:
        raise AlphabarError(
            f"diffusers gives the network the timestep itself, and this one is used to {scale:g} of it "
            "(diffusion.time_scale), which is not 1/n; export it --to openai."
        )
    return steps


def written(config: c.Config, record: Mapping[str, Any]) -> dict[str, Any]:
    """The scheduler_config.json of a model. What `record` has of the original one besides is kept."""
    section, sampling = config.diffusion, config.sampling
    schedule = build.schedule(section).respace(range(1, section.steps + 1, stride(config)))
    is_ddim = sampling.sampler == "ddim" and not section.variance.startswith("learned")
    spacings = {ours: theirs for theirs, ours in SPACINGS.items()}
    kept = {key: value for key, value in record.items() if OLD_FIELDS.get(key, key) not in DEFAULTS}
    variance = {"variance_type": _back(VARIANCES, section.variance, "diffusion.variance")}
    return kept | {
        "_class_name": "DDIMScheduler" if is_ddim else "DDPMScheduler",
        "num_train_timesteps": schedule.T,
        **betas.foreign(schedule.beta[1:]),
        "rescale_betas_zero_snr": False,
        **({} if is_ddim else variance),
        "prediction_type": _back(PREDICTIONS, section.parameterization, "diffusion.parameterization"),
        "clip_sample": section.x0_transform == "clip",
        "thresholding": section.x0_transform == "dynamic",
        "timestep_spacing": spacings.get(sampling.spacing or "leading", "leading"),
    }


def _back(table: Mapping[str, str], value: str, setting: str) -> str:
    for theirs, ours in table.items():
        if ours == value:
            return theirs
    raise AlphabarError(f"{setting}={value} has no counterpart in diffusers, which has {', '.join(table)}.")
