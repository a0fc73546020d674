"""How many network calls each sampler needs: FD over NFE, at each sampler's default grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alphabar import plots, seeds
from alphabar.diffusion import SAMPLERS
from alphabar.diffusion.samplers import network_calls
from alphabar.errors import AlphabarError
from alphabar.evaluation import Request, evaluate
from alphabar.evaluation.subjects import HowSampled
from alphabar.figures.against import Against
from alphabar.metrics import display_name
from alphabar.registry import look_up
from alphabar.runs import evaluations
from alphabar.runs.model import LoadedModel
from alphabar.runs.run import home
from alphabar.sampling.folder import WHEREABOUTS
from alphabar.sampling.parts import SAMPLER_OPTIONS, spacing
from alphabar.sampling.pipeline import Pipeline
from alphabar.sampling.settings import OWNED_BY_THE_SAMPLER


@dataclass(frozen=True)
class Cell:
    """One sampler at one number of network calls: its label in the legend, and its settings of [sampling]."""

    label: str
    changes: Mapping[str, Any]
    calls: int


def steps(model: LoadedModel, samplers: Sequence[str], budgets: Sequence[int], against: Against) -> plots.Figure:
    """FD of samples against the training images, for each sampler and each budget of network calls (NFE).

    Each point is an evaluation of the run, saved in its evaluations.jsonl, and is not made again: the work may be
    interrupted and resumed. A sampler is left out at budgets beyond its longest chain.
    """
    if wrong := [budget for budget in budgets if budget < 1]:
        raise AlphabarError(f"An image takes at least 1 network call; --nfe asks for {wrong[0]}.")
    cells = [cell for name in samplers for cell in cells_of(model, name, budgets)]
    if not cells:
        raise AlphabarError(
            f"No sampler has a chain for {list(budgets)} network calls; this model's is of {_T(model)}."
        )
    extractor = against.extractor(model)
    rows = [
        known(model, cell, against.count, extractor.weights_sha256, display_name("fd", extractor.name))
        or evaluate(_request(model, cell, against), model.device)
        for cell in cells
    ]
    return _figure(cells, rows, display_name("fd", extractor.name), model)


def _T(model: LoadedModel) -> int:
    return model.denoiser.schedule.T


def _request(model: LoadedModel, cell: Cell, against: Against) -> Request:
    return Request(
        subject=model,
        metrics=["fd"],
        features=against.features,
        extractor_weights=against.extractor_weights,
        count=against.count,
        sampling=HowSampled(changes=cell.changes),
    )


def cells_of(model: LoadedModel, spec: str, budgets: Sequence[int]) -> list[Cell]:
    """The points of one sampler with its options: for each budget, as many steps as it pays for."""
    changes, cells = changes_of(spec), []
    for budget in budgets:
        sampler = Pipeline.of(model, changes | {"steps": 1}).sampler
        count = (budget - 1) // sampler.calls + 1
        if count > _T(model):
            continue
        pipeline = Pipeline.of(model, changes | {"steps": count})
        cells.append(Cell(label(pipeline, changes), changes | {"steps": count}, network_calls(sampler, count)))
    return cells


def changes_of(spec: str) -> dict[str, Any]:
    """ "ddim:eta=1:spacing=karras" -> its settings of [sampling]; what it leaves out is the sampler's default.

    It is not the recipe's, so that a curve is named after all of its settings.
    """
    name, *options = spec.split(":")
    look_up(SAMPLERS, name, "sampler")
    known = ("spacing", "variance", *SAMPLER_OPTIONS)
    changes: dict[str, Any] = {"sampler": name, "guidance_scale": 1.0, **OWNED_BY_THE_SAMPLER}
    for option in options:
        key, equals, value = option.partition("=")
        if key not in known or not equals:
            raise AlphabarError(
                f"'{option}' in --samplers is no option of a sampler; write NAME:OPTION=VALUE, with one of "
                f"{', '.join(known)}."
            )
        changes[key] = number(value)
    return changes


def number(text: str) -> int | float | str:
    """`text` as a number, if it is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def label(pipeline: Pipeline, changes: Mapping[str, Any]) -> str:
    """The sampler, its options and its grid, for the legend."""
    section = pipeline.section
    words = [pipeline.how, *([] if section.variance == "model" else [section.variance])]
    return f"{', '.join(words)} ({changes.get('spacing') or spacing(section)})"


def known(model: LoadedModel, cell: Cell, count: int, extractor_sha256: str, metric: str) -> dict[str, Any] | None:
    """The newest row of the run's evaluations that has the value of this cell."""
    expected = {
        key: value for key, value in Pipeline.of(model, cell.changes).settings().items() if key not in WHEREABOUTS
    }
    expected["seeds"] = seeds.listed(range(count))
    for row in reversed(evaluations.read(home(model.path))):
        about, reference, extractor = (_part(row, key) for key in ("images", "reference", "extractor"))
        same = {key: about.get(key) for key in expected} == expected
        own = reference.get("is_what_was_trained_on") is True and reference.get("split") == "train"
        seen = extractor.get("weights_sha256") == extractor_sha256
        if same and own and seen and _is_complete(row, metric):
            return dict(row)
    return None


def _part(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = row.get(key)
    return part if isinstance(part, dict) else {}


def _is_complete(row: Mapping[str, Any], metric: str) -> bool:
    """Whether the row has all that the figure shows; somebody may have edited the file."""
    try:
        entry = row["metrics"][metric]
        level, _ = _floor(entry)
        numbers = (entry["value"], entry["standard_error"], level, row["images"]["step"], row["n_fake"])
        return all(type(number) in (int, float) for number in numbers) and "steps" in row["images"]
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def _figure(cells: Sequence[Cell], rows: Sequence[Mapping[str, Any]], metric: str, model: LoadedModel) -> plots.Figure:
    curves, parts = {}, []
    for name in dict.fromkeys(cell.label for cell in cells):
        mine = [(cell, row) for cell, row in zip(cells, rows, strict=True) if cell.label == name]
        nfe = np.array([cell.calls for cell, _ in mine], np.float64)
        entries = [row["metrics"][metric] for _, row in mine]
        value, error = (np.array([entry[key] for entry in entries], np.float64) for key in ("value", "standard_error"))
        curves[name] = plots.Band(nfe, value, error)
        parts.append(
            {
                "run": home(model.path).name, "step": [row["images"]["step"] for _, row in mine],
                "sampler": name, "steps": [row["images"]["steps"] for _, row in mine],
                "nfe": [cell.calls for cell, _ in mine],
                "n": [row["n_fake"] for _, row in mine], "fd": value, "standard_error": error,
                "floor": [_floor(entry)[0] for entry in entries],
            }
        )  # fmt: skip
    level, floor_label = _floor(rows[-1]["metrics"][metric])
    note = f"{rows[0]['n_fake']:,} images for each point, the same seeds; bars: one standard error"
    return plots.Figure(plots.steps(curves, {floor_label: level}, metric, note), plots.Table.of(*parts))


def _floor(entry: Mapping[str, Any]) -> tuple[float, str]:
    """The FD of as many real images, and its label; NaN if there is none."""
    for name, what in (("held_out", "held-out images"), ("halves", "one half of the real images")):
        if name in entry["floor"]:
            return entry["floor"][name]["value"], f"{entry['floor'][name]['n_fake']:,} {what}"
    return float("nan"), "no floor: too few real images"
