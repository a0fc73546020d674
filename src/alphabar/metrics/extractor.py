"""Extractors, the networks that turn images into features. Metric values of different extractors are not comparable."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor, nn

from alphabar.errors import AlphabarError
from alphabar.images import to_signed
from alphabar.metrics import efficientnet, fashion_cnn, inception, weights

Prepare = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Extractor:
    """A trained network that computes features, with everything that metric values depend on.

    network: uint8 (N, C, H, W) -> features (N, dim) and logits (N, classes). It resizes as `resize` says.
    knows_data: whether it was trained on the classes of the data itself, so that counting predicted classes is useful.

    Only the standard weights may be called "inception", because only this name is printed as FID.
    """

    name: str
    weights_sha256: str
    resize: str
    dim: int
    classes: int
    network: nn.Module = field(repr=False)
    knows_data: bool = False

    def __post_init__(self) -> None:
        if self.name == "inception" and self.weights_sha256 != inception.INCEPTION_SHA256:
            raise AlphabarError(
                f"Only weights with the sha256 {inception.INCEPTION_SHA256} may be called 'inception'; "
                f"these have {self.weights_sha256}."
            )

    @property
    def device(self) -> torch.device:
        """The device of the network. Images may be on any device."""
        return next(self.network.parameters()).device

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (N, C, H, W) -> float32 features (N, dim) and logits (N, classes), on the extractor's device.

        The network runs in evaluation mode and without autocast, whatever the caller's modes are. Raises AlphabarError
        for images of another type or shape.
        """
        if images.dtype != torch.uint8 or images.ndim != 4:
            raise AlphabarError(
                f"The extractor '{self.name}' takes uint8 images (N, C, H, W); "
                f"got {str(images.dtype).removeprefix('torch.')} {tuple(images.shape)}."
            )
        self.network.eval()
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            features, logits = self.network(images.to(self.device))
        return features, logits


class Reader(nn.Module):
    """The network of an Extractor with its preprocessing: network(prepare(images))."""

    def __init__(self, prepare: Prepare, network: nn.Module) -> None:
        super().__init__()
        self.prepare = prepare
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (N, C, H, W) -> features and logits."""
        x = self.prepare(images)
        if x.device.type == "cpu":
            x = x.contiguous(memory_format=torch.channels_last)  # makes the convolutions 25 % faster
        features, logits = self.network(x)
        return features, logits


def _inception(path: Path | None, device: torch.device) -> Extractor:
    if path is None:
        raise AlphabarError(
            f"The extractor 'inception' needs the path of {inception.INCEPTION_FILE}; download it from "
            f"{inception.INCEPTION_URLS[0]}."
        )
    network = inception.Inception()
    network.load_state_dict(weights.load_verified(path, inception.INCEPTION_SHA256))
    return Extractor(
        name="inception",
        weights_sha256=inception.INCEPTION_SHA256,
        resize=f"tf1-bilinear {inception.SIDE}x{inception.SIDE}",
        dim=inception.FEATURES,
        classes=inception.CLASSES,
        network=Reader(_colour("inception", inception.to_input), network).to(device),
    )


def _efficientnet(path: Path | None, device: torch.device) -> Extractor:
    network = efficientnet.EfficientNetLite0()
    network.graph.load_state_dict(weights.load_verified(path or efficientnet.packaged_weights(), efficientnet.SHA256))
    return Extractor(
        name="efficientnet-lite0",
        weights_sha256=efficientnet.SHA256,
        resize=f"antialiased-bilinear {efficientnet.SIDE}x{efficientnet.SIDE}",
        dim=efficientnet.FEATURES,
        classes=efficientnet.CLASSES,
        network=Reader(_colour("efficientnet-lite0", efficientnet.to_input), network).to(device),
    )


def _fashion_cnn(path: Path | None, device: torch.device) -> Extractor:
    network = fashion_cnn.FashionCNN().requires_grad_(False)
    sha256 = weights.fill(network, path or files("alphabar") / "assets" / "fashion_cnn.safetensors")
    return Extractor(
        name="fashion-cnn" if sha256 == fashion_cnn.SHA256 else f"fashion-cnn-{sha256[:8]}",
        weights_sha256=sha256,
        resize=f"none, centred on black {fashion_cnn.SIDE}x{fashion_cnn.SIDE}",
        dim=fashion_cnn.FEATURES,
        classes=fashion_cnn.CLASSES,
        network=Reader(_small_and_grey, network).to(device),
        knows_data=True,
    )


EXTRACTORS: dict[str, Callable[[Path | None, torch.device], Extractor]] = {
    "inception": _inception,
    "efficientnet-lite0": _efficientnet,
    "fashion-cnn": _fashion_cnn,
}
"""Name -> function (weights file, or None for the installed weights; device) -> Extractor."""


def _colour(name: str, to_input: Prepare) -> Prepare:
    """`to_input` for images of 1 or 3 channels; a single channel is repeated to RGB."""

    def prepare(images: Tensor) -> Tensor:
        if images.shape[1] not in (1, 3):
            raise AlphabarError(
                f"The extractor '{name}' takes images of 1 or 3 channels; these have {images.shape[1]}, "
                "so convert them to RGB first."
            )
        return to_input(images).expand(-1, 3, -1, -1)

    return prepare


def _small_and_grey(images: Tensor) -> Tensor:
    (channels, height, width), side = images.shape[1:], fashion_cnn.SIDE
    if channels != 1 or max(height, width) > side:
        raise AlphabarError(
            f"The extractor 'fashion-cnn' takes grey images of at most {side}x{side}; these have {channels} "
            f"channel{'s' * (channels != 1)} and {height}x{width} pixels, so use 'efficientnet-lite0' for them."
        )
    return to_signed(fashion_cnn.to_canvas(images))
