"""How good images are, and how sure that is: a run, a folder or an .npz against real images, one row."""

from alphabar.evaluation.choosing import fetch_inception
from alphabar.evaluation.evaluate import Request, evaluate
from alphabar.evaluation.report import report
from alphabar.evaluation.while_training import Scorer

__all__ = ["Request", "Scorer", "evaluate", "fetch_inception", "report"]
