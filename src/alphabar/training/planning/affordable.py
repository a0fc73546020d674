"""What can be learned in the time: the size of the images and the width of the network, from a measured speed."""

import math

import torch

from alphabar.config import Config
from alphabar.errors import AlphabarError
from alphabar.images import Size
from alphabar.training.planning.probe import images_per_second

SIDES = (256, 128, 64)
SMALLEST = 32
"""The sides of an image that are considered, in pixels."""
WIDTHS = (16, 32, 64, 128)
"""The widths of a network that are considered: its channels at the finest level."""
FEWEST = 100_000
"""The training images that the narrowest network must see, for a larger side to be taken."""
ENOUGH = 200_000
"""The training images that a wider network must see, to be taken."""


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
    """The training images that a run sees at so many a second, in batches of that size; inf if it has no end.

    Epochs do not count; `by_images` turns them into images.
    """
    training = config.training
    by_steps = training.steps * batch if training.steps else None
    by_time = 60 * training.minutes * speed if training.minutes else None
    return float(min((limit for limit in (training.images, by_steps, by_time) if limit), default=math.inf))


def batch_of(config: Config, device: torch.device) -> int:
    """The images in a batch of the run."""
    if "training.batch_size" not in config.training.planned:
        return config.training.batch_size
    return 32 if device.type == "cpu" else 128


def levels_of(config: Config, size: Size) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(channel_mult, attention_resolutions) of the run's network, planned or not."""
    planned, network = config.training.planned, config.network
    mult = levels(size) if "network.channel_mult" in planned else network.channel_mult
    is_planned = "network.attention_resolutions" in planned
    return mult, attended(size, len(mult)) if is_planned else network.attention_resolutions


def _widths(config: Config) -> tuple[int, ...]:
    """The channels that the run's network may have."""
    return WIDTHS if "network.channels" in config.training.planned else (config.network.channels,)


def widest(config: Config, size: Size, device: torch.device) -> tuple[int, float]:
    """The network's channels, and its training images a second."""
    batch, (width, *wider) = batch_of(config, device), _widths(config)
    try:
        speed = images_per_second(_with_network(config, batch, width, *levels_of(config, size)), size, device)
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
            slower = images_per_second(_with_network(config, batch, other, *levels_of(config, size)), size, device)
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


def largest_side(config: Config, device: torch.device) -> int:
    """The largest side at which the narrowest network sees enough images; its cost is taken to grow with the area."""
    size, mult, batch = (SMALLEST, SMALLEST), levels((SMALLEST, SMALLEST)), batch_of(config, device)
    narrowest = _with_network(config, batch, _widths(config)[0], mult, attended(size, len(mult)))
    images = images_seen(config, images_per_second(narrowest, size, device), batch)
    return next((side for side in SIDES if images * (SMALLEST / side) ** 2 >= FEWEST), SMALLEST)
