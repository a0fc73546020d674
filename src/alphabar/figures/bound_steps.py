"""How many steps a bound needs: bits/dim over the length of the chain, for each spacing."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from alphabar import plots
from alphabar.errors import AlphabarError
from alphabar.evaluation import BitsRequest, bits_per_dim
from alphabar.names import EVERY_SPACING, OPTIMAL
from alphabar.runs.model import LoadedModel
from alphabar.runs.run import home
from alphabar.sampling.optimal_steps import CANDIDATES

UNITS = {"bits_per_dim": "bits/dim of the input", "bits_per_stored_dim": "bits/dim of the images as stored"}
"""The entries of an evaluation that are shown, and their names; the second is there for padded images."""


def bound_steps(model: LoadedModel, budgets: Sequence[int], count: int, split: str = "test") -> plots.Figure:
    """The bound of chains of `budgets` steps, on the same images with the same noise, for each spacing and `optimal`.

    Each point is an evaluation of the run, saved in its evaluations.jsonl; its terms are not measured again. Lengths
    beyond a spacing's longest chain are left out. count: how many images, at least 2, for the standard errors.
    """
    T = model.denoiser.schedule.T
    if wrong := [steps for steps in budgets if not 1 <= steps <= T]:
        raise AlphabarError(f"The chain has 1 to {T} steps; --nfe asks for {wrong[0]}.")
    if count < 2:
        raise AlphabarError(f"A standard error needs at least 2 images; --count asks for {count}.")
    rows = {
        spacing: [
            bits_per_dim(BitsRequest(model, split=split, count=count, steps=str(steps), spacing=spacing), model.device)
            for steps in sorted(set(budgets))
            if spacing != OPTIMAL or steps <= CANDIDATES
        ]
        for spacing in EVERY_SPACING
    }
    rows = {spacing: points for spacing, points in rows.items() if points}
    return _figure(model, rows, f"{count:,} {split} images for each point, the same noise; bars: one standard error")


def _figure(model: LoadedModel, rows: dict[str, list[dict[str, Any]]], note: str) -> plots.Figure:
    units = [unit for unit in UNITS if unit in next(iter(rows.values()))[0]]
    curves, parts = {}, list[dict[str, Any]]()
    for spacing, points in rows.items():
        steps = [point["steps"] for point in points]
        part: dict[str, Any] = {"run": home(model.path).name, "step": model.step, "spacing": spacing, "steps": steps}
        part["n"] = [point["n"] for point in points]
        for unit in units:
            totals = [point[unit]["total"] for point in points]
            part[unit] = np.array([total["value"] for total in totals])
            part[f"{unit}_standard_error"] = np.array([total["standard_error"] for total in totals])
        curves[spacing] = plots.Band(np.array(steps, np.float64), part[units[-1]], part[f"{units[-1]}_standard_error"])
        part["bytes_per_image"] = [point["bytes_per_image"]["value"] for point in points]
        parts.append(part)
    return plots.Figure(plots.steps(curves, {}, UNITS[units[-1]], note), plots.Table.of(*parts))
