"""Figures as functions of arrays, one file each. The package `figures` computes the numbers of `alphabar plot`."""

from alphabar.plots.bound import bound_terms, rate_distortion, vlb
from alphabar.plots.figure import Figure, save
from alphabar.plots.forward import forward
from alphabar.plots.gradient_noise import gradient_noise
from alphabar.plots.loss import loss
from alphabar.plots.lossy import lossy
from alphabar.plots.neighbours import neighbours
from alphabar.plots.progressive import progressive
from alphabar.plots.scaling import Scaling, scaling
from alphabar.plots.schedules import schedules
from alphabar.plots.shared import shared
from alphabar.plots.skipped import skipped
from alphabar.plots.steps import steps
from alphabar.plots.style import Array, Band
from alphabar.plots.table import Table
from alphabar.plots.training import loss_curve, loss_figure, scores
from alphabar.plots.variances import variances

__all__ = [
    "Array",
    "Band",
    "Figure",
    "Scaling",
    "Table",
    "bound_terms",
    "forward",
    "gradient_noise",
    "loss",
    "loss_curve",
    "loss_figure",
    "lossy",
    "neighbours",
    "progressive",
    "rate_distortion",
    "save",
    "scaling",
    "schedules",
    "scores",
    "shared",
    "skipped",
    "steps",
    "variances",
    "vlb",
]
