"""What a report of a fault has to say of the machine, and the known traps in it: `alphabar doctor`."""

from alphabar.machine.looking import Machine, looked_at
from alphabar.machine.traps import traps

__all__ = ["Machine", "looked_at", "traps"]
