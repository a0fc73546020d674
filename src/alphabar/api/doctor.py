"""`alphabar.doctor`: the machine, and the traps in it."""

from alphabar.errors import sentences


@sentences()
def doctor() -> tuple[dict[str, str], list[str]]:
    """What a report of a fault should hold, by name; and sentences about known traps of this machine.

    16 MiB are written to the folder of the runs, to measure its disk, and removed.
    """
    from alphabar.machine import looked_at, traps

    machine = looked_at()
    return machine.lines(), list(traps(machine))
