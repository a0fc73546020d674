"""The kinds of values that settings have, with their limits, and how TOML and the command line write them."""

from pathlib import Path
from typing import Annotated, Any

from PIL import ImageColor
from pydantic import AfterValidator, BeforeValidator, Field


def _none(value: object) -> object:
    return None if value == "none" else value


OrNone = BeforeValidator(_none)
"""The word none, as TOML and the command line write it, means None."""
MOST = 10**12
"""The largest of the numbers that have no reason to be small."""
OptionalInt = Annotated[Annotated[int, Field(ge=1, le=MOST)] | None, OrNone]
OptionalFloat = Annotated[Annotated[float, Field(gt=0)] | None, OrNone]

OptionalLength = Annotated[Annotated[float, Field(gt=0, le=MOST)] | None, OrNone]


def _path(value: Path) -> Path:
    if "\0" in str(value):
        raise ValueError(f"A path cannot hold the character of number 0; got {str(value)!r}")
    return value


def listed(value: object) -> Any:
    """A list as it is; of a text "a,b" its parts, and none for the word none."""
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",")] if value != "none" else []


HUB = "hf:"
"""What a name on the Hugging Face Hub begins with, in the place of a path."""
OptionalPath = Annotated[Annotated[Path, AfterValidator(_path)] | None, OrNone]
OptionalCount = Annotated[Annotated[int, Field(ge=1, le=16384)] | None, OrNone]
"""A number of channels, heads or groups."""
Count = Annotated[int, Field(ge=0, le=MOST)]
Positive = Annotated[int, Field(ge=1, le=MOST)]
Side = Annotated[int, Field(ge=1, le=16384)]
"""Pixels, or channels of a network."""
BatchSize = Annotated[int, Field(ge=1, le=1_000_000)]
Level = Annotated[int, Field(ge=0, le=255)]
Rate = Annotated[float, Field(ge=0, lt=1)]

LONGEST = 100_000
"""Characters of a respacing, which may name every timestep."""


def _respacing(value: object) -> object:
    value = _none(value)
    if isinstance(value, bool) or not isinstance(value, int | str | None):
        raise ValueError(
            f"sampling.steps is a whole number, or a respacing such as 10,15,20, ddim50 or t:1,5,9; got {value}"
        )
    if isinstance(value, str) and len(value) > LONGEST:
        raise ValueError(f"sampling.steps is a text of {len(value):,} characters; it has at most {LONGEST:,}")
    value = int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 10 else value
    if isinstance(value, int) and value < 1:
        raise ValueError(f"Sampling takes at least 1 step; got {value}")
    if isinstance(value, int) and value > MOST:
        raise ValueError(f"Sampling takes at most {MOST:,} steps; sampling.steps is larger")
    return value


def _square(value: object) -> object:
    value = _none(value)
    if isinstance(value, str):
        sides = value.split("x")
        if not (1 <= len(sides) <= 2 and all(side.isascii() and side.isdigit() and len(side) < 10 for side in sides)):
            raise ValueError(f"data.image_size is a number or HEIGHTxWIDTH, such as 32 or 48x64; got {value!r}")
        return (int(sides[0]), int(sides[-1]))
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else value


def colour(value: object, what: str = "data.background") -> tuple[int, int, int]:
    """(R, G, B), 0..255, of a name such as white, of #fff or #ffffff, of "255,255,255", or of three levels in a list.

    ValueError, which names `what`, for anything else.
    """
    levels: object = value
    if isinstance(value, str):
        words = [word.strip() for word in value.strip().removeprefix("[").removesuffix("]").split(",")]
        if len(words) > 1:
            levels = [int(word) if word.isascii() and word.isdigit() and len(word) < 4 else -1 for word in words]
        else:
            levels = _named(value.strip())
    if (
        isinstance(levels, list | tuple)
        and len(levels) == 3
        and all(type(level) is int and 0 <= level <= 255 for level in levels)
    ):
        red, green, blue = levels
        return red, green, blue
    raise ValueError(
        f"{what} is a colour: a name such as white, #rrggbb, or three levels from 0 to 255 such as 255,255,255; got "
        f"{str(value)[:80]!r}"
    )


def _named(text: str) -> tuple[int, ...] | None:
    """The levels of a colour's name, or of its hexadecimal digits; None if it is neither."""
    try:
        return ImageColor.getrgb(text)
    except ValueError:
        return None


Background = Annotated[tuple[Level, Level, Level], BeforeValidator(colour)]
"""(R, G, B)."""
Respacing = Annotated[int | str | None, BeforeValidator(_respacing)]
"""A number of timesteps, or which."""
ImageSize = Annotated[tuple[Side, Side] | None, BeforeValidator(_square)]
"""(height, width)."""
Multipliers = Annotated[tuple[Annotated[int, Field(ge=1, le=1024)], ...], Field(min_length=1, max_length=14)]
"""A factor for each level of a network."""
