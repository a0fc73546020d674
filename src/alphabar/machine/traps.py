"""Known traps: what makes alphabar slow or fail on a machine, and what helps."""

from collections.abc import Iterator

from alphabar.data.memory import in_bytes
from alphabar.machine.looking import Machine

SLOW_DISK = 20e6
"""Bytes a second below which checkpoints hold a training up."""
LITTLE_ROOM = 2 << 30
"""Free bytes below which a disk is soon full."""


def traps(machine: Machine) -> Iterator[str]:
    """A sentence for each trap that this machine has."""
    if machine.cuda and not machine.gpus:
        yield (
            f"torch is built for CUDA {machine.cuda}, and no GPU is seen; on a machine without one, the build for CPUs "
            "takes a tenth of the space, and with one, its driver is missing or too old."
        )
    if machine.has_nvidia_driver and not machine.cuda:
        yield "There is an NVIDIA driver, and torch is the build for CPUs; install torch for CUDA to use the GPU."
    if not machine.gpus and not machine.has_mps and "avx2" not in machine.flags and "asimd" not in machine.flags:
        yield "The processor has no AVX2, without which networks compute several times as slowly."
    if "AuthenticAMD" in machine.processor and machine.uses_mkl:
        yield (
            "On AMD's processors, MKL takes a slow path for matrix products in fp32; training.precision=auto and "
            "--precision auto measure whether bf16 is faster."
        )
    if machine.threads > machine.cores:
        fitting = max(1, int(machine.cores))
        yield (
            f"torch uses {machine.threads} threads, and this process may use {machine.cores:g} cores; set "
            f"OMP_NUM_THREADS={fitting}, or all of them wait for each other."
        )
    if machine.disk_speed is None:
        yield f"Nothing can be written to {machine.runs}; choose another place with --run."
    elif machine.disk_speed < SLOW_DISK:
        yield (
            f"The disk of {machine.runs} takes {machine.disk_speed / 1e6:.0f} MB/s; save less often with a larger "
            "training.checkpoint_every, or train on another disk."
        )
    for place, free in machine.free.items():
        if free < LITTLE_ROOM:
            yield f"The disk of {place} has {in_bytes(free)} free; a full disk stops a run after three refused saves."
