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
from alphabar.errors import AlphabarError
from alphabar.images import Size
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

    def only(self, keys: frozenset[str]) -> dict[str, Any]:
        """The settings among `keys`."""
        return {key: value for key, value in self.settings.items() if key in keys}

    def lines(self, keys: frozenset[str]) -> list[str]:
        """What was planned of `keys`, for people."""
        reasons = {key: f"  ({self.reasons[key]})" if self.reasons.get(key) else "" for key in self.settings}
        return [f"planned  {key}={_shown(key, value)}{reasons[key]}" for key, value in self.only(keys).items()]


def of_data(config: Config, device: torch.device, largest: int | None = None) -> Plan:
    """What suits the images, with sides of at most `largest`; if that is None, of what can be learned in time."""
    size = None if "data.image_size" in config.training.planned else config.data.image_size
    bound = largest or (max(size) if size else _largest(config, device))
    as_stored = config.data.model_copy(update={"image_size": None, "resize": "none"})
    advice = data.advised(build.data_options(as_stored), config.data.name, bound)
    is_asked = size not in (None, advice.image_size)
    rule = advice.resize if not is_asked or advice.resize == "pad" else "crop"
    why_rule = {"data.resize": "for the size that was asked for"} if is_asked else {}
    are_planned = "network.class_conditional" in config.training.planned
    classes = advice.class_conditional if are_planned else config.network.class_conditional
    why_dropout = "so that it samples without a class too, and with guidance" if classes else ""
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
    width, speed = _widest(config, size, device)
    mult, attention = _levels(config, size)
    batch = _batch(config, device)
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
            "network.channels": f"{speed:,.0f} images/s in a probe, so about {images:,.0f} in all; samples begin to be "
            f"recognised after {RECOGNISABLE:,}, about {span(RECOGNISABLE / speed)}"
        },
    )


def levels(size: Size) -> tuple[int, ...]:
    """channel_mult: levels that halve (H, W) down to 4."""
    (height, width), count = size, 1
    while height % 2 == 0 and width % 2 == 0 and min(height, width) >= 8:
        height, width, count = height // 2, width // 2, count + 1
    few = {1: (1,), 2: (1, 2), 3: (1, 2, 4), 4: (1, 2, 4, 4), 5: (1, 1, 2, 4, 4)}
    return few.get(count) or (*(1,) * (count - 4), 2, 2, 4, 4)


def attended(size: Size, count: int) -> tuple[int, ...]:
    """attention_resolutions of `count` levels: the last but one."""
    return tuple(min(size) >> level for level in range(count))[-2:-1]


def images_seen(config: Config, speed: float, batch: int) -> float:
    """The training images that a run sees at so many a second, in batches of that size; inf if it has no end."""
    training = config.training
    by_steps = training.steps * batch if training.steps else None
    by_time = 60 * training.minutes * speed if training.minutes else None
    return float(min((limit for limit in (training.images, by_steps, by_time) if limit), default=math.inf))


def _batch(config: Config, device: torch.device) -> int:
    """The images in a batch of the run."""
    if "training.batch_size" not in config.training.planned:
        return config.training.batch_size
    return 32 if device.type == "cpu" else 128


def _levels(config: Config, size: Size) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(channel_mult, attention_resolutions) of the run's network, planned or not."""
    planned, network = config.training.planned, config.network
    mult = levels(size) if "network.channel_mult" in planned else network.channel_mult
    is_planned = "network.attention_resolutions" in planned
    return mult, attended(size, len(mult)) if is_planned else network.attention_resolutions


def _widths(config: Config) -> tuple[int, ...]:
    """The channels that the run's network may have."""
    return WIDTHS if "network.channels" in config.training.planned else (config.network.channels,)


def _widest(config: Config, size: Size, device: torch.device) -> tuple[int, float]:
    """The network's channels, and its training images a second."""
    batch, (width, *wider) = _batch(config, device), _widths(config)
    try:
        speed = images_per_second(_with_network(config, batch, width, *_levels(config, size)), size, device)
    except torch.OutOfMemoryError:
        raise AlphabarError(
            f"A batch of {batch} images of {size[0]}x{size[1]} with network.channels={width} does not fit into the "
            f"memory of {device}; choose a smaller data.image_size, training.batch_size or training.micro_batch_size."
        ) from None
    for other in wider:
        # Twice the channels take three times the time or more: not worth a measurement if even that is too long.
        if images_seen(config, speed / 3, batch) < ENOUGH:
            break
        try:
            slower = images_per_second(_with_network(config, batch, other, *_levels(config, size)), size, device)
        except torch.OutOfMemoryError:
            break
        if images_seen(config, slower, batch) < ENOUGH:
            break
        width, speed = other, slower
    return width, speed


def _with_network(config: Config, batch: int, width: int, mult: tuple[int, ...], attention: tuple[int, ...]) -> Config:
    update = {"channels": width, "channel_mult": mult, "attention_resolutions": attention}
    training = config.training.model_copy(update={"batch_size": batch})
    return config.model_copy(update={"network": config.network.model_copy(update=update), "training": training})


def _largest(config: Config, device: torch.device) -> int:
    """The largest side at which the narrowest network sees enough images; its cost is taken to grow with the area."""
    size, mult, batch = (SMALLEST, SMALLEST), levels((SMALLEST, SMALLEST)), _batch(config, device)
    narrowest = _with_network(config, batch, _widths(config)[0], mult, attended(size, len(mult)))
    images = images_seen(config, images_per_second(narrowest, size, device), batch)
    return next((side for side in SIDES if images * (SMALLEST / side) ** 2 >= FEWEST), SMALLEST)


def _shown(key: str, value: object) -> str:
    if isinstance(value, tuple):
        parts = ",".join(map(str, value))
        return parts.replace(",", "x") if key == "data.image_size" else f"[{parts}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
