"""The settings that a recipe leaves to the images, the machine and the time (`training.planned`): docs/own_images.md.

A plan is made once, before the first step; its values stand in the run's config.json and in every checkpoint.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from alphabar import build, data
from alphabar.config import Config
from alphabar.data.options import sized
from alphabar.images import Size, colour_name
from alphabar.training.log import span
from alphabar.training.planning.affordable import SMALLEST, batch_of, images_seen, largest_side, levels_of, widest

RECOGNISABLE = 25_000
"""After so many training images, samples begin to be recognised."""
LABEL_DROPOUT = 0.1
LONG = 100_000
"""Steps of a run whose average may be slow."""


@dataclass(frozen=True)
class Plan:
    """Settings, as section.key, and why."""

    settings: Mapping[str, Any]
    reasons: Mapping[str, str]
    outlook: str = ""
    """What to expect of the time."""

    def only(self, keys: frozenset[str]) -> dict[str, Any]:
        """The settings among `keys`."""
        return {key: value for key, value in self.settings.items() if key in keys}

    def lines(self, keys: frozenset[str]) -> list[str]:
        """What was planned of `keys`, and the outlook, for people."""
        planned = [
            f"planned  {key}={_shown(key, value)}  ({self.reasons[key]})" for key, value in self.only(keys).items()
        ]
        return planned + ([self.outlook] if self.outlook else [])


def of_data(config: Config, device: torch.device, largest: int | None = None) -> Plan:
    """What suits the images, with sides of at most `largest`; if that is None, of what can be learned in time."""
    size = None if "data.image_size" in config.training.planned else config.data.image_size
    bound = largest or (max(size) if size else largest_side(by_images(config), device))
    advice = _advice(config, bound)
    is_asked = size not in (None, advice.image_size)
    rule = advice.resize if not is_asked or advice.resize == "pad" else "crop"
    why_rule = {"data.resize": "for the size that was asked for"} if is_asked else {}
    are_planned = "network.class_conditional" in config.training.planned
    classes = advice.class_conditional if are_planned else config.network.class_conditional
    why_dropout = (
        "so that it samples without a class too, and with guidance" if classes else "there are no classes to hide"
    )
    return Plan(
        {
            "data.image_size": advice.image_size,
            "data.resize": rule,
            "data.background": advice.background,
            "data.horizontal_flip": advice.horizontal_flip,
            "network.class_conditional": advice.class_conditional,
            "network.label_dropout": LABEL_DROPOUT if classes else 0.0,
        },
        {**advice.reasons, **why_rule, "network.label_dropout": why_dropout},
    )


def of_network(config: Config, size: Size, device: torch.device) -> Plan:
    """The widest network for images (H, W) that sees enough of them in time; its batches and averages."""
    config = by_images(config)
    width, speed = widest(config, size, device)
    mult, attention = levels_of(config, size)
    batch = batch_of(config, device)
    images = images_seen(config, speed, batch)
    steps = images / batch
    return Plan(
        {
            "network.channels": width,
            "network.channel_mult": mult,
            "network.attention_resolutions": attention,
            "training.batch_size": batch,
            "training.ema_rates": (0.9999 if steps > LONG else 0.999,),
            "optimizer.warmup_steps": int(min(200, max(10, steps / 20))),
        },
        {
            "network.channels": f"the width of the network; this machine trains on {speed:,.0f} images/s",
            "network.channel_mult": f"its levels: the width times each number, from {sized(size)} pixels to "
            f"{sized((size[0] >> len(mult) - 1, size[1] >> len(mult) - 1))}",
            "network.attention_resolutions": "there every pixel sees all others",
            "training.batch_size": "images per step",
            "training.ema_rates": "samples come from an average of the weights of the last steps",
            "optimizer.warmup_steps": "the learning rate rises during the first steps",
        },
        _outlook(speed, images),
    )


def _outlook(speed: float, images: float) -> str:
    """When to expect something recognisable, and what to do if the run ends before."""
    needed = RECOGNISABLE / speed
    expect = f"expect first recognisable samples after about {span(needed)} ({RECOGNISABLE:,} training images)"
    if images >= RECOGNISABLE:
        return expect
    return f"{expect}; this run ends at about {images:,.0f}, so give it more time: --minutes {math.ceil(needed / 30)}"


def by_images(config: Config) -> Config:
    """`config` with the epochs of its length as images."""
    training = config.training
    if training.epochs is None:
        return config
    images = math.ceil(training.epochs * _advice(config, SMALLEST).count)
    shorter = images if training.images is None else min(images, training.images)
    return config.model_copy(update={"training": training.model_copy(update={"images": shorter, "epochs": None})})


def _advice(config: Config, largest: int) -> data.Advice:
    as_stored = config.data.model_copy(update={"image_size": None, "resize": "none"})
    return data.advised(build.data_options(as_stored), config.data.name, largest)


def _shown(key: str, value: object) -> str:
    if key == "data.background" and isinstance(value, tuple):
        return colour_name(value)
    if isinstance(value, tuple):
        parts = ",".join(map(str, value))
        return parts.replace(",", "x") if key == "data.image_size" else f"[{parts}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
