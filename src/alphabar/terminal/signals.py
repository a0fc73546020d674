"""Which signals ask a program to leave, and which to save."""

import signal

EXIT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""Finish the step, save, and exit. SIGUSR1 is what Slurm sends ahead of the time limit, if it is asked to."""
SAVE = signal.SIGUSR2
"""Finish the step, save, and continue."""
