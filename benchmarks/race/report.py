"""The tables, as markdown."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.race.rows import Ratio, Row, best, bits, ratios, results, rows, standard_error

GOAL = 0.7
COLUMNS = {"FD": 1, "KID": 1000, "precision": 1, "recall": 1, "density": 1, "coverage": 1, "memorisation": 1}
"""Metrics, and what each is multiplied by."""
BRIEF = ("FD", "KID", "precision", "recall", "coverage")
KINDS = {"held_out": "real images: test split", "halves": "real images: half against half"}


def report(folder: Path) -> str:
    """What was trained, what it scored, and how ours compares; a part for each data set."""
    parts = []
    for data, of_data in results(folder).items():
        found, reckoned = rows(folder).get(data, []), bits(folder).get(data, {})
        parts += [f"## {data}"]
        if found:
            parts.append(summary_table(found, of_data, reckoned))
        parts.append(trained_table(of_data))
        if found:
            parts += [scores_table(found), ratio_table(found)]
        if reckoned:
            parts.append(bits_table(reckoned, of_data))
    return "\n\n".join(parts or ["Nothing is trained yet."])


def summary_table(
    found: Sequence[Row], trained: dict[str, list[dict[str, Any]]], bounds: dict[str, list[dict[str, Any]]]
) -> str:
    """A row for each side, by the best of its own samplers, then what real images score in place of the most images."""
    lines, leading = [], best(found)
    for side, row in leading.items():
        images = fmean(one["images"] for one in trained[side])
        one = next(iter(row.seeds.values()))
        values = " | ".join(_shown(row, name, COLUMNS[name]) for name in BRIEF)
        lines.append(
            f"| {side} | {_told(row.conditional)} | {len(row.seeds)} | {images:,.0f} | {row.sampler}, {one['calls']} "
            f"| {row.count:,} | {values} |" + (f" {_bound(bounds[side]) if side in bounds else ''} |" if bounds else "")
        )
    most = max(leading.values(), key=lambda row: row.count)
    for kind, real in KINDS.items():
        values = " | ".join(_floor(most, name, kind, COLUMNS[name]) for name in BRIEF)
        lines.append(f"| {real} | | | | | at most {most.count:,} | {values} |" + " |" * bool(bounds))
    columns = " | ".join(_heading(name) for name in BRIEF)
    head = (
        f"trained for the same CPU time | classes | seeds | images seen | its best sampler, calls | images | {columns}"
    )
    return _table(head + " | bits/dim, at most" * bool(bounds), lines)


def trained_table(sides: dict[str, list[dict[str, Any]]]) -> str:
    """A row for each side, the mean over its seeds."""
    lines = []
    for side, found in sides.items():
        mean = {name: fmean(one[name] for one in found) for name in ("updates", "images", "cpu_s", "wall_s")}
        over = " (over)" if any(one["cpu_s"] > 1.005 * 60 * one["minutes"] for one in found) else ""
        lines.append(
            f"| {side} | {_told(found[0]['conditional'])} | {found[0]['parameters']:,} | {len(found)} "
            f"| {found[0]['batch_size']} | {mean['updates']:,.0f} | {mean['images']:,.0f} "
            f"| {mean['cpu_s'] / 60:.2f}{over} | {mean['wall_s'] / 60:.2f} | {mean['images'] / mean['cpu_s']:.1f} |"
        )
    head = (
        "trained | classes | parameters | seeds | batch | updates | images seen | CPU min | wall min | images per CPU s"
    )
    return _table(head, lines)


def scores_table(found: Sequence[Row]) -> str:
    """A row for each side and sampler, then what real images score in their place."""
    lines, floors = [], {}
    for row in found:
        one = next(iter(row.seeds.values()))
        cost = 1000 * fmean(seed["cpu_s_per_image"] for seed in row.seeds.values())
        values = " | ".join(_shown(row, name, scale) for name, scale in COLUMNS.items())
        whose = "own" if row.own else "the same for all"
        lines.append(
            f"| {row.side} | {row.sampler} | {whose} | {one['calls']} | {cost:.0f} | {row.count:,} | {values} |"
        )
        for kind in KINDS:
            floors[kind, row.count] = " | ".join(_floor(row, name, kind, scale) for name, scale in COLUMNS.items())
    for (kind, count), values in sorted(floors.items(), key=lambda item: -item[0][1]):
        lines.append(f"| {KINDS[kind]} | | | | | at most {count:,} | {values} |")
    extractor = next(iter(found[0].seeds.values()))["evaluation"]["extractor"]["name"]
    note = (
        f"Features by {extractor}. In brackets 95 % intervals (of FD: for the distance of the populations, so they may "
    )
    note += "lie below the value); with several seeds ± the standard error of their mean."
    columns = " | ".join(map(_heading, COLUMNS))
    return _table(f"side | sampler | whose | calls | CPU ms/image | images | {columns}", lines) + f"\n\n{note}"


def ratio_table(found: Sequence[Row]) -> str:
    """FD of ours over FD of theirs, like against like."""
    lines = []
    for samplers, what in (("own", "each its own"), ("shared", "the same")):
        pairs = ratios(found, samplers)
        for pair in pairs:
            best = samplers == "own" and pair.value == max(rival.value for rival in pairs if _rivals(rival, pair))
            lines.append(
                f"| {_told(pair.ours.conditional)} | {what} | {pair.ours.sampler} | {pair.theirs.side}, "
                f"{pair.theirs.sampler}{' (its best here)' if best else ''} | {pair.ours.count:,} "
                f"| {_ratio(pair)} | {_verdict(pair)} |"
            )
    if not lines:
        return "No side of alphabar's and of another package are there that were both told the classes, or both not."
    head = f"classes | samplers | alphabar's | against | images | FD(alphabar) ÷ FD(theirs) | ≤ {GOAL}"
    note = "± one standard error: over the seeds; of one seed that of the drawing alone, not of how trainings differ. "
    note += "The last column says yes or no where two of them decide."
    return f"{_table(head, lines)}\n\n{note}"


def bits_table(sides: dict[str, list[dict[str, Any]]], trained: dict[str, list[dict[str, Any]]]) -> str:
    """A row for each side: the bound, and the parts of it."""
    lines = []
    for side, found in sides.items():
        parts = (fmean(one[name]["value"] for one in found) for name in ("rate", "distortion"))
        told, first = _told(trained[side][0]["conditional"]), found[0]
        cells = [side, told, first["variance"], first["T"], first["count"], len(found), _bound(found)]
        lines.append(f"| {' | '.join(map(str, [*cells, *(f'{part:.3f}' for part in parts)]))} |")
    head = "side | classes | reverse variance | T | test images | seeds | bits/dim, at most | rate | distortion"
    note = "In brackets 95 % intervals over the images, the same ones for all, so that differences are surer than they "
    note += "look; with several seeds ± the standard error over those. alphabar trains its variance for this bound."
    return f"{_table(head, lines)}\n\n{note}"


def _rivals(a: Ratio, b: Ratio) -> bool:
    """Whether they differ in the other side's sampler alone."""
    return (a.ours, a.theirs.side) == (b.ours, b.theirs.side)


