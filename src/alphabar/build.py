"""Config -> objects: the only module that looks every name up."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from alphabar import config as c
from alphabar import data, diffusion, distributed, networks
from alphabar.diffusion.timesteps import LossSecondMoment
from alphabar.errors import AlphabarError, sentences
from alphabar.images import Size, smaller
from alphabar.networks.allocator import keep_memory
from alphabar.networks.precision import allow_tf32
from alphabar.registry import look_up


def data_options(section: c.Data) -> data.DataOptions:
    """The [data] section in the words of a data source."""
    return data.DataOptions(
        path=section.path,
        data_root=section.root,
        split=section.split,
        image_size=section.image_size,
        channels=section.channels,
        resize=section.resize,
        background=section.background,
        white=section.white,
        crop=section.crop,
        crop_room=section.crop_room,
        holdout=section.holdout,
        jpeg_without_end=section.jpeg_without_end,
    )


def image_set(section: c.Data) -> data.ImageSet:
    """The images of a [data] section, as uint8 in memory."""
    return data.load(section.name, data_options(section))


def image_facts(images: data.ImageSet) -> c.ImageFacts:
    """What a network and its checkpoints need to know of the images."""
    names = images.class_names if images.num_classes else ()
    return c.ImageFacts(shape=images.shape, class_names=names, fingerprint=images.fingerprint())


def class_names(config: c.Config, facts: c.ImageFacts) -> tuple[str, ...]:
    """The classes that the network is conditioned on; none if it is unconditional."""
    return facts.class_names if config.network.class_conditional else ()


def network(config: c.Config, facts: c.ImageFacts) -> nn.Module:
    """The network of the [network] section for images of these facts, initialised from torch's default generator."""
    section, (channels, height, width) = config.network, facts.shape
    if section.class_conditional and not facts.class_names:
        off = "network.class_conditional=false" + (" and network.label_dropout=0" if section.label_dropout else "")
        raise AlphabarError(
            "[network] class_conditional = true needs labelled images, and these have no classes; "
            f"put each class into a sub-folder of its own, with no image beside them, or set {off}."
        )
    learned = diffusion.VARIANCES[config.diffusion.variance].learned
    make: Callable[..., nn.Module] = look_up(networks.NETWORKS, section.name, "network")
    return make(
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
        augmentation_size=data.LABEL_SIZE if config.data.augment else 0,
        gradient_checkpointing=section.gradient_checkpointing,
        style=style(section),
        **({"as_listed": True} if section.as_listed else {}),
        **({"low_resolution": section.low_resolution} if section.low_resolution else {}),
        **({"fourier_periods": section.fourier_periods} if section.fourier_periods else {}),
    )


def style(section: c.Network) -> networks.Style:
    """The preset of the [network] section, or NoiseNet's, with the fields that the section sets in their place."""
    is_unet = section.name == "unet"
    preset = look_up(networks.PRESETS, section.preset, "network preset") if is_unet else networks.NOISENET
    own = {field.name: getattr(section, field.name, None) for field in fields(networks.Style)}
    changes: dict[str, Any] = {name: value for name, value in own.items() if value is not None}
    if "heads" in changes and is_unet:
        changes.setdefault("head_channels", None)  # the preset's would replace them
    return replace(preset, **changes)


def network_sizes(config: c.Config, facts: c.ImageFacts) -> dict[str, Tensor]:
    """The names and shapes of the network's weights, as tensors that take no memory."""
    with networks.without_values():
        return network(config, facts).state_dict()


def cost(config: c.Config, facts: c.ImageFacts) -> tuple[int, int]:
    """The network's parameters, and the multiply-adds of its forward pass for one image."""
    with networks.without_values():
        made = network(config, facts)
    return sum(weights.numel() for weights in made.parameters()), networks.multiply_adds(made, facts.shape)


