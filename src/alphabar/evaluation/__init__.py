"""Measures images: a run, a folder or an .npz against real images gives one row of scores with their intervals."""

from alphabar.evaluation.bits_per_dim import BitsRequest, bits_per_dim
from alphabar.evaluation.evaluate import Request, evaluate
from alphabar.evaluation.extractors import fetch_inception
from alphabar.evaluation.report import bits_report, report
from alphabar.evaluation.scorer import Scorer

__all__ = [
    "BitsRequest",
    "Request",
    "Scorer",
    "bits_per_dim",
    "bits_report",
    "evaluate",
    "fetch_inception",
    "report",
]
