"""Look-up by name in the dicts that hold alphabar's components: SCHEDULES, SAMPLERS, DATASETS ..."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

from alphabar.errors import AlphabarError
from alphabar.terminal import printable

T = TypeVar("T")
LONGEST = 80
"""Characters of a name, or of a value, in a sentence."""


def unknown(what: str, name: str, choices: Iterable[str]) -> str:
    """The error sentence for a name that is not among `choices`. It suggests the nearest choice, and lists all."""
    names, name = sorted(choices), printable(str(name))
    name = name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}..."
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? All: " if near else "choose one of: "
    return f"There is no {what} '{name}'; {hint}{', '.join(names)}."


def look_up(registry: Mapping[str, T], name: str, what: str) -> T:
    """`registry[name]`; raises AlphabarError with the nearest name if `name` is missing."""
    if name not in registry:
        raise AlphabarError(unknown(what, name, registry))
    return registry[name]
