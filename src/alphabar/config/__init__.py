"""The settings of a run: typed sections, read from a recipe (TOML) and overridden one `section.key=value` at a time.

Nothing here imports torch, so that a mistake is reported at once.
"""

from alphabar.config.allowed import ALLOWABLE, check_allowed
from alphabar.config.loading import absolute, differences, load, meanings, merge, only, parse, remedies, shown
from alphabar.config.mistakes import sections
from alphabar.config.model_sections import Data, Diffusion, Network
from alphabar.config.recipe import read, recipes, summary
from alphabar.config.run_sections import Evaluation, Optimizer, Parallel, Sampling, Training
from alphabar.config.section import Section
from alphabar.config.sections import Config, ImageFacts

__all__ = [
    "ALLOWABLE",
    "Config",
    "Data",
    "Diffusion",
    "Evaluation",
    "ImageFacts",
    "Network",
    "Optimizer",
    "Parallel",
    "Sampling",
    "Section",
    "Training",
    "absolute",
    "check_allowed",
    "differences",
    "load",
    "meanings",
    "merge",
    "only",
    "parse",
    "read",
    "recipes",
    "remedies",
    "sections",
    "shown",
    "summary",
]
