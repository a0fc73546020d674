"""The printed names of quantities. They name the extractor, because values of different ones are not comparable."""

from alphabar.metrics.metric import QUANTITIES
from alphabar.registry import look_up


def display_name(quantity: str, extractor: str) -> str:
    """The printed name of a quantity: "FID" for the extractor 'inception', "FD-fashion-cnn" for 'fashion-cnn'."""
    about = look_up(QUANTITIES, quantity, "quantity")
    return about.famous_name if about.famous_name and extractor == "inception" else f"{about.name}-{extractor}"
