"""docs/results/speed.md, from the JSON of a run."""

from statistics import median
from typing import Any

from benchmarks.speed import goals, sides, start_up

BY_HAND = "\n## What this says\n"
"""What follows this in the file was written by a person, and is kept when the tables are written anew."""
INTRODUCTION = """# Speed, measured

`make bench` measures this, and `python -m benchmarks.speed --help` says what each side does. Every side is a process of
its own, with one thread, and they take turns. A ratio is the median over the rounds of a side's seconds ÷ alphabar's,
[lowest–highest]; above 1 alphabar is faster. *auto* is the faster one of fp32 and bf16, as measured in this run. FLOPs
are counted, two for a multiply-add. The share is that of the best rate of a 3×3 convolution, 128 → 128 channels at
32×32, in the same rounds and in the same precision. Peak memory is that of the process beyond its imports.
"""
BESIDE = """A sampler's step is one of 250 for 8 images 3×32×32 by a network that costs nothing. Images are PNG files of
64×64, made 32×32 and flipped by chance. diffusers' side is a DataLoader that decodes with PIL in each epoch, as its
script does, and torch.save of a network of 6.5 M, its optimizer and its average. Features are of 1×32×32 and 3×32×32.
"""
HEAD = ["row", "side", "precision", "parameters", "images/s", "GFLOP per image", "share of convolution", "peak MiB"]


def markdown(result: dict[str, Any]) -> str:
    """All tables. The rate is per CPU-second, or per second on a GPU."""
    rows = [row for row in result["rows"] if "images_per_second" in next(iter(row["sides"].values()))]
    parts = [INTRODUCTION, *about(result)]
    if rows:
        parts += ["## Against diffusers\n", *ratios(rows), "## Each side\n", *each(rows)]
    if others := [row for row in result["rows"] if row not in rows]:
        parts += ["## Beside the networks\n", BESIDE, *beside(others)]
    if "start_up" in result:
        parts += ["## Start-up\n", *starting(result["start_up"])]
    if found := goals.verdicts(result):
        parts += ["## Goals\n", *table(["row", "goal", "measured", "to reach", ""], [verdict(*one) for one in found])]
    return "\n".join(parts)


def kept(text: str, former: str) -> str:
    """The tables, with what was written by hand below the former ones."""
    return text + BY_HAND + former.partition(BY_HAND)[2] if BY_HAND in former else text


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [*("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)), ""]


def about(result: dict[str, Any]) -> list[str]:
    own = result["machine"]
    flags = ", ".join(own["flags"]) or "none of AVX2, AVX-512 and AMX"
    lines = [
        f"    {result['command']}\n",
        f"{own['cpu']} ({flags}); device {own['device']}, {own['threads']} thread, torch {own['torch']}, diffusers "
        f"{own['diffusers']}, commit {own['commit']}, {result['rounds']} rounds.\n",
    ]
    return lines + [f"{side} was skipped: {why}\n" for side, why in result["skipped"].items()]


def ratios(rows: list[dict[str, Any]]) -> list[str]:
    others = (sides.THEIRS, sides.TUNED, sides.LUCID, sides.OURS)
    pairs = [*((side, sides.AUTO) for side in others), (sides.THEIRS, sides.OURS)]
    cells = [[row["row"], str(row["batch"]), *(spread(row, *pair) for pair in pairs)] for row in rows]
    head = [f"{side} ÷ auto" for side in others]
    return table(["row", "batch", *head, "diffusers ÷ alphabar fp32"], cells)


def spread(row: dict[str, Any], side: str, ours: str) -> str:
    both = row["ratios"].get(f"{side} / {ours}")
    if both is None:
        return "–"
    own = both[row["clock"]]
    return f"{own['median']:.2f} [{own['lowest']:.2f}–{own['highest']:.2f}]"


def each(rows: list[dict[str, Any]]) -> list[str]:
    cells = []
    for row in rows:
        cells += [line(row["row"], side, own) for side, own in row["sides"].items()]
        rates = ", ".join(f"{rate:,.0f} in {name}" for name, rate in row["convolution_gflops_per_second"].items())
        cells.append([row["row"], f"convolution alone: {rates} GFLOP/s", "", "", "", "", "", ""])
    return table(HEAD, cells)


def line(name: str, side: str, own: dict[str, Any]) -> list[str]:
    figures = [f"{own['images_per_second']:.2f}", f"{own['flops_per_image'] / 1e9:.2f}"]
    figures += [f"{own['share_of_convolution']:.0%}", f"{own['peak_mib']:,.0f}"]
    return [name, side, own["precision"], f"{own['parameters']:,}", *figures]


def beside(rows: list[dict[str, Any]]) -> list[str]:
    """What a step, an image or a checkpoint costs without any network of a model."""
    cells = []
    for row in rows:
        spans = [f"{own['microseconds']:,.0f}" for own in row["sides"].values()]
        spans += ["–"] * (2 - len(spans))
        cells.append([row["row"], row["unit"], *spans, spread(row, sides.THEIRS, sides.OURS)])
    return table(["row", "one", "alphabar, µs", "diffusers, µs", "diffusers ÷ alphabar"], cells)


def starting(seconds: dict[str, list[float]]) -> list[str]:
    spans = [[name, f"{median(each):.2f} [{min(each):.2f}–{max(each):.2f}]"] for name, each in seconds.items()]
    beyond = ["sample beyond import torch", f"{start_up.beyond_torch(seconds):.2f}"]
    return table(["command", "CPU seconds"], [*spans, beyond])


def verdict(row: str, what: str, value: float, goal: str, met: bool) -> list[str]:
    return [row, what, f"{value:.2f}", goal, "met" if met else "missed"]
