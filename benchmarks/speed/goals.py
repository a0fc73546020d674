"""The ratios to reach, and whether alphabar in its faster precision reaches them. A median counts."""

from statistics import median
from typing import Any

from benchmarks.speed import sides, start_up

Goals = dict[str, tuple[float, float]]
"""Row -> the goals against diffusers as it runs, and tuned."""
WITH_BF16: Goals = {
    "train-35.7M": (1.7, 1.1), "train-6.5M": (1.5, 1.1), "train-1.1M": (1.6, 1.1),
    "sample-35.7M": (1.8, 1.1), "sample-6.5M": (1.6, 1.1), "sample-1.1M": (1.4, 1.1),
}  # fmt: skip
WITHOUT_BF16: Goals = dict.fromkeys(WITH_BF16, (1.15, 1.05))
ON_GPU: Goals = {"train-35.7M": (4.0, 1.2)}
SHARES = {"train-35.7M": 0.7, "train-1.1M": 0.55}
"""Row -> the share of the convolution's rate."""
STEP = ("step-ddpm", 1.1)
"""A sampler's step without its network, against diffusers as it runs."""
HELP, BEYOND_TORCH = 0.15, 0.5
"""CPU seconds at most of `alphabar --help`, and of `alphabar sample` beyond `import torch`."""


def ratios(machine: dict[str, Any]) -> Goals:
    """Those for such a machine."""
    if machine["device"] == "cuda":
        return ON_GPU
    return WITH_BF16 if {"avx512_bf16", "amx_bf16"} & set(machine["flags"]) else WITHOUT_BF16


def verdicts(result: dict[str, Any]) -> list[tuple[str, str, float, str, bool]]:
    """(row, of what, measured, goal, whether it is met) of every goal of the rows that were measured."""
    found = []
    for row in result["rows"]:
        name, against = row["row"], (sides.THEIRS, sides.TUNED)
        for side, goal in zip(against, ratios(result["machine"]).get(name, ()), strict=False):
            ratio = row["ratios"].get(f"{side} / {sides.AUTO}")
            if ratio:
                value = ratio[row["clock"]]["median"]
                found.append((name, f"{side} ÷ alphabar auto", value, f"≥ {goal:.2f}", value >= goal))
        if name == STEP[0] and (ratio := row["ratios"].get(f"{sides.THEIRS} / {sides.OURS}")):
            value = ratio[row["clock"]]["median"]
            found.append((name, "diffusers ÷ alphabar", value, f"≥ {STEP[1]:.2f}", value >= STEP[1]))
        if name in SHARES and sides.AUTO in row["sides"]:
            share = row["sides"][sides.AUTO]["share_of_convolution"]
            found.append(
                (name, "share of the convolution's rate", share, f"≥ {SHARES[name]:.2f}", share >= SHARES[name])
            )
    if spans := result.get("start_up"):
        each = (("alphabar --help", median(spans["alphabar --help"]), HELP),)
        each += (("sample beyond import torch", start_up.beyond_torch(spans), BEYOND_TORCH),)
        found += [("start-up", what, value, f"≤ {most:.2f}", value <= most) for what, value, most in each]
    return found
