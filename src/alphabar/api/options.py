"""The options of sampling, for every function that samples; named as on the command line."""

from collections.abc import Mapping, Sequence
from operator import index
from os import PathLike
from pathlib import Path
from typing import Any, TypedDict

from alphabar import seeds as seed_lists
from alphabar.config.values import colour
from alphabar.errors import AlphabarError
from alphabar.images import Colour
from alphabar.registry import unknown

StrPath = str | PathLike[str]
"""A path, as a text or an object."""
Seeds = str | int | Sequence[int] | None
"""Seeds of images: "0-63,100", or numbers."""


class Options(TypedDict, total=False):
    """How images are sampled. What is left out, or None, is the model's default.

    sampler: a key of SAMPLERS. Another sampler than the model's comes with its own steps, spacing and options.
    steps: the number of steps; or a respacing: "10,15,20", "ddim50", "t:1,5,9".
    spacing: which timesteps are visited, a key of SPACINGS, or optimal: those with the least bound, measured once.
    eta: the noise of ddim, dpmpp_2m and the SDE samplers: 0 none, 1 all.
    order: the order of unipc: 1, 2 or 3.
    churn: EDM's S_churn, for euler and heun.
    variance: the variance of ddpm's steps: model, fixed_small, fixed_large or analytic.
    guidance: the scale of classifier-free guidance; 1 is off.
    guidance_interval: the first and last timestep with guidance: (1, 400), or "1-400".
    guidance_rescale: 0 to 1, how far the contrast that guidance adds is scaled back.
    precision: fp32, bf16, or auto, the faster one of the two here.
    batch_size: images at a time.
    """

    sampler: str | None
    steps: int | str | None
    spacing: str | None
    eta: float | None
    order: int | None
    churn: float | None
    variance: str | None
    guidance: float | None
    guidance_interval: tuple[int, int] | str | None
    guidance_rescale: float | None
    precision: str | None
    batch_size: int | None


def background_colour(value: Colour | str | None) -> Colour | None:
    """The colour that --background names: white, "#fff", "255,255,255" or (255, 255, 255)."""
    try:
        return None if value is None else colour(value, "--background")
    except ValueError as error:
        raise AlphabarError(f"{error}.") from None


def changes(options: Options) -> dict[str, Any]:
    """The settings of [sampling] that the options change; AlphabarError for an option that does not exist."""
    values: Mapping[str, Any] = options
    for name in values:
        if name not in Options.__annotations__:
            raise AlphabarError(unknown("sampling option", name, Options.__annotations__))
    if isinstance(interval := values.get("guidance_interval"), str):
        values = {**values, "guidance_interval": _interval(interval)}
    renamed = {"guidance": "guidance_scale"}
    return {renamed.get(name, name): value for name, value in values.items() if value is not None}


def _interval(text: str) -> tuple[int, int]:
    """ "1-400" -> (1, 400)."""
    first, dash, last = text.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
        raise AlphabarError(f"--guidance-interval must be two timesteps, as 1-400, the smaller first; got '{text}'.")
    return int(first), int(last)


def seed_list(seeds: str | int | Sequence[int]) -> list[int]:
    """The seeds as numbers: from "0-63,100", one number, or several; AlphabarError if there are none."""
    if isinstance(seeds, str):
        return seed_lists.parsed(seeds)
    try:
        numbers = [index(seeds)] if isinstance(seeds, int) else [index(seed) for seed in seeds]
    except TypeError:
        raise AlphabarError(f"Seeds are whole numbers, or a text such as 0-63,100; got {seeds!r}.") from None
    if wrong := [seed for seed in numbers if not 0 <= seed < seed_lists.LIMIT]:
        raise AlphabarError(f"Seeds are numbers from 0 to 2^32 - 1; got {wrong[0]}.")
    if not numbers:
        raise AlphabarError("No seeds were given; name at least one.")
    return numbers


def path(place: StrPath | None) -> Path | None:
    """`place` as a Path; None stays None."""
    return None if place is None else Path(place)
