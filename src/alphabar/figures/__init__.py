"""The papers' figures from our own code and models: a file each, with a function that returns picture and numbers.

A figure that needs a network or a data set is measured here, and drawn by plots/.
"""

from alphabar.figures.bound_steps import bound_steps
from alphabar.figures.forward import forward
from alphabar.figures.gradient_noise import gradient_noise
from alphabar.figures.loss import loss
from alphabar.figures.lossy import lossy
from alphabar.figures.progressive import progressive
from alphabar.figures.rate_distortion import rate_distortion
from alphabar.figures.scaling import scaling
from alphabar.figures.schedules import schedules
from alphabar.figures.shared import shared
from alphabar.figures.skipped import skipped
from alphabar.figures.steps import steps
from alphabar.figures.variances import variances
from alphabar.figures.vlb import vlb

__all__ = [
    "bound_steps",
    "forward",
    "gradient_noise",
    "loss",
    "lossy",
    "progressive",
    "rate_distortion",
    "scaling",
    "schedules",
    "shared",
    "skipped",
    "steps",
    "variances",
    "vlb",
]
