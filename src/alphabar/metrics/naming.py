"""How quantities are printed: a figure holds for one extractor only, so its name says for which."""

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
"""What the quantities of the literature are called; they are defined by the Inception network."""


def display_name(quantity: str, extractor: str) -> str:
    """How a quantity is printed: "FID" with the extractor 'inception', "FD-fashion-cnn" with 'fashion-cnn'."""
    plain = look_up(NAMES, quantity, "quantity")
    return FAMOUS_NAMES.get(quantity, f"{plain}-{extractor}") if extractor == "inception" else f"{plain}-{extractor}"
