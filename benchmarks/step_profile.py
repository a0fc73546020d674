"""Where the time of a training step goes, by groups of operators: figures for docs/speed.md.

    OMP_NUM_THREADS=1 python -m benchmarks.step_profile [ROW]

ROW is a training row of `benchmarks.speed`; train-1.1M is recipe fashion_mnist's network with batches of 32, in fp32.
Shares are of the time inside operators, by torch.profiler (of the clock).
"""

import sys

import torch
from benchmarks.speed import alphabar_side
from benchmarks.speed.workload import WORKLOADS
from torch.profiler import ProfilerActivity, profile

STEPS = 12
GROUPS = {
    "convolutions, backward": ("convolution_backward",),
    "convolutions, forward": ("mkldnn_convolution", "aten::_convolution", "thnn_conv"),
    "GroupNorm": ("group_norm",),
    "linear layers, 1×1 convolutions": ("aten::mm", "aten::addmm", "aten::bmm"),
    "SiLU": ("silu",),
    "attention": ("scaled_dot_product",),
    "copies and concatenations": ("aten::copy_", "aten::cat"),
    "optimizer, averages, clipping": ("adam", "lerp", "vector_norm", "Optimizer"),
}
"""What is shown -> words in the names of its operators; the first group that matches counts."""


def group(operator: str) -> str:
    return next((name for name, words in GROUPS.items() if any(word in operator for word in words)), "the rest")


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    work = WORKLOADS[sys.argv[1] if len(sys.argv) > 1 else "train-1.1M"]
    made = alphabar_side.make(work, torch.device("cpu"), False)
    for _ in range(4):
        made.step()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(STEPS):
            made.step()
    spent = dict.fromkeys([*GROUPS, "the rest"], 0.0)
    for event in profiled.key_averages():
        spent[group(event.key)] += event.self_cpu_time_total
    whole = sum(spent.values())
    print("| operators | share |\n| --- | --- |")
    for name, microseconds in spent.items():
        print(f"| {name} | {microseconds / whole:.0%} |")
    print(f"\n{whole / STEPS / 1e3:.0f} ms a step")


if __name__ == "__main__":
    main()
