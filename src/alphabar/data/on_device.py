"""A data set on the device that trains on it, if it fits: batches are then cut out there, and not sent."""

from dataclasses import replace

import torch
from torch import Tensor

from alphabar.data.image_set import ImageSet
from alphabar.data.memory import in_bytes
from alphabar.data.windows import middle
from alphabar.errors import AlphabarError

SHARE = 0.25
"""The largest share of a GPU's free memory that auto takes."""


def resident(images: ImageSet, device: torch.device, wanted: str) -> ImageSet:
    """The set with all its pixels and labels on `device`; the same set, if that is not wanted, or auto and too large.

    wanted: always; never; or auto, on an NVIDIA GPU, if the set takes at most a quarter of its free memory.
    AlphabarError if it is always wanted, and does not fit.
    """
    need = (images.images if images.larger is None else images.larger).nbytes
    has_cuda = device.type == "cuda"
    free = torch.cuda.mem_get_info(device)[0] if has_cuda else 0
    if not (wanted == "always" or (wanted == "auto" and has_cuda and need <= SHARE * free)):
        return images
    if has_cuda and need > free:
        raise AlphabarError(
            f"The images take {in_bytes(need)}, and {in_bytes(free)} of {device} are free; set "
            "training.images_on_device=never."
        )
    return moved(images, device)


def moved(images: ImageSet, device: torch.device) -> ImageSet:
    """The set on `device`. Where there is a larger part of each image, the images stay views of its middle."""
    labels = None if images.labels is None else images.labels.to(device)
    if images.larger is None:
        return replace(images, images=images.images.to(device), labels=labels)
    larger = images.larger.to(device)
    return replace(images, images=middle(larger, images.shape[1:]), labels=labels, larger=larger)


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`, without waiting for work that the device still does."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
