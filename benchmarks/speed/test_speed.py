"""The logic of the speed benchmark, and a run of it: python -m pytest benchmarks/speed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.speed import goals, row, sides, table

ROOT = Path(__file__).parents[2]
SPANS = {"cpu": [2.0, 4.0, 6.0], "wall": [2.0, 4.0, 6.0]}


def side(factor: float, precision: str = "fp32") -> dict[str, Any]:
    seconds = {clock: [factor * s for s in spans] for clock, spans in SPANS.items()}
    return {"parameters": 5, "precision": precision, "why": "", "seconds": seconds, "flops": 32e9, "peak_mib": 1.0}


def measured(theirs: float) -> dict[str, dict[str, Any]]:
    own = {sides.OURS: side(1.0), sides.AUTO: side(0.5, "bf16"), sides.THEIRS: side(theirs), sides.TUNED: side(0.6)}
    return own | {sides.CONVOLUTIONS["fp32"]: side(0.5), sides.CONVOLUTIONS["bf16"]: side(0.1, "bf16")}


def result(theirs: float = 1.5) -> dict[str, Any]:
    machine = {"device": "cpu", "flags": ["avx512_bf16"], "cpu": "C", "threads": 1, "torch": "2", "diffusers": "0"}
    about = {"command": "", "machine": machine | {"commit": "c"}, "rounds": 3, "skipped": {}}
    return about | {"rows": [row.summary("train-1.1M", measured(theirs), "cpu")]}


def test_a_ratio_is_of_turns_of_the_same_round() -> None:
    assert row.ratio([2.0, 9.0, 4.0], [1.0, 3.0, 4.0]) == {"median": 2.0, "lowest": 1.0, "highest": 3.0}


def test_a_share_is_of_the_best_convolution_in_the_same_precision() -> None:
    auto = result()["rows"][0]["sides"][sides.AUTO]
    assert auto["images_per_second"] == 32 / 2
    assert auto["share_of_convolution"] == pytest.approx((32e9 / 2.0) / (32e9 / 0.2))


@pytest.mark.parametrize(("theirs", "met"), [(0.79, False), (0.81, True)])
def test_a_goal_is_met_or_missed_by_the_median(theirs: float, met: bool) -> None:
    found = {what: said for _, what, _, _, said in goals.verdicts(result(theirs))}
    assert found["diffusers ÷ alphabar auto"] is met


def test_what_was_written_by_hand_below_the_tables_stays() -> None:
    text = table.markdown(result())
    assert table.kept(text, "old" + table.BY_HAND + "My reading.\n") == text + table.BY_HAND + "My reading.\n"
    assert table.kept(text, "") == text


@pytest.mark.heavy
def test_one_round_of_the_smallest_row_writes_what_the_page_says(tmp_path: Path) -> None:
    out, page = tmp_path / "speed.json", tmp_path / "speed.md"
    options = ["--rows", "sample-1.1M", "step-ddpm", "--rounds", "1", "--json", str(out), "--markdown", str(page)]
    subprocess.run([sys.executable, "-m", "benchmarks.speed", *options], check=True, cwd=ROOT)
    written = json.loads(out.read_text())
    assert {"cpu", "flags", "torch", "threads", "commit"} <= set(written["machine"])
    forward, chain = written["rows"]
    for own in forward["sides"].values():
        figures = ("images_per_second", "flops_per_image", "share_of_convolution", "peak_mib")
        assert all(own[name] > 0 for name in figures) and own["precision"] in ("fp32", "bf16")
    assert set(forward["ratios"]["diffusers / alphabar auto"]["cpu"]) == {"median", "lowest", "highest"}
    assert chain["sides"][sides.OURS]["microseconds"] > 0
    assert all(f"| {side} |" in page.read_text() for side in forward["sides"])
