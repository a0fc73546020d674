"""The printed names of quantities. They name the extractor, because values of different ones are not comparable."""

from alphabar.registry import look_up

NAMES = {
    "fd": "FD",
    "kid": "KID",
    "score": "class-score",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "class_coverage": "class-coverage",
}
FAMOUS_NAMES = {"fd": "FID", "kid": "KID", "score": "IS"}
"""The names in the literature, which are reserved for the Inception network."""


def display_name(quantity: str, extractor: str) -> str:
    """The printed name of a quantity: "FID" for the extractor 'inception', "FD-fashion-cnn" for 'fashion-cnn'."""
    plain = look_up(NAMES, quantity, "quantity")
    return FAMOUS_NAMES.get(quantity, f"{plain}-{extractor}") if extractor == "inception" else f"{plain}-{extractor}"
