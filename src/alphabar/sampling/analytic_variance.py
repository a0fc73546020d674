"""The analytic reverse variance of a run: measured once on the images that it was trained on, and kept with it.

RUN/analytic/step-XXXXXXXX-WEIGHTS.json   the error of x̂_0 by timestep, and all that it depends on
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from alphabar import build, data, distributed
from alphabar.data import ImageSet
from alphabar.diffusion import (
    Denoiser,
    SeededNoise,
    X0Error,
    analytic,
    mean_x0_error,
    squared_x0_error,
    with_last_noise,
    x0_mse_table,
)
from alphabar.errors import AlphabarError
from alphabar.files import atomic_file
from alphabar.images import to_signed
from alphabar.progress import progress
from alphabar.runs.model import Model
from alphabar.runs.run import home

IMAGES = 512
"""At each timestep: the error of x̂_0 is then known to a few percent, and σ_t to half of that."""

LAST_NOISE = 2 * (2 / 255) * math.sqrt(math.pi / 2)
"""The most that σ_2 may be, E|σ_2 ε| being two of the 255 steps of [−1, 1]: as in the code of Analytic-DPM."""

DECIDES_X0 = ("steps", "schedule", "parameterization", "time_scale", "x0_transform")
"""Settings of [diffusion] that x̂_0 depends on beside the weights."""

ERRORS = "x0_error"


def with_analytic_variance(
    run: Path, model: Model, denoiser: Denoiser, data_root: Path | None, device: torch.device
) -> Denoiser:
    """The denoiser with the best isotropic variance at each timestep that it visits (`diffusion.analytic`), to sample.

    run: the run directory of the model, or a checkpoint in it; denoiser: the model's, perhaps respaced.
    The error of x̂_0 is measured where it is not known yet, on random images of the run's [data], told their classes if
    the network is told classes; guidance and images of no class keep the variance of p(x | y).
    Of several processes the first measures, and the others wait for what it found.
    """
    found = _known_or_measured(_place(run, model), model, denoiser, data_root, device) if distributed.is_main() else {}
    distributed.barrier()  # a sentence, if the first process could not
    rows = [[timestep, error.value, error.standard_error] for timestep, error in found.items()]
    everywhere = distributed.gathered(torch.tensor(rows, dtype=torch.float64).reshape(-1, 3)).tolist()
    errors = {int(timestep): X0Error(value, standard_error) for timestep, value, standard_error in everywhere}
    best = analytic(x0_mse_table(errors, denoiser), denoiser.variance.learned)
    return replace(denoiser, variance=with_last_noise(best, LAST_NOISE))


def _place(run: Path, model: Model) -> Path:
    return home(run) / "analytic" / f"step-{model.step:08d}-{model.weights}.json"


def _known_or_measured(
    path: Path, model: Model, denoiser: Denoiser, data_root: Path | None, device: torch.device
) -> dict[int, X0Error]:
    """By timestep, at least at those that the denoiser visits; what had to be measured is kept, interrupted or not."""
    key = _key(model)
    errors, complaint = _kept(path, key)
    if complaint:
        _say(f"{path} {complaint}; it is measured again.")
    missing = [t for t, timestep in enumerate(denoiser.schedule.timesteps.tolist()) if t and timestep not in errors]
    if not missing:
        return errors
    images = _training_images(model, data_root)
    measured: dict[int, X0Error] = {}
    try:
        for timestep, error in _measured(model, denoiser, missing, images, device):
            measured[timestep] = error  # noqa: PERF403 - what is there at an interrupt is kept
    finally:
        _keep(path, key, measured)
    return errors | measured


def _key(model: Model) -> dict[str, Any]:
    """All that an estimate depends on, but its timestep."""
    settings = model.config.diffusion.model_dump(mode="json")
    return {
        "weights_sha256": model.sha256,
        **{name: settings[name] for name in DECIDES_X0},
        "images_sha256": model.facts.fingerprint,
        "images_per_timestep": IMAGES,
    }


def _training_images(model: Model, data_root: Path | None) -> ImageSet:
    """The images of the run's [data]; AlphabarError if they are gone, or others now."""
    section = model.config.data.model_copy(update={"root": data_root or model.config.data.root})
    try:
        images = data.load(section.name, build.data_options(section))
    except AlphabarError as error:
        raise AlphabarError(
            "The variance 'analytic' is measured on the images that the run was trained on, and they are not there "
            f"({str(error).rstrip('.')}); bring them back, or choose another variance."
        ) from None
    if build.image_facts(images) != model.facts:
        raise AlphabarError(
            f"The variance 'analytic' is measured on the images that the run was trained on, and those in "
            f"{images.source} are others; bring the same ones back, or choose another variance."
        )
    return images


