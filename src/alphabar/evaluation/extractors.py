"""The extractor of an evaluation, and the file of its weights."""

from pathlib import Path

import torch

from alphabar.data.download import download
from alphabar.errors import AlphabarError
from alphabar.files import cache_folder
from alphabar.metrics import EXTRACTORS, INCEPTION_FILE, INCEPTION_URLS, Extractor, check_inception, efficientnet
from alphabar.registry import look_up

AUTO = "auto"


def chosen(name: str, weights: Path | None, data_name: str | None) -> tuple[str, str | None]:
    """The extractor that `name` means, and a sentence for people if 'auto' could not be what it usually is.

    'auto' is fashion-cnn for Fashion-MNIST, and otherwise inception, the one of FID; but efficientnet-lite0 if that is
    installed and the weights of inception are not there.
    """
    if name != AUTO:
        return name, None
    if data_name == "fashion_mnist":
        return "fashion-cnn", None
    if weights is not None or inception_path().exists() or not efficientnet.is_installed():
        return "inception", None
    return "efficientnet-lite0", (
        f"the weights of inception are not at {inception_path()}, so the features are those of efficientnet-lite0, "
        "whose values are no FID; `alphabar data fetch inception` downloads them"
    )


def extractor(name: str, weights: Path | None, device: torch.device) -> Extractor:
    """The extractor `name`, as `chosen` has it."""
    make = look_up(EXTRACTORS, name, "extractor")
    if name == "inception" and weights is None:
        weights = inception_path()
        if not weights.exists():
            raise AlphabarError(
                f"The weights of inception are not at {weights}; run `alphabar data fetch inception` (95.6 MB), give "
                "--extractor-weights FILE, or choose another extractor with --features (efficientnet-lite0 for colour "
                "images)."
            )
    return make(weights, device)


def inception_path() -> Path:
    """The path at which `fetch_inception` puts the weights."""
    return cache_folder("inception") / INCEPTION_FILE


def fetch_inception() -> Path:
    """The path of Inception's weights, downloaded if needed; AlphabarError unless they are the published ones."""
    path = inception_path()
    if not path.exists():
        download(INCEPTION_URLS, path, check_inception)
    check_inception(path)
    return path
