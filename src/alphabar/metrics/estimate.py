"""A number, and how sure it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval, None where none can be given; `more` says what else a reader must know."""

    value: float
    low: float | None = None
    high: float | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
