"""The table of a race, from the done.json of each side and the scores of its images."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

METRICS = {"FD": 1, "KID": 1000, "precision": 1, "recall": 1, "density": 1, "coverage": 1, "memorisation": 1}
"""The metrics, and what each is multiplied by."""
FLOORS = {"held_out": "real images: test split", "halves": "real images: half against half"}
FIXED = ["side", "sampler-calls", "seeds", "parameters", "batch", "images seen", "CPU min", "CPU ms/image", "images"]
FIXED += ["scored against"]
HEAD = [*FIXED, *(f"{name} × {k:,}" if k > 1 else name for name, k in METRICS.items()), "FD(alphabar) ÷ FD"]
UNCONDITIONAL = "alphabar-unconditional"

Seeds = dict[int, dict[str, Any]]
"""By seed: the content of done.json, and under "score" the row of `alphabar evaluate`."""


def read(out: Path, sides: Sequence[str]) -> dict[tuple[str, str], Seeds]:
    """What was measured, by (side, sampler), in the order of `sides`."""
    measured: dict[tuple[str, str], Seeds] = {}
    for path in sorted(out.glob("seed*/*/*.score.json"), key=lambda path: (sides.index(path.parent.name), path)):
        result = json.loads((path.parent / "done.json").read_text())
        seed, sampler = int(path.parts[-3].removeprefix("seed")), path.name.removesuffix(".score.json")
        score = {"score": json.loads(path.read_text()), "cpu_ms": result["samplers"][sampler]}
        measured.setdefault((path.parent.name, sampler), {})[seed] = result | score
    return measured


def row(side: str, sampler: str, seeds: Seeds, ours: Seeds) -> list[str]:
    """The cells of one side and sampler; `ours` is alphabar without classes, as is every side that is compared."""
    some = next(iter(seeds.values()))
    means = [fmean(one[name] for one in seeds.values()) for name in ("images", "cpu_minutes", "cpu_ms")]
    fixed = [side, sampler, len(seeds), f"{some['parameters']:,}", some["batch"], f"{means[0]:,.0f}"]
    real = some["score"]["reference"]
    fixed += [f"{means[1]:.2f}", f"{means[2]:.0f}", f"{some['score']['n_fake']:,}", f"{real['n']:,} ({real['split']})"]
    scores = [spread([metric(one, name) for one in seeds.values()], scale) for name, scale in METRICS.items()]
    fds = {seed: metric(one, "FD")["value"] for seed, one in seeds.items() if seed in ours and side != "alphabar"}
    ratios = [{"value": metric(ours[seed], "FD")["value"] / fd} for seed, fd in fds.items()]
    return [*map(str, fixed), *scores, spread(ratios, 1)]


def floor_row(one: dict[str, Any], kind: str) -> list[str]:
    """What as many real images score in place of the generated ones."""
    floors = {name: metric(one, name).get("floor", {}).get(kind) for name in METRICS}
    values = [f"{METRICS[name] * floor['value']:.3f}" if floor else "" for name, floor in floors.items()]
    return [FLOORS[kind], *[""] * (len(FIXED) - 3), f"at most {one['score']['n_fake']:,}", "", *values, ""]


def metric(one: dict[str, Any], name: str) -> dict[str, Any]:
    """The metric NAME-EXTRACTOR of a score, whichever the extractor was; {} where it could not be measured."""
    return next((value for key, value in one["score"]["metrics"].items() if key.split("-")[0] == name), {})


def spread(values: Sequence[dict[str, Any]], scale: float) -> str:
    """Mean ± standard error over several seeds; of one seed, the 95 % interval of the sampling alone."""
    scaled = [scale * value["value"] for value in values if value]
    if not scaled:
        return ""
    if len(scaled) > 1:
        return f"{fmean(scaled):.3f} ± {stdev(scaled) / len(scaled) ** 0.5:.3f}"
    interval = values[0].get("interval")
    return f"{scaled[0]:.3f}" + (f" [{scale * interval[0]:.3f}–{scale * interval[1]:.3f}]" if interval else "")


def write(out: Path, sides: Sequence[str]) -> str:
    """Write OUT/table.md and OUT/table.csv; returns the markdown."""
    if not (measured := read(out, sides)):
        raise SystemExit(f"No side in {out} is finished, so there is no table.")
    ours = next((seeds for (side, _), seeds in measured.items() if side == UNCONDITIONAL), {})
    rows = [row(side, sampler, seeds, ours) for (side, sampler), seeds in measured.items()]
    (one, *_) = next(iter(measured.values())).values()
    rows += [floor for kind in FLOORS if any((floor := floor_row(one, kind))[len(FIXED) :])]
    markdown = "\n".join(f"| {' | '.join(cells)} |" for cells in (HEAD, ["---"] * len(HEAD), *rows))
    (out / "table.md").write_text(f"{markdown}\n")
    with (out / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEAD, *rows])
    return markdown
