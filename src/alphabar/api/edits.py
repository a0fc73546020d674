"""Edits of pictures with a model, checked but not yet made; `alphabar.inpaint` and the others make them."""

from collections.abc import Iterable, Sequence
from operator import index
from pathlib import Path
from typing import Any, Unpack

from alphabar.api.model import Model, loaded
from alphabar.api.options import Options, Seeds, changes, seed_list
from alphabar.editing import inpainting as inpaint_
from alphabar.editing import inversion
from alphabar.editing.edit import Edit
from alphabar.editing.inpainting import Resampling, inpainting
from alphabar.editing.interpolation import Interpolation, interpolation
from alphabar.editing.pictures import Picture, Source, label_of, picture, read_mask
from alphabar.editing.variation import variation
from alphabar.errors import AlphabarError
from alphabar.runs.model import LoadedModel
from alphabar.sampling.pipeline import Pipeline

Times = int | Iterable[int] | str | None
"""One timestep, or several, also as "250,500"; T/2 if None."""


def edit_pipeline(
    model: LoadedModel,
    pictures: Sequence[Picture],
    label: str | int | None,
    options: dict[str, Any],
    usual_steps: int | None = None,
) -> Pipeline:
    """The pipeline of an edit: of the class of `label`, or of the pictures.

    usual_steps: the number of steps if the options name none, on a chain of that length.
    """
    if usual_steps is not None:
        options = {"steps": min(usual_steps, model.denoiser.schedule.T)} | options
    return Pipeline.of(model, options, label_of(model, label, pictures))


def deterministic(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of encoding and decoding: DDIM without noise; AlphabarError for options that say otherwise."""
    flags = {"sampler": "--sampler", "eta": "--eta", "guidance_scale": "--guidance"}
    if unused := [flag for name, flag in flags.items() if name in settings]:
        raise AlphabarError(f"Latents are encoded and decoded by DDIM without noise; leave out {', '.join(unused)}.")
    return settings | inversion.DETERMINISTIC


def _times(t: Times, model: LoadedModel) -> list[int]:
    if t is None:
        return [max(1, model.denoiser.schedule.T // 2)]
    try:
        words: Iterable[Any] = map(int, t.split(",")) if isinstance(t, str) else t if isinstance(t, Iterable) else [t]
        return [index(word) for word in words]
    except (TypeError, ValueError):
        raise AlphabarError(f"Timesteps are whole numbers with commas between them, as 250,500; got {t!r}.") from None


def plan_interpolation(
    model: Model | str | Path,
    a: Source,
    b: Source,
    *,
    t: Times = None,
    points: int = 9,
    mix: str | None = None,
    latents: str = "noised",
    seed: int = 0,
    label: str | int | None = None,
    resize: str = "none",
    **options: Unpack[Options],
) -> Edit:
    """The images between two images: mixed at the noise level t and denoised (DDPM §4.4, Fig. 8 and 9).

    points: how many mixtures, λ = 0 and 1 included. mix: a key of MIXES; linear if None, spherical for encoded latents.
    latents: noised (by q(x_t | x_0), as in the paper) or encoded (by DDIM, so that the ends are the images).
    """
    source = loaded(model)
    settings = changes(options)
    if latents == "encoded":
        settings = deterministic(settings)
    mix = mix or ("spherical" if latents == "encoded" else "linear")
    how = Interpolation(_times(t, source), points, mix, latents, seed)
    first, second = (picture(source, text, resize) for text in (a, b))
    usual = inversion.STEPS if latents == "encoded" else None
    return interpolation(edit_pipeline(source, [first, second], label, settings, usual), first, second, how)


def plan_variation(
    model: Model | str | Path,
    image: Source,
    *,
    start: Times = None,
    seeds: Seeds = "0-7",
    label: str | int | None = None,
    resize: str = "none",
    **options: Unpack[Options],
) -> Edit:
    """Other images near an image: noised to the timestep `start` and denoised again (SDEdit). Higher keeps less."""
    source = loaded(model)
    original = picture(source, image, resize)
    pipeline = edit_pipeline(source, [original], label, changes(options))
    return variation(pipeline, original, _times(start, source), seed_list("0-7" if seeds is None else seeds))


def plan_inpainting(
    model: Model | str | Path,
    image: Source,
    mask: Source,
    *,
    seeds: Seeds = "0-7",
    jump_length: int | None = None,
    resamplings: int = inpaint_.RESAMPLINGS,
    label: str | int | None = None,
    resize: str = "none",
    **options: Unpack[Options],
) -> Edit:
    """A part of an image sampled anew, to fit the rest (RePaint); the other pixels stay as they are.

    mask: an image, white where to sample anew; or left, right, top, bottom, centre.
    jump_length, resamplings: RePaint's j (1/25 of the steps if None) and r (1 never goes back).
    It takes about steps x resamplings network calls; 25 steps of ddim with eta 0.5 if no sampler is named.
    """
    source = loaded(model)
    settings = changes(options)
    if "sampler" not in settings:  # not the recipe's, which may look back, or be too rough in few steps (beta_t)
        settings = {"sampler": "ddim", "eta": 0.5} | settings
    original = picture(source, image, resize)
    pipeline = edit_pipeline(source, [original], label, settings, inpaint_.STEPS)
    area = read_mask(mask, source.facts.shape, resize)
    return inpainting(
        pipeline, original, area, seed_list("0-7" if seeds is None else seeds), Resampling(jump_length, resamplings)
    )
