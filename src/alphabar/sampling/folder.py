"""A folder of samples: PNGs that carry their settings, and an overview of them."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alphabar import films, images
from alphabar.diffusion import Step
from alphabar.errors import AlphabarError
from alphabar.files import json_text, outputs, read_json, sweep, write_json
from alphabar.sampling.job import Job
from alphabar.seeds import LIMIT

SETTINGS, GRID, ARRAYS = "settings.json", "grid.png", "samples.npz"
GRID_IMAGES = 400
FILM_IMAGES = 16
FILM_FRAMES = 60
WHEREABOUTS = ("run", "alphabar", "network_calls", "data")
"""Settings that are ignored when folders are compared: where files lay, who made them, what follows from the others."""


class Film:
    """A film of the reverse process of a job's first images: x_t on the left, the estimate x̂_0 on the right."""

    def __init__(self, steps: int, job: Job) -> None:
        self.frames: list[Tensor] = []
        self._stride = -(-steps // FILM_FRAMES)
        self._seeds = job.seeds[:FILM_IMAGES]

    def watch(self, step: Step) -> None:
        """Keep a frame of every few steps, and of the last one."""
        if step.t % self._stride == 0:
            self.frames.append(_frame(step))

    def save(self, path: Path) -> None:
        """Write the film in the format of the suffix; its comment names the seeds."""
        films.save(path, self.frames, comment=_seed_list(self._seeds))


def _frame(step: Step) -> Tensor:
    halves = [images.sheet(images.to_uint8(x[:FILM_IMAGES]).cpu()) for x in (step.x, step.x0)]
    return images.grid(torch.stack(halves), columns=2, gap=16)


def _seed_list(seeds: Sequence[int]) -> str:
    return f"seeds {', '.join(map(str, seeds))}"


def make(folder: Path, settings: Mapping[str, Any]) -> None:
    """Make the folder for images sampled with `settings`; AlphabarError if it cannot be made, or holds other images.

    Call this before the work that is to go into the folder.
    """
    outputs.check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        is_foreign = not (folder / SETTINGS).exists() and any(folder.glob("[!.]*"))
        earlier = read_json(folder / SETTINGS) if (folder / SETTINGS).exists() else settings
    except (OSError, ValueError) as error:
        raise AlphabarError(f"The folder {folder} cannot be used ({_why(error)}); choose another with --out.") from None
    if is_foreign or not isinstance(earlier, Mapping):
        raise AlphabarError(f"{folder} holds other files than samples; choose a new or empty folder with --out.")
    if other := _differences(settings, earlier):
        raise AlphabarError(
            f"{folder} holds images sampled with another {', '.join(other)}; choose another with --out, or delete it."
        )
    if not (folder / SETTINGS).exists():
        outputs.prepare(folder)
        write_json(folder / SETTINGS, dict(settings))


def check(folder: Path, job: Job, film: str | None = None) -> None:
    """AlphabarError if a file of the job in `folder` is not ours, and would be replaced.

    film: the format of the film that goes into the folder.
    """
    present = {path.name for path in folder.iterdir()}
    kinds = {GRID: outputs.GRID, ARRAYS: outputs.SAMPLES} | ({f"film.{film}": outputs.FILM} if film else {})
    for name, kind in {**kinds, **{_name(seed): outputs.SAMPLE for seed in job.seeds}}.items():
        if name in present:
            outputs.check(folder / name, kind)


def _differences(settings: Mapping[str, Any], earlier: Mapping[str, Any]) -> list[str]:
    return [key for key in settings if key not in WHEREABOUTS and earlier.get(key) != settings[key]]


def film_path(folder: Path, film_format: str) -> Path:
    """The path of the film in a folder."""
    return folder / f"film.{film_format}"


def unfilmed(path: Path, batch: Job) -> int:
    """How many images of a job's first batch are to be filmed at `path`: 0 if the film there is of these seeds."""
    seeds = batch.seeds[:FILM_IMAGES]
    return 0 if films.comment_of(path) == _seed_list(seeds) else len(seeds)


def missing(folder: Path, job: Job, settings: Mapping[str, Any], again: int = 0) -> Job:
    """The part of `job` that `folder` does not hold yet; and its first `again` images, whether it holds them or not."""
    rows = [k for k in range(len(job.seeds)) if k < again or _load(folder, job, k, settings) is None]
    return job.of(rows)


def load_images(folder: Path, job: Job, settings: Mapping[str, Any]) -> Tensor:
    """The images of a finished job, uint8 (N, C, H, W), in the order of its seeds."""
    loaded = []
    for k, seed in enumerate(job.seeds):
        if (image := _load(folder, job, k, settings)) is None:
            raise AlphabarError(
                f"{_path(folder, seed)} was sampled and is missing now; all processes must share one --out folder."
            )
        loaded.append(image)
    return torch.stack(loaded)


def files(folder: Path) -> list[Path]:
    """The samples in a folder that `make` made; none of any other folder."""
    paths = sorted(path for path in folder.glob("seed-*.png") if path.stem.removeprefix("seed-").isdecimal())
    return paths if os.path.lexists(folder / SETTINGS) else []


def seed_and_class(path: Path) -> tuple[int | None, str | None]:
    """The seed and the name of the class of a sample; None for what the file does not say."""
    if not outputs.is_ours(path, outputs.SAMPLE):
        return None, None
    with images.opened(path) as picture:
        stated = _stated({"alphabar": str(picture.info.get("alphabar", ""))})
    seed, name = stated.get("seed"), stated.get("name")
    is_seed = type(seed) is int and 0 <= seed < LIMIT
    return seed if is_seed else None, name if isinstance(name, str) else None


def read(folder: Path) -> tuple[Tensor, dict[str, Any], list[int]] | None:
    """Every image (N, C, H, W) of a folder that `make` made, its settings and its seeds; None for any other folder.

    AlphabarError if a file is damaged, or of other settings than the folder.
    """
    paths = files(folder)
    if not paths:
        return None
    try:
        settings = read_json(folder / SETTINGS)
    except ValueError:
        return None  # of another program
    except OSError as error:
        raise AlphabarError(
            f"{folder / SETTINGS}, the settings of the images beside it, cannot be read ({_why(error)}); restore it "
            "or move it elsewhere."
        ) from None
    if not isinstance(settings, dict) or not {"sampler", "steps", "weights_sha256"} <= set(settings):
        return None
    try:
        with images.opened(paths[0]) as first:
            shape = (len(first.getbands()), first.height, first.width)
    except (OSError, ValueError, SyntaxError) as error:  # Pillow: a SyntaxError for a broken chunk
        raise AlphabarError(f"{paths[0]} cannot be read ({_why(error)}); delete it to sample it again.") from None
    settings = {name: value for name, value in settings.items() if name not in ("seeds", "classes")}
    loaded, seeds = [], []
    for path in paths:
        both = images.load_png(path, shape)
        stated = _stated(both[1]) if both else {}
        seed = stated.get("seed")
        is_named_so = type(seed) is int and _name(seed) == path.name
        if both is None or not is_named_so or _differences(settings | {"class": stated.get("class")}, stated):
            raise AlphabarError(f"{path} is not an image that was sampled with the settings of {folder / SETTINGS}.")
        loaded.append(both[0])
        seeds.append(stated["seed"])
    return torch.stack(loaded), settings, seeds


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _stated(text: Mapping[str, str]) -> dict[str, Any]:
    """The settings that the text of a PNG holds; empty if there are none."""
    try:
        stated = json_text.parsed(text["alphabar"].encode())
    except (KeyError, ValueError):
        return {}
    return stated if isinstance(stated, dict) else {}


def save_images(
    folder: Path, samples: Tensor, batch: Job, settings: Mapping[str, Any], class_names: Sequence[str]
) -> None:
    """seed-XXXXXX.png of each image (N, C, H, W) uint8, in the order of batch.seeds, with its settings in its text.

    One that is there already, as when a batch is sampled again for its film, is left alone.
    """
    for k, image in enumerate(samples):
        if _load(folder, batch, k, settings) is not None:
            continue
        name = {} if batch.labels is None else {"name": class_names[batch.labels[k]]}
        text = json.dumps(_about(batch, k, settings) | name)
        images.save_png(_path(folder, batch.seeds[k]), image, {"alphabar": text}, outputs.SAMPLE)


def _about(job: Job, k: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of image k of a job, with its seed and class."""
    label = {} if job.labels is None else {"class": job.labels[k]}
    small = {} if job.low_res is None else {"low_res_sha256": job.low_res_sha256(k)}
    return dict(settings) | {"seed": job.seeds[k]} | label | small


def _name(seed: int) -> str:
    return f"seed-{seed:06d}.png"


def _path(folder: Path, seed: int) -> Path:
    return folder / _name(seed)


def _load(folder: Path, job: Job, k: int, settings: Mapping[str, Any]) -> Tensor | None:
    """Image k of the job, if the folder holds it and it was sampled with these settings."""
    both = images.load_png(_path(folder, job.seeds[k]), job.shape)
    return both[0] if both and not _differences(_about(job, k, settings), _stated(both[1])) else None


def about_all(job: Job, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a job, with its seeds and classes."""
    return dict(settings) | {"seeds": list(job.seeds)} | ({} if job.labels is None else {"classes": list(job.labels)})


def save_overview(folder: Path, samples: Tensor, job: Job, settings: Mapping[str, Any]) -> None:
    """grid.png, samples.npz and settings.json of the whole job."""
    whole = about_all(job, settings)
    sheet = images.sheet(samples[:GRID_IMAGES])
    images.save_png(folder / GRID, sheet, {"alphabar": json.dumps(whole)}, outputs.GRID)
    images.save_npz(folder / ARRAYS, samples, job.label_tensor())
    write_json(folder / SETTINGS, whole)
