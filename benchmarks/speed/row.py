"""What is read from the turns of a row: ratios, rates, and shares of the convolution's rate."""

from statistics import median
from typing import Any

from benchmarks.speed import sides
from benchmarks.speed.workload import UNITS, WORKLOADS

Measured = dict[str, dict[str, Any]]


def summary(row: str, measured: Measured, clock: str) -> dict[str, Any]:
    """The row of the JSON; `clock` is that of the rates and shares."""
    work, by_side = WORKLOADS[row], dict(measured)
    convolutions = {p: by_side.pop(side) for p, side in sides.CONVOLUTIONS.items() if side in by_side}
    for own in by_side.values():
        if work.task in UNITS:
            own["microseconds"] = 1e6 * median(own["seconds"][clock])
            continue
        own["images_per_second"] = work.batch / median(own["seconds"][clock])
        own["flops_per_image"] = own.pop("flops") / work.batch
        own["gflops_per_second"] = own["flops_per_image"] * own["images_per_second"] / 1e9
        best = best_rate(convolutions[own["precision"]], clock)
        own["share_of_convolution"] = own["gflops_per_second"] / best
    return {
        "row": row,
        "batch": work.batch,
        "unit": UNITS.get(work.task),
        "clock": clock,
        "sides": by_side,
        "convolution_gflops_per_second": {p: best_rate(own, clock) for p, own in convolutions.items()},
        "ratios": ratios(by_side),
    }


def best_rate(convolution: dict[str, Any], clock: str) -> float:
    """GFLOP/s in the fastest round."""
    return float(convolution["flops"] / min(convolution["seconds"][clock]) / 1e9)


def ratios(by_side: Measured) -> dict[str, dict[str, dict[str, float]]]:
    """ "A / B" -> clock -> A's seconds ÷ B's, for each of alphabar's sides B and every other side A."""
    pairs = [(a, b) for b in (sides.AUTO, sides.OURS) for a in by_side if b in by_side and a != b]
    return {
        f"{a} / {b}": {c: ratio(by_side[a]["seconds"][c], by_side[b]["seconds"][c]) for c in ("cpu", "wall")}
        for a, b in pairs
    }


def ratio(theirs: list[float], ours: list[float]) -> dict[str, float]:
    """Of the turns of each round: the median, and the extremes."""
    each = sorted(a / b for a, b in zip(theirs, ours, strict=True))
    return {"median": median(each), "lowest": each[0], "highest": each[-1]}
