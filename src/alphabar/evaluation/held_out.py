"""Held-out images while training: they say whether the samples begin to copy the training images."""

from alphabar import build, data
from alphabar.config import Config
from alphabar.evaluation import references
from alphabar.evaluation.features import features
from alphabar.metrics import Estimate, Extractor, Features
from alphabar.metrics.copying import LEAST

SMALL = 5000
"""Training images below which copying is watched; larger sets are hardly ever copied, and cost more to compare with."""
COPIES = 0.6
"""The lower end of the interval of `copying` above which there is an alarm: about a fifth of the samples are copies."""
NEEDED = (
    f"whether the samples copy the training images cannot be said without {LEAST} held-out images: put some into a "
    "folder test/ beside train/, or set data.holdout=0.1"
)


def images(config: Config, like: data.ImageSet) -> data.ImageSet | None:
    """The images of the val split of a run's data, else of the test split, in the channels of the training images.

    None if there is neither split, or if the images have another size.
    """
    for split in ("val", "test"):
        section = config.data.model_copy(update={"split": split, "channels": like.shape[0]})
        try:
            found = build.image_set(section)
        except data.NoSplitError:
            continue
        return found if found.shape == like.shape else None
    return None


def is_watchable(config: Config, train: data.ImageSet) -> bool:
    """Whether the training set is small enough to be copied, and enough samples are made to see it."""
    return config.data.split == "train" and 2 <= len(train) < SMALL and config.evaluation.count >= LEAST


def watched(config: Config, train: data.ImageSet, extractor: Extractor) -> Features | None:
    """The features of the held-out images of a small set; None without enough of them."""
    others = images(config, train) if is_watchable(config, train) else None
    if others is None or len(others) < LEAST:
        return None
    return features(others, extractor, references.about(others, build.data_options(config.data)))


def alarm(share: Estimate, step: int) -> str | None:
    """The sentence about samples that copy training images; None if they do not clearly do so."""
    if share.low is None or share.low <= COPIES:
        return None
    return (
        f"warning: the samples begin to copy training images: {share.value:.0%} of comparisons find a sample closer to "
        f"a single training image than a held-out image is (50% is chance); stop here, at step {step:,}, or train on "
        "more images, with data.augment=0.15, or a smaller network"
    )
