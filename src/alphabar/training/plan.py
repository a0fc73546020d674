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
from alphabar.training.probe import images_per_second

SIDES = (256, 128, 64)
SMALLEST = 32
"""The sides of an image that are considered, in pixels."""
WIDTHS = (16, 32, 64, 128)
"""The widths of a network that are considered: its channels at the finest level."""
FEWEST = 100_000
"""The training images that the narrowest network must see, for a larger side to be taken."""
ENOUGH = 200_000
"""The training images that a wider network must see, to be taken."""
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
    bound = largest or (max(size) if size else _largest(config, device))
    as_stored = config.data.model_copy(update={"image_size": None, "resize": "none"})
    advice = data.advised(build.data_options(as_stored), config.data.name, bound)
    rule = advice.resize if size in (None, advice.image_size) else "pad" if advice.resize == "pad" else "crop"
    classes = advice.class_conditional
    why_dropout = (
        "so that it samples without a class too, and with guidance" if classes else "there are no classes to hide"
    )
    return Plan(
        {
            "data.image_size": advice.image_size,
            "data.resize": rule,
            "data.background": advice.background,
            "data.horizontal_flip": advice.horizontal_flip,
            "network.class_conditional": classes,
            "network.label_dropout": LABEL_DROPOUT if classes else 0.0,
        },
        {**advice.reasons, "network.label_dropout": why_dropout},
    )


def of_network(config: Config, size: Size, device: torch.device) -> Plan:
    """The widest network for images (H, W) that sees enough of them in time; its batches and averages."""
    width, speed = _widest(config, size, device)
    mult, attention = levels(size)
    batch = 32 if device.type == "cpu" else 128
    images = images_seen(config, speed)
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


def levels(size: Size) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(channel_mult, attention_resolutions): levels that halve (H, W) down to 4, with attention at the last but one."""
    (height, width), sides = size, [min(size)]
    while height % 2 == 0 and width % 2 == 0 and min(height, width) >= 8:
        height, width = height // 2, width // 2
        sides.append(min(height, width))
    few = {1: (1,), 2: (1, 2), 3: (1, 2, 4), 4: (1, 2, 4, 4), 5: (1, 1, 2, 4, 4)}
    mult = few.get(len(sides)) or (*(1,) * (len(sides) - 4), 2, 2, 4, 4)
    return mult, tuple(sides[-2:-1])


def images_seen(config: Config, speed: float) -> float:
    """The training images that a run sees at so many a second; inf if it has no end."""
    training = config.training
    by_steps = training.steps * training.batch_size if training.steps else None
    by_time = 60 * training.minutes * speed if training.minutes else None
    return float(min((limit for limit in (training.images, by_steps, by_time) if limit), default=math.inf))


def _widest(config: Config, size: Size, device: torch.device) -> tuple[int, float]:
    """The network's channels, and its training images a second."""
    is_planned = "network.channels" in config.training.planned
    width, *wider = WIDTHS if is_planned else (config.network.channels,)
    speed = images_per_second(_narrowed(config, size, width), size, device)
    for other in wider:
        # Twice the channels take three times the time or more: not worth a measurement if even that is too long.
        if images_seen(config, speed / 3) < ENOUGH:
            break
        slower = images_per_second(_narrowed(config, size, other), size, device)
        if images_seen(config, slower) < ENOUGH:
            break
        width, speed = other, slower
    return width, speed


def _narrowed(config: Config, size: Size, width: int) -> Config:
    mult, attention = levels(size)
    update = {"channels": width, "channel_mult": mult, "attention_resolutions": attention}
    return config.model_copy(update={"network": config.network.model_copy(update=update)})


def _largest(config: Config, device: torch.device) -> int:
    """The largest side at which the narrowest network sees enough images; its cost is taken to grow with the area."""
    size = (SMALLEST, SMALLEST)
    images = images_seen(config, images_per_second(_narrowed(config, size, WIDTHS[0]), size, device))
    return next((side for side in SIDES if images * (SMALLEST / side) ** 2 >= FEWEST), SMALLEST)


def _shown(key: str, value: object) -> str:
    if key == "data.background" and isinstance(value, tuple):
        return colour_name(value)
    if isinstance(value, tuple):
        parts = ",".join(map(str, value))
        return parts.replace(",", "x") if key == "data.image_size" else f"[{parts}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
