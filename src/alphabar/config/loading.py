"""Recipes and overrides -> Config, and a sentence for each thing that is wrong with them."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from alphabar.config import mistakes
from alphabar.config.one_of import choices
from alphabar.config.recipe import read, toml
from alphabar.config.section import Section
from alphabar.config.sections import Config
from alphabar.config.values import HUB
from alphabar.errors import AlphabarError
from alphabar.registry import unknown

FREE_TO_CHANGE = {
    "data.path", "data.root", "training.planned", "training.steps", "training.images", "training.epochs",
    "training.minutes", "training.micro_batch_size", "training.log_every", "training.sample_every",
    "training.checkpoint_every", "training.keep_checkpoints", "training.strict_checkpoints", "training.bad_steps",
    "training.images_on_device", "training.compile", "training.tracker",
    "parallel", "sampling", "evaluation",
}  # fmt: skip
"""Settings that may change when a run is resumed: they say where, how long and how often, not what is trained."""
REMEDIES = {"optimizer.learning_rate", "optimizer.warmup_steps", "optimizer.clip_norm", "training.precision"}
"""Settings that may change too, so that a run that diverged can go on from its last good checkpoint; that is said and
recorded, because a run with such a change is not the one that would have come of its first settings."""


def shown(default: object) -> str:
    """A default as it is written on the command line."""
    if default is None:
        return "none"
    if isinstance(default, tuple):
        return f"[{', '.join(map(str, default))}]"
    return str(default).lower() if isinstance(default, bool) else str(default)


def meanings(section: type[Section]) -> dict[str, str]:
    """What each setting of a section means, and the names that it can take."""
    docs = section.docs()
    names = {key: choices([field.annotation, *field.metadata]) for key, field in section.model_fields.items()}
    return {key: "  ".join(part for part in (docs.get(key, ""), " | ".join(names[key])) if part) for key in names}


def load(recipe: str, overrides: Mapping[str, Any] | Sequence[str] = ()) -> Config:
    """The recipe of that name, or the TOML file at that path, with the overrides applied in order."""
    return parse(merge(read(recipe), overrides))


def parse(settings: dict[str, Any]) -> Config:
    """Settings by section -> Config; AlphabarError names the setting, its value and what would be right."""
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        raise AlphabarError(*mistakes.sentences(error)) from None


def merge(settings: dict[str, Any], overrides: Mapping[str, Any] | Iterable[str]) -> dict[str, Any]:
    """`settings` with the overrides put in, in order.

    overrides: {"section.key": value}; or texts 'section.key=value', whose value is read as TOML, or as it stands if it
    is not TOML.
    """
    if isinstance(overrides, str | bytes) or not isinstance(overrides, Iterable):
        raise AlphabarError(
            f"Overrides are a mapping, or a list such as ['training.steps=9']; got {mistakes.short(overrides)}."
        )
    pairs = overrides.items() if isinstance(overrides, Mapping) else map(_pair, overrides)
    merged = {name: dict(section) if isinstance(section, dict) else section for name, section in settings.items()}
    for key, value in pairs:
        section, dot, name = key.partition(".") if isinstance(key, str) else ("", "", "")
        if not (dot and name):
            raise AlphabarError(f"{mistakes.short(key)} is not a setting; write section.key, as training.batch_size.")
        if section not in Config.model_fields:
            raise AlphabarError(unknown("section", section, Config.model_fields))
        if not isinstance(merged.setdefault(section, {}), dict):
            raise AlphabarError(
                f"[{section}] is {mistakes.short(merged[section])} in the recipe; it must be a table of settings."
            )
        merged[section][name] = str(value) if isinstance(value, Path) else value
    return merged


def _pair(override: str) -> tuple[str, Any]:
    key, equals, text = override.partition("=") if isinstance(override, str) else ("", "", "")
    if not (equals and "." in key.strip(".")):
        raise AlphabarError(
            f"{mistakes.short(override)} is not an override; write section.key=value, as training.batch_size=64."
        )
    return key, _value(text)


def absolute(config: Config) -> Config:
    """`config` with absolute paths, so that a run finds its data from any folder; a name on the Hub is no path."""
    data, weights = config.data, config.evaluation.extractor_weights
    places = {"path": data.path and data.path.absolute(), "root": data.root and data.root.absolute()}
    evaluation = config.evaluation.model_copy(update={"extractor_weights": weights and weights.absolute()})
    origin = config.training.initialised_from
    if origin is not None and not str(origin).startswith(HUB):
        origin = origin.absolute()
    training = config.training.model_copy(update={"initialised_from": origin})
    return config.model_copy(
        update={"data": data.model_copy(update=places), "evaluation": evaluation, "training": training}
    )


def only(config: Config, keys: Iterable[str]) -> dict[str, object]:
    """The settings among `keys`, as 'section.key': value."""
    settings = _flat(config)
    return {key: settings[key] for key in keys}


def differences(old: Config, new: Config) -> dict[str, str]:
    """The settings that make `new` another run than `old`, as {key: 'key: old -> new'}."""
    return {
        key: change
        for key, change in _changes(old, new).items()
        if not {key, key.split(".")[0]} & (FREE_TO_CHANGE | REMEDIES)
    }


def remedies(old: Config, new: Config) -> list[str]:
    """The changes of settings that let a run go on in another way than it began, as 'key: old -> new'."""
    return [change for key, change in _changes(old, new).items() if not {key, key.split(".")[0]} & FREE_TO_CHANGE]


def _changes(old: Config, new: Config) -> dict[str, str]:
    before, after = _flat(old), _flat(new)
    return {key: f"{key}: {before[key]} -> {after[key]}" for key in after if before[key] != after[key]}


def _flat(config: Config) -> dict[str, object]:
    sections = config.model_dump(mode="json")
    return {f"{section}.{key}": value for section, values in sections.items() for key, value in values.items()}


def _value(text: str) -> Any:
    try:
        settings = toml(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    except ValueError as error:
        raise AlphabarError(f"The value {mistakes.short(text)} cannot be read: {error}.") from None
    return settings["value"] if list(settings) == ["value"] else text
