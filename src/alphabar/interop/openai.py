"""Checkpoints of improved-diffusion and guided-diffusion: a state dict, whose flags are not in the file."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from alphabar import build
from alphabar import config as c
from alphabar.interop.keys import to_ours
from alphabar.interop.openai_keys import table
from alphabar.interop.openai_shapes import Shapes, shapes
from alphabar.interop.portable import Portable, Settings, SizeUnsaidError, facts, group_setting, settled, sizes
from alphabar.interop.released import RELEASED, SIZES, Released
from alphabar.interop.request import Request

_STEP = re.compile(r"(?:ema_[\d.]+_|model)(\d{6,})$")
ORDER = "the order of attention (--new-attention-order if it was used)"


def is_openai(foreign: Mapping[str, Tensor]) -> bool:
    """Whether the keys are those of OpenAI's U-Nets, or of a classifier."""
    return "input_blocks.0.0.weight" in foreign and "time_embed.0.weight" in foreign


def read(request: Request) -> Portable:
    """The model in a file of improved-diffusion or guided-diffusion."""
    foreign, path = request.tensors(), request.path
    source = path.name
    found, known = shapes(foreign, source), RELEASED.get(path.stem)
    if known and not _is_released(found, known):
        known = None  # another file under that name
    guided = found.blocks_resample or request.format == "guided"
    new_order = request.new_attention_order
    if new_order is None:
        new_order = known.new_order if known else False
    settings = _settings(found, known, guided, request)
    config = settled(settings, request.overrides)
    image_facts = facts(config, found.image_channels, found.classes, source)
    entries = table(sizes(config, image_facts), build.style(config.network), new_order)
    step = known.iterations if known else int(match[1]) if (match := _STEP.search(path.stem)) else 0
    return Portable(
        config=config,
        facts=image_facts,
        tensors=to_ours(foreign, entries, source),
        step=step,
        record={"format": "guided" if guided else "openai", "new_attention_order": new_order},
        notes=() if known else _unknown(config, found, guided, request),
    )


def _is_released(found: Shapes, known: Released) -> bool:
    size, upsamples = SIZES.get(found.channel_mult), known.low_resolution is not None
    return (size, found.blocks_resample, found.upsamples) == (known.image_size, known.guided, upsamples)


def _settings(found: Shapes, known: Released | None, guided: bool, request: Request) -> Settings:
    side = known.image_size if known else SIZES.get(found.channel_mult)
    said = request.said({"data.image_size": side, "diffusion.steps": known.steps if known else 1000})
    size, steps = said.data.image_size, said.diffusion.steps
    if size is None:
        raise SizeUnsaidError(
            f"{request.path.name} does not say the size of its images, and OpenAI has none with levels of "
            f"{list(found.channel_mult)} × {found.channels} channels; add data.image_size=N."
        )
    quarter = known.low_resolution if known else [max(1, length // 4) for length in size]
    return _merged(
        {
            "data": {"name": "folder", "image_size": size, "channels": found.image_channels},
            "network": {
                "preset": "iddpm",
                "channels": found.channels,
                "channel_mult": found.channel_mult,
                "num_blocks": found.num_blocks,
                "low_resolution": quarter if found.upsamples else None,
                "attention_resolutions": [min(size) >> level for level in found.attends],
                "class_conditional": found.classes > 0,
                "conditioning": None if found.scale_shift else "add",
                "resampling": "block" if found.blocks_resample else None,
                "norm_groups": group_setting(32, [found.channels * mult for mult in found.channel_mult]),
                "time_channels": None if found.time_channels == found.channels else found.time_channels,
            },
            "diffusion": {
                "steps": steps,
                "variance": "learned_range" if found.learns_variance else "fixed_large",
                "time_scale": 1.0 if guided else 1000 / steps,  # the defaults of the two repositories
                "objective": "hybrid" if found.learns_variance else "simple",
            },
            "sampling": {"sampler": "ddpm"},
            "training": {"steps": max(1, known.iterations if known else 1)},
        },
        _of_release(known, steps) if known else {},
    )


def _of_release(known: Released, steps: int) -> Settings:
    settings = known.settings()
    if known.loss == "plain":
        settings["diffusion"]["vlb_weight"] = 1 / steps
    return settings


def _merged(settings: Settings, more: Settings) -> Settings:
    return settings | {name: settings[name] | section for name, section in more.items()}


def _unknown(config: c.Config, found: Shapes, guided: bool, request: Request) -> tuple[str, ...]:
    """The sentence that names the flags of which the file says nothing, and what was taken for them."""
    heads, low_resolution = build.style(config.network), config.network.low_resolution
    which = "network.head_channels" if heads.head_channels else "network.heads"
    taken: dict[str, Any] = {
        "data.image_size": "x".join(map(str, config.data.image_size or ())),
        which: heads.head_channels or heads.heads,
        **({"network.low_resolution": "x".join(map(str, low_resolution))} if low_resolution else {}),
        "network.dropout": config.network.dropout,
        "diffusion.steps": config.diffusion.steps,
        "diffusion.schedule": config.diffusion.schedule,
        "diffusion.time_scale": config.diffusion.time_scale,
        "diffusion.parameterization": config.diffusion.parameterization,
    }
    if not found.learns_variance:
        taken["diffusion.variance"] = config.diffusion.variance
    guesses = [f"{name}={value}" for name, value in taken.items() if name not in request.overrides]
    order = f", and {ORDER}" if guided and request.new_attention_order is None else ""
    repository = "guided-diffusion" if guided else "improved-diffusion"
    if not guesses:
        return ()
    return (
        f"{request.path.name} is none of the released files, and does not say these flags, taken as {repository}'s "
        f"defaults: {', '.join(guesses)}{order}; name what differs as section.key=value.",
    )
