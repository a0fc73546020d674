"""glibc keeps the memory of a step for the next one, unless the user said otherwise."""

import os
import platform
import subprocess
import sys

import pytest

from alphabar.networks.allocator import VARIABLES

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
FAULTS = """
import resource, sys
import torch
from alphabar.networks.allocator import keep_memory
kept = keep_memory() if sys.argv[1] == "keep" else None
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for step in range(20):
    if step == 5:
        before = faults()
    blocks = [torch.ones(2**20 + 100 * k) for k in range(16)]
    del blocks
print(kept, faults() - before)
"""


def faults(how: str, **variables: str) -> tuple[str, int]:
    """What `keep_memory` returned, and the page faults of 15 steps of 64 MiB."""
    env = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    env |= {"OMP_NUM_THREADS": "1", **variables}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, how],
        capture_output=True,
        text=True,
        env=env,
        check=True,
    )
    kept, count = done.stdout.split()
    return kept, int(count)


@pytest.mark.heavy
def test_a_step_does_not_fault_in_again_what_the_one_before_freed() -> None:
    kept, few = faults("keep")
    _, many = faults("leave")
    assert kept == "True" and few < 0.05 * many and many > 10_000


@pytest.mark.parametrize("name", ["MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"])
def test_what_the_user_set_counts(name: str) -> None:
    value = "glibc.malloc.mmap_threshold=131072" if name == "GLIBC_TUNABLES" else "131072"
    kept, many = faults("keep", **{name: value})
    assert kept == "False" and many > 10_000
