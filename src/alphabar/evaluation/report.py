"""The row of an evaluation as a table for people."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text


def report(row: Mapping[str, Any]) -> Group:
    """The scores with their floors, under a title of what was measured; then the warnings."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in SCORES:
        table.add_column(heading, no_wrap=True, justify="right" if heading else "left")
    for line in score_lines(row):
        table.add_row(*line)
    notes = [Text(f"{', '.join(names)}: {what}", style="dim") for what, names in _noted(row).items()]
    notes = [Text(reading, style="dim") for reading in [_reading(row)] if reading] + notes
    warnings = [Text(f"warning: {warning}", style="yellow") for warning in row["warnings"]]
    return Group(_title(row), table, *notes, *warnings)


def bits_report(row: Mapping[str, Any]) -> Group:
    """The table of a row of bits per dimension."""
    title = (
        f"{row['n']:,} images of {row['data']} {row['split']}  {row['run']}, step {row['step']:,}, {row['weights']}\n"
        f"{row['kind']}, {row['steps']:,} of {row['T']:,} steps, decoder {row['decoder']}"
    )
    table = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in BITS:
        table.add_column(heading, no_wrap=True, justify="left" if heading == "bits/dim" else "right")
    for line in bits_lines(row):
        table.add_row(*line)
    where = [Text(f"{what:10}{row[what]}") for what in ("terms", "picture") if what in row]
    return Group(table, Text(units(row), style="dim"), *map(Text, bytes_per_image(row)), *where)


SCORES = ("", "value", "95 % interval", "real halves", "held-out")
"""The columns of `score_lines`."""
BITS = ("bits/dim", "value", "s.e.", "95 % interval")
"""The columns of `bits_lines`."""


def score_lines(row: Mapping[str, Any]) -> list[list[str]]:
    """A line for each score of an evaluation: its name, value and interval, and the floors."""
    lines = []
    for name, entry in row["metrics"].items():
        floors = [_floor(entry["floor"].get(floor), row["n_fake"]) for floor in ("halves", "held_out")]
        lines.append([_plain(name, row), number(entry["value"]), _interval(entry), *floors])
    return lines


def bits_lines(row: Mapping[str, Any]) -> list[list[str]]:
    """A line for each part of the bits per dimension, with its standard error and interval."""
    entries = dict(row["bits_per_dim"])
    if "bits_per_stored_dim" in row:
        entries |= {f"{name} as stored": entry for name, entry in row["bits_per_stored_dim"].items() if name == "total"}
    lines = []
    for name, entry in entries.items():
        error = "–" if entry["standard_error"] is None else number(entry["standard_error"])
        lines.append([name, number(entry["value"]), error, _interval(entry)])
    return lines


def _interval(entry: Mapping[str, Any]) -> str:
    return "–" if entry["interval"] is None else "…".join(map(number, entry["interval"]))


def bytes_per_image(row: Mapping[str, Any]) -> list[str]:
    """What an image takes: by the model, and in formats that lose nothing. Rows of older versions do not say it."""
    if "codecs" not in row:
        return []
    others = ", ".join(f"{name} {size:,.0f}" for name, size in row["codecs"].items())
    return [f"bytes per image: {row['bytes_per_image']['value']:,.0f} by the model; {others}"]


def units(row: Mapping[str, Any]) -> str:
    """What a dimension is."""
    if "stored_dims" not in row:
        return "bits per dimension: a channel of a pixel"
    return (
        f'bits per dimension of the network\'s input ({row["dims"]:,}, with padding); "as stored": per dimension of '
        f"the images without it ({row['stored_dims']:,g})"
    )


def number(value: float) -> str:
    """Three decimals, or three digits if it is below 0.1."""
    return f"{value:.3g}" if abs(value) < 0.1 else f"{value:,.3f}"


def _reading(row: Mapping[str, Any]) -> str:
    """How to read the floors, and which way the usual scores are better."""
    names = [_plain(name, row) for name in row["metrics"]]
    ways = {"lower is better": ("FID", "FD", "KID"), "higher is better": ("precision", "recall", "density", "coverage")}
    scores = [f"{', '.join(of)}: {way}" for way, those in ways.items() if (of := [x for x in names if x in those])]
    scores += ["memorisation: 0.5 without copies, 1 if all are copies"] if "memorisation" in names else []
    floors = any(entry["floor"] for entry in row["metrics"].values())
    return "; ".join([*scores, *(["real halves, held-out: what real images score, a model's goal"] if floors else [])])


def _title(row: Mapping[str, Any]) -> Text:
    about, real, extractor = row["images"], row["reference"], row["extractor"]
    n_real = "?" if row["n_real"] is None else f"{row['n_real']:,}"
    lines = [f"{row['n_fake']:,} images  {about['path']}"]
    if "step" in about:
        eta = "" if about["eta"] is None else f" eta {about['eta']:g}"
        lines.append(
            f"  step {about['step']:,}, {about['weights']}, {about['sampler']}{eta}, {about['nfe']} network calls per "
            f"image, seeds {_short(about['seeds'])}"
        )
    lines.append(f"{n_real} reference  {real.get('name', real.get('path'))} {real.get('split', '')}")
    lines.append(f"{extractor['name']} features, {extractor['dim']}, weights {extractor['weights_sha256'][:12]}")
    return Text("\n".join(lines))


def _short(seeds: str) -> str:
    return seeds if len(seeds) <= 40 else f"{seeds[:37]}..."


def _floor(floor: Mapping[str, Any] | None, n: int) -> str:
    """The value, with its number of images where that differs from the number of generated images."""
    if floor is None:
        return "–"
    return number(floor["value"]) + ("" if floor["n_fake"] == n else f" (n {floor['n_fake']:,})")


def _plain(name: str, row: Mapping[str, Any]) -> str:
    """A name without its extractor, which the title names."""
    return name.removesuffix(f"-{row['extractor']['name']}")


def _noted(row: Mapping[str, Any]) -> dict[str, list[str]]:
    """The meanings of the intervals or why there is none, and for each the quantities that it is about."""
    kinds: dict[str, list[str]] = {}
    for name, entry in row["metrics"].items():
        if "no_interval" in entry:
            kinds.setdefault(f"no interval: {entry['no_interval']}", []).append(_plain(name, row))
        elif "interval_of" in entry:
            kinds.setdefault(f"the interval is of {entry['interval_of']}", []).append(_plain(name, row))
    return kinds
