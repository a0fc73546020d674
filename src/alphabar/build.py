"""Config -> objects: the only module that knows every name."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from alphabar import config as c
from alphabar import data, diffusion, distributed, networks
from alphabar.errors import AlphabarError
from alphabar.registry import look_up


@contextmanager
def _blame(section: str) -> Iterator[None]:
    """A ValueError of the pure modules, which know no config, becomes the user's sentence, with the section to mend."""
    try:
        yield
    except AlphabarError:
        raise
    except ValueError as error:
        raise AlphabarError(f"[{section}] {error}") from None


def data_options(section: c.Data) -> data.DataOptions:
    """What the [data] section asks of its source."""
    return data.DataOptions(
        path=section.path,
        data_root=section.root,
        split=section.split,
        image_size=section.image_size,
        channels=section.channels,
        resize=section.resize,
        background=section.background,
    )


def image_set(config: c.Config) -> data.ImageSet:
    """The images of the [data] section, as uint8 in memory."""
    return data.load(config.data.name, data_options(config.data))


def image_facts(images: data.ImageSet) -> c.ImageFacts:
    """What a network and its checkpoints need to know of them."""
    names = images.class_names if images.num_classes else ()
    return c.ImageFacts(shape=images.shape, class_names=names, fingerprint=images.fingerprint())


def class_names(config: c.Config, facts: c.ImageFacts) -> tuple[str, ...]:
    """The classes that the network is told; none if it is unconditional."""
    return facts.class_names if config.network.class_conditional else ()


def network(config: c.Config, facts: c.ImageFacts) -> nn.Module:
    """The network of the [network] section for images like these, initialised from torch's default generator."""
    section, (channels, height, width) = config.network, facts.shape
    if section.class_conditional and not facts.class_names:
        raise AlphabarError(
            "[network] class_conditional = true needs labelled images, and these have no classes; "
            "put each class into a sub-folder of its own, with no image beside them, "
            "or set network.class_conditional=false."
        )
    learned = diffusion.VARIANCES[config.diffusion.variance].learned
    with _blame("network"):
        return look_up(networks.NETWORKS, section.name, "network")(
            image_size=(height, width),
            in_channels=channels,
            out_channels=2 * channels if learned else channels,
            channels=section.channels,
            channel_mult=section.channel_mult,
            num_blocks=section.num_blocks,
            attention_resolutions=section.attention_resolutions,
            dropout=section.dropout,
            num_classes=len(class_names(config, facts)) or None,
            null_class=section.label_dropout > 0,
            gradient_checkpointing=section.gradient_checkpointing,
            style=look_up(networks.PRESETS, section.preset, "network preset"),
        )


def place(network: nn.Module, device: torch.device | str) -> nn.Module:
    """The same network on `device`, its weights in channels_last memory, where convolutions are fastest."""
    return network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def denoiser(config: c.Config, network: diffusion.Network) -> diffusion.Denoiser:
    """The network, read as the [diffusion] section says."""
    section = config.diffusion
    with _blame("diffusion"):
        return diffusion.Denoiser(
            network=network,
            schedule=look_up(diffusion.SCHEDULES, section.schedule, "noise schedule")(section.steps),
            parameterization=look_up(diffusion.PARAMETERIZATIONS, section.parameterization, "parameterization"),
            variance=look_up(diffusion.VARIANCES, section.variance, "reverse variance"),
            time_scale=section.time_scale,
            x0_transform=look_up(diffusion.X0_TRANSFORMS, section.x0_transform, "x0 transform"),
        )


def objective(config: c.Config) -> diffusion.Objective:
    """What [diffusion] trains on."""
    section = config.diffusion
    with _blame("diffusion"):
        chosen = diffusion.Objective(
            kind=section.objective,
            vlb_weight=section.vlb_weight,
            weighting=section.weighting,
            min_snr_gamma=section.min_snr_gamma,
            p2_gamma=section.p2_gamma,
            p2_k=section.p2_k,
            decoder=section.decoder,
        )
        chosen.check_fits(look_up(diffusion.VARIANCES, section.variance, "reverse variance"))
    return chosen


