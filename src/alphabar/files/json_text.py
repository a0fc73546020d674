"""JSON that comes from outside: whatever it says, reading it ends at once, with a value or a ValueError."""

import json
import math
from typing import Any

LARGEST = 1 << 63
"""Integers are smaller than this, so that all that reads them can hold them."""


def parsed(raw: bytes) -> Any:
    """The value of a JSON text; ValueError if it is none, nests too deeply, or has a number that cannot be used."""
    try:
        return json.loads(raw.decode(), parse_constant=_number, parse_float=_number, parse_int=_number)
    except RecursionError:
        raise ValueError("it nests too deeply") from None


def _number(text: str) -> int | float:
    """A number of JSON; ValueError for NaN, Infinity, and what is too large to calculate with."""
    if len(text) > 400:
        raise ValueError(f"it has a number of {len(text)} digits")
    number = int(text) if text.lstrip("-").isdecimal() else float(text)
    if not math.isfinite(number) or (isinstance(number, int) and abs(number) >= LARGEST):
        raise ValueError(f"it has the number {text[:40]}")
    return number
