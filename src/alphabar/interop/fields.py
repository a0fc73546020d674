"""The fields of a foreign config, whose values may be anything until they are looked at."""

from collections.abc import Mapping
from typing import Any

from alphabar.errors import AlphabarError

MOST = 1_000_000
"""The largest number that a size, a count or a list may be."""
OPTIONAL = {
    "sample_size": "an int or two",
    "attention_head_dim": "an int",
    "attn_norm_num_groups": "an int",
    "num_class_embeds": "an int",
    "trained_betas": "numbers",
}
"""The kinds of the fields that may be null."""


def known(config: Mapping[str, Any], defaults: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The fields of `defaults`, with the values of `config` in their place. AlphabarError for one of another kind."""
    values = dict(defaults)
    for name, default in defaults.items():
        if name not in config:
            continue
        value, kind = config[name], OPTIONAL.get(name) or _kind(default)
        if not (_fits(value, kind) or (value is None and name in OPTIONAL)):
            raise AlphabarError(f"{source} has {name}={value!r:.60}; it must be {kind}.")
        values[name] = value
    return values


def _kind(default: Any) -> str:
    if isinstance(default, list):
        return "ints" if isinstance(default[0], int) else "texts"
    return {bool: "true or false", int: "an int", float: "a number", str: "a text"}[type(default)]


def _fits(value: Any, kind: str) -> bool:
    """Whether a value of a JSON file is of the kind."""
    is_int = type(value) is int and 0 <= value <= MOST
    is_number = type(value) in (int, float) and abs(value) <= MOST
    parts = value if isinstance(value, list) and 0 < len(value) <= MOST else None
    kinds = {
        "true or false": isinstance(value, bool),
        "an int": is_int,
        "a number": is_number,
        "a text": isinstance(value, str),
        "an int or two": is_int or (parts is not None and len(parts) == 2 and all(_fits(p, "an int") for p in parts)),
    }
    if kind in kinds:
        return kinds[kind]
    single = {"ints": "an int", "numbers": "a number", "texts": "a text"}[kind]
    return parts is not None and all(_fits(part, single) for part in parts)
