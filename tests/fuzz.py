"""How many random cases a test tries: FUZZ times as many as it says, as in `make test-all FUZZ=4`."""

import os

FUZZ = int(os.environ.get("FUZZ", "1"))


def often(count: int) -> int:
    """A number of cases, times FUZZ."""
    return count * FUZZ
