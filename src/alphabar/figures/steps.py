"""How many network calls each sampler needs: FD over NFE, at each sampler's own grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alphabar import build, plots
from alphabar.config import Sampling
from alphabar.diffusion import SAMPLERS, network_calls
from alphabar.errors import AlphabarError
from alphabar.evaluation import Request, evaluate
from alphabar.evaluation import extractors as choosing
from alphabar.evaluation.subjects import seed_ranges
from alphabar.metrics import Extractor, display_name
from alphabar.registry import look_up
from alphabar.runs.model import Model, load_model
from alphabar.runs.run import evaluations, home
from alphabar.sampling import draw as drawing
from alphabar.sampling.folder import WHEREABOUTS

FEWEST = 5000
"""Images: with fewer, differences between samplers drown in the noise of FD."""


@dataclass(frozen=True)
class Cell:
    """One sampler at one number of network calls: what it is called in the legend, and how it draws."""

    label: str
    changes: Mapping[str, Any]
    calls: int


def steps(
    run: Path,
    samplers: Sequence[str],
    budgets: Sequence[int],
    count: int,
    features: str,
    extractor_weights: Path | None,
    weights: str,
    data_root: Path | None,
    device: torch.device,
) -> plots.Drawn:
    """FD of `count` images against the training images, for each sampler and each budget of network calls (NFE).

    Each point is an evaluation of the run, kept in its evaluations.jsonl: those that are there are not made again, so
    the work may be stopped, and go on. A sampler is left out at budgets beyond its longest chain.
    """
    if count < 3:
        raise AlphabarError(f"FD needs at least 3 images, and {FEWEST:,} to tell samplers apart; --count is {count}.")
    if wrong := [budget for budget in budgets if budget < 1]:
        raise AlphabarError(f"An image takes at least 1 network call; --nfe asks for {wrong[0]}.")
    model = load_model(run, weights, device)
    cells = [cell for name in samplers for cell in cells_of(model, name, budgets)]
    if not cells:
        raise AlphabarError(
            f"No sampler has a chain for {list(budgets)} network calls; this model's is of {_T(model)}."
        )
    extractor = choosing.extractor(features, extractor_weights, model.config.data.name, device)
    rows = []
    for cell in cells:
        found = known(run, model, cell, count, extractor)
        rows.append(
            found or evaluate(
                Request(
                    subject=run, metrics=["fd"], features=features, extractor_weights=extractor_weights,
                    count=count, data_root=data_root, drawing={**cell.changes, "weights": weights},
                ),
                device,
            )
        )  # fmt: skip
    return _drawn(cells, rows, display_name("fd", extractor.name), run)


def _T(model: Model) -> int:
    return model.denoiser.schedule.T


def cells_of(model: Model, spec: str, budgets: Sequence[int]) -> list[Cell]:
    """The points of one sampler, or of one with options: for each budget, as many steps as it pays for."""
    asked, cells = asked_by(spec), []
    for budget in budgets:
        sampler = build.sampler(drawing.section(model, asked | {"steps": 1}))
        count = (budget - 1) // sampler.calls + 1
        if count > _T(model):
            continue
        section = drawing.section(model, asked | {"steps": count})
        cells.append(Cell(label(section), asked | {"steps": count}, network_calls(sampler, count)))
    return cells


def asked_by(spec: str) -> dict[str, Any]:
    """ "ddim:eta=1:spacing=karras" -> the [sampling] settings that it means; what it leaves out is the sampler's own.

    Not the recipe's: a curve is called after all that it is made of.
    """
    name, *options = spec.split(":")
    look_up(SAMPLERS, name, "sampler")
    known = ("spacing", "variance", *build.SAMPLER_OPTIONS)
    asked: dict[str, Any] = {"sampler": name, "guidance_scale": 1.0, **drawing.OF_THE_SAMPLER}
    for option in options:
        key, equals, value = option.partition("=")
        if key not in known or not equals:
            raise AlphabarError(
                f"'{option}' in --samplers is no option of a sampler; write NAME:OPTION=VALUE, with one of "
                f"{', '.join(known)}."
            )
        asked[key] = number(value)
    return asked


def number(text: str) -> int | float | str:
    """A number, if it is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def label(section: Sampling) -> str:
    """The sampler, its options and its grid."""
    words = [drawing.described(section), *([] if section.variance == "model" else [section.variance])]
    return f"{', '.join(words)} ({build.spacing(section)})"


def known(run: Path, model: Model, cell: Cell, count: int, extractor: Extractor) -> dict[str, Any] | None:
    """The newest row of the run's evaluations that says what this cell wants to know."""
    section = drawing.section(model, dict(cell.changes))
    plan = drawing.planned(run, model, section, range(count), None, None)
    wanted = {key: value for key, value in plan.settings.items() if key not in WHEREABOUTS}
    wanted["seeds"] = seed_ranges(plan.job.seeds)
    for row in reversed(evaluations(home(run))):
        same = {key: row.get("images", {}).get(key) for key in wanted} == wanted
        own = row.get("reference", {}).get("is_what_was_trained_on") is True and row["reference"]["split"] == "train"
        seen = row.get("extractor", {}).get("weights_sha256") == extractor.weights_sha256
        if same and own and seen and display_name("fd", extractor.name) in row["metrics"]:
            return dict(row)
    return None


def _drawn(cells: Sequence[Cell], rows: Sequence[Mapping[str, Any]], metric: str, run: Path) -> plots.Drawn:
    curves, parts = {}, []
    for name in dict.fromkeys(cell.label for cell in cells):
        mine = [(cell, row) for cell, row in zip(cells, rows, strict=True) if cell.label == name]
        nfe = np.array([cell.calls for cell, _ in mine], np.float64)
        found = [row["metrics"][metric] for _, row in mine]
        value, error = (np.array([each[key] for each in found], np.float64) for key in ("value", "standard_error"))
        curves[name] = plots.Band(nfe, value, error)
        parts.append(
            {
                "run": home(run).name, "step": [row["images"]["step"] for _, row in mine],
                "sampler": name, "steps": [row["images"]["steps"] for _, row in mine],
                "nfe": [cell.calls for cell, _ in mine],
                "n": [row["n_fake"] for _, row in mine], "fd": value, "standard_error": error,
                "floor": [_floor(each)[0] for each in found],
            }
        )  # fmt: skip
    floor, of = _floor(rows[-1]["metrics"][metric])
    note = f"{rows[0]['n_fake']:,} images for each point, the same seeds; bars: one standard error"
    return plots.Drawn(plots.steps(curves, {of: floor}, metric, note), plots.Table.of(*parts))


def _floor(found: Mapping[str, Any]) -> tuple[float, str]:
    """What as many real images score, and which; NaN if there is none."""
    for name, of in (("held_out", "held-out images"), ("halves", "one half of the real images")):
        if name in found["floor"]:
            return found["floor"][name]["value"], f"{found['floor'][name]['n_fake']:,} {of}"
    return float("nan"), "no floor: too few real images"
