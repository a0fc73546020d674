"""The names of every registry, known without importing torch.

A registry is a literal dict (or tuple) in the module that imports its members; its keys are read here from that source
text. So a component is named once, where it is registered, and settings, help, error sentences and tests all read it.
"""

import ast
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path


@cache
def _literal(module: str, registry: str) -> ast.expr:
    """The expression that `registry` is assigned in alphabar/`module`.py."""
    source = (Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8")
    assigned = re.search(rf"^{registry}(?:: [^=\n]+)? = (.*(?:\n[ )\]}}].*)*)", source, re.MULTILINE)
    if assigned is None:
        raise LookupError(f"alphabar/{module}.py assigns no {registry}")
    return ast.parse(f"({assigned[1]})", mode="eval").body  # of the whole module, this would take most of the start


def _names(module: str, registry: str) -> tuple[str, ...]:
    """The keys of a literal dict, or the elements of a literal tuple."""
    value = _literal(module, registry)
    keys = value.keys if isinstance(value, ast.Dict) else value.elts if isinstance(value, ast.Tuple) else []
    return tuple(ast.literal_eval(key) for key in keys if key is not None)


def _inner_names(module: str, registry: str) -> tuple[str, ...]:
    """The keys of the dicts inside the values of a literal dict: the quantities of the metrics."""
    value = _literal(module, registry)
    inner = [part for entry in getattr(value, "values", []) for part in ast.walk(entry) if isinstance(part, ast.Dict)]
    return tuple(ast.literal_eval(key) for part in inner for key in part.keys if key is not None)


SCHEDULES = _names("diffusion/schedules", "SCHEDULES")
PARAMETERIZATIONS = _names("diffusion/parameterization", "PARAMETERIZATIONS")
VARIANCES = _names("diffusion/variance", "VARIANCES")
X0_TRANSFORMS = _names("diffusion/thresholding", "X0_TRANSFORMS")
OBJECTIVES = _names("diffusion/objective", "OBJECTIVES")
WEIGHTINGS = _names("diffusion/objective", "WEIGHTINGS")
DECODERS = _names("diffusion/decoder", "DECODERS")
TIMESTEP_SAMPLERS = _names("diffusion/timesteps", "TIMESTEP_SAMPLERS")
SAMPLERS = _names("diffusion/samplers/__init__", "SAMPLERS")
SPACINGS = _names("diffusion/spacing", "SPACINGS")
OPTIMAL = "optimal"
"""The spacing that is measured on a model, besides those in SPACINGS, which depend on its schedule alone."""
EVERY_SPACING = (*SPACINGS, OPTIMAL)
BACKENDS = _names("sampling/backends", "BACKENDS")
MIXES = _names("diffusion/editing/mixes", "MIXES")
DECAYS = _names("training/optimizers/lr", "DECAYS")
OPTIMIZERS = _names("training/optimizers/__init__", "OPTIMIZERS")
STRATEGIES = _names("training/parallel/strategies", "STRATEGIES")
TRACKERS = _names("training/trackers/__init__", "TRACKERS")
NETWORKS = _names("networks/__init__", "NETWORKS")
PRESETS = _names("networks/style", "PRESETS")
PRECISIONS = _names("networks/precision", "PRECISIONS")
DATASETS = _names("data/sources", "DATASETS")
OWN_DATA = _names("data/sources", "OWN_DATA")
RESIZE_RULES = _names("images", "RESIZE_RULES")
POSITIONS = _names("images", "POSITIONS")
LIKELIHOODS = _names("evaluation/bits_per_dim", "KINDS")
METRICS = _names("metrics/metric", "METRICS")
QUANTITIES = _inner_names("metrics/metric", "METRICS")
EXTRACTORS = _names("metrics/extractor", "EXTRACTORS")
FORMATS = _names("interop/__init__", "FORMATS")
TARGETS = _names("interop/__init__", "TARGETS")
FILM_FORMATS = _names("films", "FORMATS")

PUBLISHED_DATA = tuple(name for name in DATASETS if name not in OWN_DATA)
"""Data sets that are known by name alone; the others need a path."""


def listed(names: Sequence[str]) -> str:
    """For people: "ddpm, ddim or euler"."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