def _measured(
    model: Model, denoiser: Denoiser, rows: Sequence[int], images: ImageSet, device: torch.device
) -> Iterator[tuple[int, X0Error]]:
    """(timestep, error of x̂_0) for each of `rows`; it depends on the timestep alone, not on the others or the batch."""
    labels = images.labels if model.config.network.class_conditional else None
    size = model.config.sampling.batch_size
    with progress("analytic variance", len(rows) * IMAGES) as advance:
        for t in rows:
            timestep = int(denoiser.schedule.timesteps[t])
            chosen = torch.randint(len(images), (IMAGES,), generator=torch.Generator().manual_seed(timestep))
            seeds = range(timestep * IMAGES, (timestep + 1) * IMAGES)
            errors = []
            for k in range(0, IMAGES, size):
                some = chosen[k : k + size]
                x0 = to_signed(images.images[some].to(device)).contiguous(memory_format=torch.channels_last)
                of_these = denoiser if labels is None else denoiser.given(labels[some].to(device))
                errors.append(squared_x0_error(of_these, x0, t, SeededNoise(seeds[k : k + size])(x0)))
                advance(len(some))
            error = mean_x0_error(torch.cat(errors))
            if not math.isfinite(error.value):
                raise AlphabarError(
                    f"What the network makes of an image at timestep {timestep} is {error.value}, no image: these "
                    "weights have diverged; choose an earlier checkpoint with --step."
                )
            yield timestep, error


# ---- the file ---------------------------------------------------------------------------------------------------


def _kept(path: Path, key: Mapping[str, Any]) -> tuple[dict[int, X0Error], str | None]:
    """What was measured before, and what is wrong with it: then it is as if there was nothing."""
    if not path.exists():
        return {}, None
    try:
        found = json.loads(path.read_text())
        errors = {_timestep(name, key["steps"]): _error(**error) for name, error in found.pop(ERRORS).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}, "cannot be read"
    if other := sorted(name for name in key.keys() | found.keys() if key.get(name) != found.get(name)):
        return {}, f"was measured with another {other[0]}"
    return errors, None


def _timestep(name: str, steps: int) -> int:
    if not 1 <= int(name) <= steps:
        raise ValueError(f"there is no timestep {name}")
    return int(name)


def _error(value: float, standard_error: float) -> X0Error:
    if not (0 <= value < math.inf and 0 <= standard_error < math.inf):
        raise ValueError(f"{value} ± {standard_error} is no mean square")
    return X0Error(value, standard_error)


def _keep(path: Path, key: Mapping[str, Any], measured: Mapping[int, X0Error]) -> None:
    """Add to what is there, which another command may have added to meanwhile."""
    if not measured:
        return
    errors = dict(sorted((_kept(path, key)[0] | dict(measured)).items()))
    text = json.dumps({**key, ERRORS: {timestep: asdict(error) for timestep, error in errors.items()}}, indent=1)
    try:
        path.parent.mkdir(exist_ok=True)
        with atomic_file(path) as file:
            file.write(text.encode())
    except (OSError, AlphabarError) as error:
        _say(f"The measured variance is used, but cannot be kept for the next time: {error}")


def _say(sentence: str) -> None:
    Console(stderr=True).print(sentence, highlight=False, soft_wrap=True, markup=False)
