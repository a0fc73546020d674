"""What every metric asks of its input, and the sentence where it is not so."""

import torch
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.metrics.features import Features, Rows

REAL, FAKE = "real", "generated"


def comparable(real: Features, fake: Features, least: int) -> tuple[Features, Features]:
    """Both, if each has `least` images or more and their vectors one dimension; their rows refuse NaN and infinity."""
    real, fake = enough(real, REAL, least), enough(fake, FAKE, least)
    same_dimension(dimension(real), REAL, dimension(fake), FAKE)
    return real, fake


def enough(features: Features, which: str, least: int) -> Features:
    """The same, if there are `least` images or more; their rows refuse NaN and infinity."""
    if len(features) < least:
        raise AlphabarError(f"There are {len(features)} {which} images; this needs at least {least}.")
    if features.logits is not None and len(features.logits) != len(features):
        raise AlphabarError(f"There are {len(features.logits)} rows of logits for {len(features)} {which} images.")
    logits = None if features.logits is None else finite(features.logits, f"The logits of the {which} images")
    return Features(finite(features.vectors, f"The features of the {which} images"), logits)


def logits_of(features: Features, which: str) -> Rows:
    """The logits, if there are any."""
    if features.logits is None:
        raise AlphabarError(f"The {which} images have no logits; this needs an extractor that is a classifier.")
    return features.logits


def dimension(features: Features) -> int:
    """D of the vectors (N, D), N > 0; reads one row."""
    return features.vectors.part(0, 1).load().shape[1]


def same_dimension(first: int, which: str, second: int, other: str, what: str = "features") -> None:
    """AlphabarError unless they are equal."""
    if first != second:
        raise AlphabarError(
            f"The {which} images have {first} {what} and the {other} ones {second}; measure both with one extractor."
        )


def finite(rows: Rows, what: str) -> Rows:
    """The same rows; to read one with NaN or infinity in it is an AlphabarError."""

    def read(first: int, last: int) -> Tensor:
        table = rows.read(first, last)
        wrong = ~torch.isfinite(table).all(1)
        if bool(wrong.any()):
            raise AlphabarError(f"{what} hold NaN or infinity, first in row {first + int(wrong.int().argmax())}.")
        return table

    return Rows(read, rows.start, rows.stop)
