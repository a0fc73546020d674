"""Checks of the features that metrics take as input; each raises AlphabarError if the input is unusable."""

import torch
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.metrics.features import Features, Rows

REAL, FAKE = "real", "generated"


def comparable(real: Features, fake: Features, least: int) -> tuple[Features, Features]:
    """Both sets, checked: `least` images or more each, vectors of one dimension, and rows that are finite when read."""
    real, fake = enough(real, REAL, least), enough(fake, FAKE, least)
    same_dimension(dimension(real), REAL, dimension(fake), FAKE)
    return real, fake


def enough(features: Features, which: str, least: int) -> Features:
    """`features`, checked: `least` images or more, and rows that are finite when read. `which` names them in errors."""
    if len(features) < least:
        raise AlphabarError(f"There are {len(features)} {which} images; this needs at least {least}.")
    if features.logits is not None and len(features.logits) != len(features):
        raise AlphabarError(f"There are {len(features.logits)} rows of logits for {len(features)} {which} images.")
    logits = None if features.logits is None else finite(features.logits, f"The logits of the {which} images")
    return Features(finite(features.vectors, f"The features of the {which} images"), logits)


def logits_of(features: Features, which: str) -> Rows:
    """The logits of `features`; raises AlphabarError if there are none."""
    if features.logits is None:
        raise AlphabarError(f"The {which} images have no logits; this needs an extractor that is a classifier.")
    return features.logits


def dimension(features: Features) -> int:
    """The dimension D of the vectors (N, D), N > 0. Reads one row."""
    return features.vectors.part(0, 1).load().shape[1]


def same_dimension(first: int, which: str, second: int, other: str, what: str = "features") -> None:
    """Raises AlphabarError unless the numbers of features (or of `what`) of two sets of images are equal."""
    if first != second:
        raise AlphabarError(
            f"The {which} images have {first} {what} and the {other} ones {second}; use one extractor for both."
        )


def finite(rows: Rows, what: str) -> Rows:
    """`rows` with a check: reading a row that contains NaN or infinity raises AlphabarError."""

    def read(first: int, last: int) -> Tensor:
        table = rows.read(first, last)
        wrong = ~torch.isfinite(table).all(1)
        if bool(wrong.any()):
            raise AlphabarError(f"{what} contain NaN or infinity, first in row {first + int(wrong.int().argmax())}.")
        return table

    return Rows(read, rows.start, rows.stop)
