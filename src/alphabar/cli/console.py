"""Where progress goes: stderr, so that stdout stays for results."""

from rich.console import Console


def console() -> Console:
    """A console on stderr."""
    return Console(stderr=True)
