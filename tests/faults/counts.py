"""How often each fault is tried: a few times by `make test`, more often by `make test-faults`."""

import os


def _count(name: str, few: int) -> int:
    return int(os.environ.get(f"FAULTS_{name}", few))


KILLS = _count("KILLS", 4)
"""SIGKILLs of trainings, at random moments."""
EVENTS = _count("EVENTS", 4)
"""Calls to the file system, in a save and in the removal of an old checkpoint, before which a training is killed."""
SIGNALS = _count("SIGNALS", 4)
"""Polite signals to trainings, at random moments."""
JOB_KILLS = _count("JOB_KILLS", 2)
"""SIGKILLs of sampling 2,000 images, or fewer if there are few kills; and a fifth as many of evaluations."""
STEPS = _count("STEPS", 500)
"""Steps of a training whose memory is watched; a fiftieth as many saves."""


def parts(count: int, size: int) -> list[int]:
    """`count` as a list of parts of at most `size`, so that several processes share them."""
    return [min(size, count - start) for start in range(0, count, size)]
