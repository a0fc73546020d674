"""What `alphabar data inspect` prints: a table, warnings, the settings that suit the pictures, and a command."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from alphabar.data import Advice, Report

_LISTED = 10  # skipped files, classes and sizes that are listed one by one
_NAMED = 3  # pictures that are named as examples
_MINUTES = 60


def table(report: "Report") -> "Table":
    """The report as a table; names of the user's are printed as they are, never read as markup."""
    from rich.text import Text

    from alphabar.data.memory import in_bytes

    found = report.findings
    rows = {
        "kind": report.kind,
        "source": report.source,
        "images found": f"{report.found:,}",
        "images usable": f"{report.loaded:,}",
        "images skipped": f"{len(report.skipped):,}",
        "sizes (HxW)": _sizes(report.sizes),
        "modes": _counts(report.modes),
        "splits": ", ".join(report.contents.splits),
        "classes": _counts(report.classes) or "none",
        "classes by": report.contents.labels_file,
        "levels": str(report.contents.levels or ""),
        "transparent": _transparency(report),
        "nearly blank": _examples(found.blank),
        "duplicates": _examples([f"{name} = {earlier}" for name, earlier in found.duplicates]),
        "mirrored duplicates": _examples([f"{name} = {earlier} mirrored" for name, earlier in found.mirrored]),
        "enlarged": _examples(found.enlarged),
        "left out": "\n".join(report.contents.left_out),
        "notes": _counts(report.notes),
        "in memory": "" if report.memory is None else in_bytes(report.memory) + _too_much(report),
    }
    shown = _grid({name: (value,) for name, value in rows.items() if value})
    for name, reason in report.skipped[:_LISTED]:
        shown.add_row("  skipped", Text(f"{name}: {reason}", overflow="fold"))
    return shown


def warnings(report: "Report") -> Iterator[str]:
    """What may spoil the training, a sentence or two each."""
    from alphabar.data.contents import warning_of_few

    if report.contents.warning:
        yield report.contents.warning
    if few := warning_of_few(report.loaded):
        yield few


def plan(advice: "Advice") -> "Table":
    """The settings that suit the pictures, and why."""
    from alphabar.data.options import sized
    from alphabar.images import colour_name

    height, width = advice.image_size
    values = {
        "data.image_size": str(height) if height == width else sized(advice.image_size),
        "data.resize": advice.resize,
        "data.background": colour_name(advice.background),
        "data.horizontal_flip": str(advice.horizontal_flip).lower(),
        "network.class_conditional": str(advice.class_conditional).lower(),
    }
    return _grid({name: (value, advice.reasons[name]) for name, value in values.items()})


def command(path: Path, report: "Report", size: tuple[int, int] | None, channels: int | None) -> str:
    """The command to train on the data. The recipe chooses its settings itself; those that were asked for are added."""
    words = ["alphabar", "train", "folder", "--data", str(path), "--run", str(_run(path)), "--minutes", str(_MINUTES)]
    if size is not None and report.problem is None:
        words += [f"{name}={report.settings[name]}" for name in ("data.image_size", "data.resize")]
    if channels is not None and report.problem is None:
        words.append(f"data.channels={channels}")
    return shlex.join(words)


def _run(path: Path) -> Path:
    """A run directory that is named after the data and is not there yet."""
    stem = re.sub(r"(\.tar)?\.\w+$", "", path.name) if path.is_file() else path.resolve().name
    name = re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "mine"
    folders = [Path("runs") / name, *(Path("runs") / f"{name}-{k}" for k in range(2, 1000))]
    return next((folder for folder in folders if not folder.exists()), folders[0])


def _grid(rows: Mapping[str, Sequence[str]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    shown = Table(show_header=False)
    for name, values in rows.items():
        shown.add_row(name, *(Text(value, overflow="fold") for value in values))
    return shown


def _too_much(report: "Report") -> str:
    from alphabar.data.memory import fits

    if report.memory is None or fits(report.memory):
        return ""
    return ", mapped from the disk" if report.kind == "packed" else ", too much: it is packed on disk when it is used"


def _transparency(report: "Report") -> str:
    if not report.contents.transparency:
        return ""
    found = report.findings
    return (
        f"{report.contents.transparency}; nearly blank: {found.blank_on_white:,} on white, "
        f"{found.blank_on_black:,} on black"
    )


def _examples(names: Sequence[str]) -> str:
    """How many there are, and a few of them."""
    if not names:
        return ""
    more = f", and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{len(names):,}: {', '.join(names[:_NAMED])}{more}"


def _sizes(sizes: Mapping[tuple[int, int], int]) -> str:
    """The sizes and how many pictures have each; of many sizes, the range of the sides and the most frequent."""
    from alphabar.data.options import sized

    if len(sizes) <= _LISTED:
        return _counts({sized(size): count for size, count in sizes.items()})
    heights, widths = zip(*sizes, strict=True)
    size, count = max(sizes.items(), key=lambda item: item[1])
    often = f"\nmost often {count:,} x {sized(size)}" if count > 1 else ""
    sides = f"{min(heights):,} to {max(heights):,} high, {min(widths):,} to {max(widths):,} wide"
    return f"{len(sizes):,} sizes: {sides}{often}"


def _counts(counts: Mapping[str, int]) -> str:
    """The most frequent first, one per line."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"{count:,} x {name}" for name, count in ranked[:_LISTED]]
    if len(ranked) > _LISTED:
        lines.append(f"... and {len(ranked) - _LISTED:,} more")
    return "\n".join(lines)
