"""What is wrong with settings, in sentences: the setting, its value, what would be right."""

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from alphabar.config.one_of import choices
from alphabar.config.section import Section
from alphabar.config.sections import Config
from alphabar.registry import LONGEST, unknown

ELSEWHERE = {
    "beta_schedule": "diffusion.schedule", "cfg": "sampling.guidance_scale", "cfg_scale": "sampling.guidance_scale",
    "ema": "training.ema_rates", "ema_decay": "training.ema_rates", "ema_rate": "training.ema_rates",
    "fp16": "training.precision", "grad_clip": "optimizer.clip_norm", "lr": "optimizer.learning_rate",
    "max_steps": "training.steps", "mixed_precision": "training.precision", "noise_schedule": "diffusion.schedule",
    "num_epochs": "training.epochs", "num_timesteps": "diffusion.steps", "resolution": "data.image_size",
    "timesteps": "diffusion.steps", "warmup": "optimizer.warmup_steps", "wd": "optimizer.weight_decay",
}  # fmt: skip
"""What other programs call a setting."""

RIGHT = {
    "path_type": "it must be a path (one that looks like a number is written ./NAME)",
    "model_type": "it must be a table of settings",
    "model_attributes_type": "it must be a table of settings",
    "int_type": "it must be a whole number",
    "int_parsing": "it must be a whole number",
    "int_parsing_size": "it must be a whole number that is not so large",
    "int_from_float": "it must be a whole number",
    "float_type": "it must be a number",
    "float_parsing": "it must be a number",
    "finite_number": "it must be a finite number",
    "bool_type": "it must be true or false",
    "bool_parsing": "it must be true or false",
    "string_type": "it must be a text",
}
"""What would be right, by pydantic's type of the mistake; its own words for the others."""


ALTERNATIVES = ("function-", "constrained-", "literal[")
"""How pydantic names a part of a place that is no setting, but one of the kinds of value that it may have."""


def sections() -> dict[str, type[Section]]:
    """The sections of a config, by name."""
    models = {name: field.annotation for name, field in Config.model_fields.items()}
    return {name: model for name, model in models.items() if isinstance(model, type) and issubclass(model, Section)}


def sentences(error: ValidationError) -> list[str]:
    """A sentence for each mistake; a part of a list has none of its own, beside that of the list."""
    items = error.errors(include_url=False)
    inner = {item["loc"][:depth] for item in items for depth in range(len(item["loc"]))}  # where a part is wrong too
    outer = [item for item in items if item["loc"] not in inner or not item["loc"]]
    return _joined(dict.fromkeys(_sentence(item) for item in outer))


def _joined(sentences: Iterable[str]) -> list[str]:
    """One sentence for a setting that may be this or that, and is neither."""
    rights: dict[str, list[str]] = {}
    for sentence in sentences:
        wrong, must, right = sentence.partition("; it must be ")
        rights.setdefault(wrong + must, []).append(right.removesuffix("."))
    return [
        wrong + " or ".join(right) + ("." if wrong.endswith("; it must be ") else "") for wrong, right in rights.items()
    ]


def short(value: object) -> str:
    """A value as a sentence has it: cut, if it is long."""
    try:
        text = str(value).lower() if isinstance(value, bool) else repr(value)
    except (ValueError, RecursionError):  # Python prints no number of thousands of digits
        return f"a very large {type(value).__name__}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _sentence(item: Mapping[str, Any]) -> str:
    path = [str(part) for part in item["loc"] if not str(part).startswith(ALTERNATIVES)]
    where, kind = ".".join(path), item["type"]
    if kind == "extra_forbidden":
        return _unknown_setting(*path)
    if kind == "unknown_name":
        where = ".".join(path[:-1] if path[-1].isdecimal() else path)
        return unknown(where, short(item["input"])[1:-1], item["ctx"]["names"])
    message: str = item["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return message + "."
    if kind == "missing" and len(path) == 1:
        return f"The section [{where}] is missing."
    if path[-1:] and path[-1].isdecimal() and kind in ("missing", "tuple_type", "too_short", "too_long"):
        path = path[:-1]
    if kind in ("tuple_type", "too_short", "too_long", "missing") and len(path) == 2:
        got = "has too few values" if kind == "missing" else f"is {short(item['input'])}"
        return f"{'.'.join(path)} {got}; it must be a list{_example(*path)}."
    right = RIGHT.get(kind, message[0].lower() + message[1:]).replace("input should be", "it must be")
    return f"{where} is {short(item['input'])}; {right}."


def _example(section: str, name: str) -> str:
    """The default of a setting, as an example of a list."""
    field = sections()[section].model_fields[name]
    default = field.default if field.default != () else tuple(choices([field.annotation]))[:1]
    return f", such as {json.dumps(default)}" if isinstance(default, tuple) and default else " of two numbers"


def _unknown_setting(section: str, name: str | None = None, *_: str) -> str:
    """The sentence for a section or a setting that does not exist, with what may have been meant."""
    if name is None or section not in sections():
        return unknown("section", section, sections())
    own = sections()[section].model_fields
    what = f"setting of [{section}] called"
    everywhere: dict[str, str] = {}
    for other, model in sections().items():
        for key in model.model_fields:
            everywhere[key] = f"{everywhere[key]}' or '{other}.{key}" if key in everywhere else f"{other}.{key}"
    meant = ELSEWHERE.get(name) or everywhere.get(name)
    if meant is None and not get_close_matches(name, own, n=1, cutoff=0.5):
        near = get_close_matches(name, everywhere, n=1, cutoff=0.6)
        meant = everywhere[near[0]] if near else None
    if meant is None:
        return unknown(what, name, own)
    return f"There is no {what} '{name}'; did you mean '{meant}'? All of [{section}]: {', '.join(sorted(own))}."