def _shown(row: Row, name: str, scale: float) -> str:
    found = list(row.metric(name).values())
    values = [scale * one["value"] for one in found]
    if len(values) > 1:
        return f"{fmean(values):.3f} ± {standard_error(values):.3f}"
    interval = found[0]["interval"]
    return f"{values[0]:.3f}" + (f" [{scale * interval[0]:.3f}–{scale * interval[1]:.3f}]" if interval else "")


def _bound(found: Sequence[dict[str, Any]]) -> str:
    values = [one["total"]["value"] for one in found]
    low, high = found[0]["total"]["interval"]
    error = f"± {standard_error(values):.3f}" if len(values) > 1 else f"[{low:.3f}–{high:.3f}]"
    return f"{fmean(values):.3f} {error}"


def _heading(name: str) -> str:
    return name if COLUMNS[name] == 1 else f"{name} × {COLUMNS[name]:,}"


def _floor(row: Row, name: str, kind: str, scale: float) -> str:
    floor = next(iter(row.metric(name).values()))["floor"].get(kind)
    return f"{scale * floor['value']:.3f}" if floor else "½" if name == "memorisation" else "–"


def _ratio(pair: Ratio) -> str:
    return f"{pair.value:.3f}" + (f" ± {pair.error:.3f}" if pair.error is not None else "")


def _verdict(pair: Ratio) -> str:
    if pair.error is None:
        return "–"
    return "yes" if pair.value + 2 * pair.error <= GOAL else "no" if pair.value - 2 * pair.error > GOAL else "open"


def _told(conditional: bool) -> str:
    return "told" if conditional else "not told"


def _table(head: str, lines: Sequence[str]) -> str:
    return "\n".join([f"| {head} |", "|" + "---|" * (head.count("|") + 1), *lines])