def example(config: c.Config, facts: c.ImageFacts, count: int, device: torch.device) -> dict[str, Tensor]:
    """Inputs of the network for so many images, by name, to try it with: noise, t = 0, the first class."""
    x = torch.randn(count, *facts.shape, device=device).to(memory_format=torch.channels_last)
    inputs = {"x": x, "time": torch.zeros(count, device=device)}
    if class_names(config, facts):
        inputs["y"] = torch.zeros(count, dtype=torch.int64, device=device)
    if (size := config.network.low_resolution) is not None:
        inputs["low_res"] = torch.zeros(count, facts.shape[0], *size, device=device)
    return inputs


def place(network: nn.Module, device: torch.device | str) -> nn.Module:
    """The network on `device`, its weights in channels_last memory, where convolutions are fastest."""
    keep_memory()
    return network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def denoiser(config: c.Config, network: diffusion.Network) -> diffusion.Denoiser:
    """The network, read as the [diffusion] section says."""
    section = config.diffusion
    with sentences("diffusion"):
        return diffusion.Denoiser(
            network=network,
            schedule=schedule(section),
            parameterization=look_up(diffusion.PARAMETERIZATIONS, section.parameterization, "parameterization"),
            variance=look_up(diffusion.VARIANCES, section.variance, "reverse variance"),
            time_scale=section.time_scale,
            x0_transform=look_up(diffusion.X0_TRANSFORMS, section.x0_transform, "x0 transform"),
        )


def told(denoiser: diffusion.Denoiser, x0: Tensor, y: Tensor | None, low_resolution: Size | None) -> diffusion.Denoiser:
    """The denoiser that is told of the images x_0 (B, C, H, W) what its network is conditioned on.

    That is their classes y (B,), if there are any, and for an upsampler their small versions, of `low_resolution`.
    """
    denoiser = denoiser if y is None else denoiser.given(y.to(x0.device))
    return denoiser if low_resolution is None else denoiser.beside(smaller(x0, low_resolution))


def schedule(section: c.Diffusion) -> diffusion.NoiseSchedule:
    """The chain of the [diffusion] section: that of its β, or the named one."""
    if section.betas is not None:
        return diffusion.from_betas(section.betas)
    if section.schedule == "log_snr":
        return diffusion.log_snr(section.steps, *section.log_snr)
    return look_up(diffusion.SCHEDULES, section.schedule, "noise schedule")(section.steps)


def objective(config: c.Config) -> diffusion.Objective:
    """The loss of the [diffusion] section."""
    section = config.diffusion
    with sentences("diffusion"):
        objective = diffusion.Objective(
            kind=section.objective,
            vlb_weight=section.vlb_weight,
            weighting=section.weighting,
            min_snr_gamma=section.min_snr_gamma,
            p2_gamma=section.p2_gamma,
            p2_k=section.p2_k,
            decoder=section.decoder,
        )
        objective.check_fits(look_up(diffusion.VARIANCES, section.variance, "reverse variance"))
    return objective


def timestep_sampler(config: c.Config) -> diffusion.TimestepSampler:
    """How training samples t, as the [diffusion] section says."""
    section = config.diffusion
    make = look_up(diffusion.TIMESTEP_SAMPLERS, section.timestep_sampler, "timestep sampler")
    if make is LossSecondMoment and section.objective == "simple":
        raise AlphabarError(
            "[diffusion] timestep_sampler 'loss_second_moment' follows the terms of the bound, and the objective "
            "'simple' has none; use the objective 'vlb', or timestep_sampler 'antithetic'."
        )
    return make(section.steps)


def device(name: str) -> torch.device:
    """'auto' (CUDA, then MPS, then CPU) or a device of torch's; AlphabarError if it is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "cuda" and distributed.world_size() > 1:
        name = f"cuda:{distributed.local_rank()}"
    try:
        device = torch.device(name)
        if device.type in ("cpu", "cuda", "mps"):
            torch.empty(1, device=device)
            if device.type == "cuda":
                allow_tf32(False)  # fp32 is fp32; a training in half precision allows it
            if device.type == "cuda" and distributed.world_size() > 1:
                torch.cuda.set_device(device)  # for what the processes exchange
            return device
    except (RuntimeError, AssertionError):
        pass
    raise AlphabarError(f"There is no device '{name}' here; try 'cpu', or leave --device out.")
