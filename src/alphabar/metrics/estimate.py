"""Estimate: a measured number with its uncertainty."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval (None if there is none). `more` holds further numbers and notes for the report."""

    value: float
    low: float | None = None
    high: float | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
