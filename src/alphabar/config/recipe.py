"""A recipe: a name, or a TOML file, read with care for what else may lie there, and with the recipe that it extends."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from alphabar.errors import AlphabarError
from alphabar.registry import unknown

LARGEST = 100_000
"""Bytes; a recipe has one or two thousand."""


def recipes() -> dict[str, Path]:
    """The files of the recipes, by name."""
    folder = Path(str(resources.files("alphabar") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def summary(recipe: str) -> str:
    """The first line of a recipe: what it is."""
    return recipes()[recipe].read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def read(recipe: str) -> dict[str, Any]:
    """The settings of a recipe by section: those of its TOML, and for what it leaves out, those of what it extends.

    `extends = "NAME"` above the first section names another recipe of `recipes()`.
    """
    settings = _own(recipe)
    if "extends" not in settings:
        return settings
    base = settings.pop("extends")
    if not isinstance(base, str) or base not in recipes():
        raise AlphabarError(unknown("recipe to extend", str(base)[:40], recipes()))
    merged = read(base)
    for name, section in settings.items():
        both = isinstance(section, dict) and isinstance(merged.get(name), dict)
        merged[name] = merged[name] | section if both else section
    return merged


def _own(recipe: str) -> dict[str, Any]:
    """The settings that stand in the recipe's own file."""
    path = recipes().get(recipe) or _of_file(recipe)
    try:
        text = path.read_bytes().decode("utf-8-sig")  # Windows editors begin a file with a mark
    except UnicodeDecodeError:
        raise AlphabarError(f"The recipe {path} is not a text file in UTF-8.") from None
    except OSError as error:
        raise AlphabarError(f"The recipe {path} cannot be read: {error.strerror or error}.") from None
    try:
        return toml(text)
    except ValueError as error:
        raise AlphabarError(f"The recipe {path} is not valid TOML: {error}.") from None


def toml(text: str) -> dict[str, Any]:
    """The content of a TOML text; ValueError if it is none, or has what Python will not read."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:
        too_long = "digits" in str(error)
        raise ValueError("it has a number of thousands of digits" if too_long else str(error)) from None


def _of_file(recipe: str) -> Path:
    """The path of a recipe of one's own; AlphabarError, with what lies there instead, if it is none."""
    path = Path(recipe)
    try:
        is_file, is_folder, exists = path.is_file(), path.is_dir(), path.exists()
        size = path.stat().st_size if is_file else 0
    except (OSError, ValueError) as error:
        raise AlphabarError(f"The recipe {path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if path.suffix != ".toml" and not exists:
        raise AlphabarError(
            f"{unknown('recipe', recipe, recipes())[:-1]}; a path to a .toml file, or to a run, works too."
        )
    if not exists:
        raise AlphabarError(f"There is no recipe file {path}; `alphabar recipes` lists the recipes that have a name.")
    if not is_file or path.suffix != ".toml":
        what = "a folder" if is_folder else "a file of another kind"
        raise AlphabarError(f"{path} is {what}; a recipe is a .toml file, or a name from `alphabar recipes`.")
    if size > LARGEST:
        raise AlphabarError(f"{path} has {size:,} bytes; a recipe has at most {LARGEST:,}.")
    return path
