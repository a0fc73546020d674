"""A model -> a state dict of OpenAI's, and the line of flags with which their scripts build its network."""

from pathlib import Path
from typing import Any

import torch

from alphabar import build
from alphabar.errors import AlphabarError
from alphabar.interop.keys import from_ours
from alphabar.interop.openai_keys import table
from alphabar.interop.portable import Portable, groups_in, sizes
from alphabar.interop.released import SIZES
from alphabar.networks import IDDPM, Style

CLASSES = 1000
"""The classes of their networks, a constant in their code."""
IMPROVED_SIZES = (32, 64, 256)
AS_THEIRS = ("sinusoid", "frequency_shift", "downsample_padding", "norm_eps")
"""The fields of `Style` that their networks have at one value only."""


def write(model: Portable, out: Path) -> tuple[Path, list[str]]:
    """Write the state dict `out`; returns it, and lines for a person. AlphabarError if their code has no such model."""
    config, style = model.config, build.style(model.config.network)
    own = sizes(config, model.facts)
    _check(model, style)
    guided = _needs_guided(model, style)
    new_order = bool(model.record.get("new_attention_order")) and guided
    flags = _network_flags(model, style, guided, new_order) | _diffusion_flags(model, guided)
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(from_ours(model.tensors, table(own, style, new_order)), out)
    repository, script = "guided-diffusion" if guided else "improved-diffusion", "image_sample.py"
    if (low_resolution := config.network.low_resolution) is not None:
        script = "super_res_sample.py"
        flags = {"large_size": flags.pop("image_size"), "small_size": low_resolution[0], **flags}
    line = " ".join(f"--{name} {value}" for name, value in flags.items())
    lines = [f"{repository}: python scripts/{script} --model_path {out} {line}"]
    classes = len(own["embedding.classes.weight"]) if "embedding.classes.weight" in own else CLASSES
    if classes != CLASSES:
        lines.append(f"set NUM_CLASSES = {classes} in their script_util.py, which has {CLASSES}")
    return out, lines


def _check(model: Portable, style: Style) -> None:
    """AlphabarError for what their code cannot compute."""
    for name in AS_THEIRS:
        if (value := getattr(style, name)) != (theirs := getattr(IDDPM, name)):
            raise AlphabarError(
                f"OpenAI's networks have {name}={theirs}, and this one {name}={value}; export it --to diffusers."
            )
    if (groups := groups_in(sizes(model.config, model.facts), style)) != {32}:
        raise AlphabarError(f"OpenAI's normalizations have 32 groups, and this network's have {sorted(groups)}.")
    if model.facts.shape[0] != 3:
        raise AlphabarError(f"OpenAI's scripts make images of 3 channels; these have {model.facts.shape[0]}.")
    if model.facts.shape[1] != model.facts.shape[2]:
        raise AlphabarError(f"OpenAI's scripts make square images; these are {model.facts.shape[1:]}.")
    low_resolution = model.config.network.low_resolution
    if low_resolution is not None and low_resolution[0] != low_resolution[1]:
        raise AlphabarError(f"OpenAI's scripts enlarge square images; these are {low_resolution}.")


def _needs_guided(model: Portable, style: Style) -> bool:
    """Whether improved-diffusion has no flags for this network, and guided-diffusion has."""
    side = model.facts.shape[1]
    standard = SIZES.get(tuple(model.config.network.channel_mult)) == side and side in IMPROVED_SIZES
    return style.resampling == "block" or style.head_channels is not None or not standard


def _network_flags(model: Portable, style: Style, guided: bool, new_order: bool) -> dict[str, Any]:
    section, side = model.config.network, model.facts.shape[1]
    base = style.time_channels or section.channels
    halves = {name: mult for mult, name in SIZES.items() if name == 512}
    is_512 = side == 512 and tuple(section.channel_mult) == halves[512] and base == 2 * section.channels
    if base != section.channels and not is_512:
        raise AlphabarError(f"network.time_channels={base} has no counterpart in OpenAI's scripts at this image size.")
    flags: dict[str, Any] = {
        "image_size": side,
        "num_channels": base,
        "num_res_blocks": section.num_blocks,
        "attention_resolutions": ",".join(map(str, section.attention_resolutions)),
        "class_cond": section.class_conditional,
        "use_scale_shift_norm": style.conditioning == "scale_shift",
        "dropout": section.dropout,
    }
    flags |= {"num_head_channels": style.head_channels} if style.head_channels else {"num_heads": style.heads}
    if guided:
        flags |= {"resblock_updown": style.resampling == "block", "use_new_attention_order": new_order}
        if SIZES.get(tuple(section.channel_mult)) != side:
            flags["channel_mult"] = ",".join(map(str, section.channel_mult))
    return flags


def _diffusion_flags(model: Portable, guided: bool) -> dict[str, Any]:
    section = model.config.diffusion
    T, rescaled = section.steps, section.time_scale * section.steps
    if section.betas is not None or section.schedule not in ("linear", "cosine"):
        raise AlphabarError(f"OpenAI's scripts know the schedules linear and cosine; this is {section.schedule}.")
    if section.time_scale != 1 and abs(rescaled - 1000) > 1e-6:
        raise AlphabarError(f"OpenAI's scripts scale the timestep by 1 or 1000/T; this is {section.time_scale:g}.")
    if section.parameterization not in ("eps", "x0") or section.variance == "learned":
        raise AlphabarError(
            "OpenAI's scripts know the parameterizations eps and x0, and the variances learned_range, fixed_small and "
            f"fixed_large; this is {section.parameterization} with {section.variance}."
        )
    flags = {
        "learn_sigma": section.variance == "learned_range",
        "diffusion_steps": T,
        "noise_schedule": section.schedule,
        "predict_xstart": section.parameterization == "x0",
        "rescale_timesteps": section.time_scale != 1,
    }
    if section.variance == "fixed_small":
        if guided:
            raise AlphabarError("guided-diffusion has no flag for diffusion.variance=fixed_small.")
        flags["sigma_small"] = True
    return flags