def timestep_sampler(config: c.Config) -> diffusion.TimestepSampler:
    """How [diffusion] draws t."""
    if config.diffusion.timestep_sampler == "loss_second_moment" and config.diffusion.objective == "simple":
        raise AlphabarError(
            "[diffusion] timestep_sampler 'loss_second_moment' follows the terms of the bound, and the objective "
            "'simple' has none; use the objective 'vlb', or timestep_sampler 'antithetic'."
        )
    if config.diffusion.timestep_sampler == "loss_second_moment":
        return diffusion.LossSecondMoment(config.diffusion.steps, gather=distributed.gathered)
    make = look_up(diffusion.TIMESTEP_SAMPLERS, config.diffusion.timestep_sampler, "timestep sampler")
    return make(config.diffusion.steps)


SAMPLER_OPTIONS = ("eta", "order", "churn")
"""Settings of [sampling] that are fields of some samplers."""


def sampler(section: c.Sampling) -> diffusion.Sampler:
    """The sampler of a [sampling] section; AlphabarError for an option that is another sampler's."""
    make = look_up(diffusion.SAMPLERS, section.sampler, "sampler")
    if section.variance != "model" and section.sampler != "ddpm":
        raise AlphabarError(
            f"[sampling] variance '{section.variance}' is an option of ddpm, and the sampler is '{section.sampler}'; "
            "choose ddpm, or leave the variance to the model."
        )
    asked = {name: getattr(section, name) for name in SAMPLER_OPTIONS if getattr(section, name) is not None}
    for name, value in asked.items():
        if value:  # configs used to write eta = 0 with every sampler
            check_option(name, section.sampler)
    with _blame("sampling"):
        return make(**{name: value for name, value in asked.items() if section.sampler in options_of(name)})


def options_of(name: str) -> list[str]:
    """The samplers that have this option."""
    return [key for key, make in diffusion.SAMPLERS.items() if name in inspect.signature(make).parameters]


def check_option(name: str, sampler: str) -> None:
    """AlphabarError if the option is none of this sampler's."""
    if sampler not in (takers := options_of(name)):
        raise AlphabarError(
            f"[sampling] {name} is an option of {', '.join(takers)}, and the sampler is '{sampler}'; leave {name} out "
            "(none), or choose one of those."
        )


def rows(schedule: diffusion.NoiseSchedule, section: c.Sampling) -> list[int]:
    """The timesteps that a [sampling] section visits, 1..T: those asked for, or the sampler's usual ones."""
    usual = diffusion.GRIDS[section.sampler].steps or schedule.T
    steps = section.steps if section.steps is not None else min(usual, schedule.T)
    with _blame("sampling"):
        if isinstance(steps, str):
            return diffusion.rows_of(steps, schedule.T)
        return diffusion.spaced(schedule, spacing(section), steps)


def spacing(section: c.Sampling) -> str:
    """The key of SPACINGS that a [sampling] section asks for, or its sampler's own."""
    return section.spacing or diffusion.GRIDS[section.sampler].spacing


def respaced(denoiser: diffusion.Denoiser, section: c.Sampling) -> diffusion.Denoiser:
    """The denoiser on the timesteps that a [sampling] section visits, with the reverse variance that it asks for."""
    return with_variance(denoiser, section).respaced(rows(denoiser.schedule, section))


def with_variance(denoiser: diffusion.Denoiser, section: c.Sampling) -> diffusion.Denoiser:
    """The denoiser with the fixed reverse variance that a [sampling] section asks for, if it does.

    An analytic variance is not known here: it is measured (`analytic_variance`).
    """
    if section.variance not in diffusion.VARIANCES:
        return denoiser
    learned = denoiser.variance.learned  # what the network has is split off all the same
    return replace(denoiser, variance=replace(diffusion.VARIANCES[section.variance], learned=learned))


Condition = Callable[[diffusion.Denoiser, Tensor], diffusion.Denoiser]
"""(p(x), y (B,)) -> p(x | y), guided or not."""


def condition(config: c.Config, facts: c.ImageFacts, section: c.Sampling) -> Condition:
    """How a [sampling] section tells the network its classes."""
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


def device(name: str) -> torch.device:
    """'auto' (CUDA, then MPS, then CPU) or a device of torch's; AlphabarError if it is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "cuda" and distributed.world_size() > 1:
        name = f"cuda:{distributed.local_rank()}"
    try:
        chosen = torch.device(name)
        if chosen.type in ("cpu", "cuda", "mps"):
            torch.empty(1, device=chosen)
            return chosen
    except (RuntimeError, AssertionError):
        pass
    raise AlphabarError(f"There is no device '{name}' here; try 'cpu', or leave --device out.")
