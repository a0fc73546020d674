"""The analytic reverse variance of a run: measured once on its training images, and saved in the run.

RUN/analytic/step-XXXXXXXX-WEIGHTS.json   the error of x̂_0 by timestep, and everything that it depends on
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from alphabar import build, distributed, seeds
from alphabar.data import ImageSet
from alphabar.diffusion import Denoiser, SeededNoise
from alphabar.diffusion.variance import analytic, with_last_noise
from alphabar.diffusion.x0_error import X0Error, mean_x0_error, squared_x0_error, x0_mse_table
from alphabar.errors import AlphabarError
from alphabar.files import read_json, write_json
from alphabar.images import to_signed
from alphabar.progress import progress
from alphabar.runs.model import LoadedModel
from alphabar.runs.run import home
from alphabar.terminal import say

IMAGES = 512
"""Images per timestep: they give the error of x̂_0 to a few percent, and σ_t to half of that."""

VERSION = 2
"""The version of the estimate: raised when other images or noise are used."""

LAST_NOISE = 2 * (2 / 255) * math.sqrt(math.pi / 2)
"""The largest σ_2, at which E|σ_2 ε| is two of the 255 steps of [−1, 1], as in the code of Analytic-DPM."""

DECIDES_X0 = ("steps", "schedule", "parameterization", "time_scale", "x0_transform", "betas")
"""Settings of [diffusion] that x̂_0 depends on, besides the weights."""

ERRORS = "x0_error"


def with_analytic_variance(model: LoadedModel, denoiser: Denoiser) -> Denoiser:
    """The denoiser with the optimal isotropic variance at each timestep that it visits (`variance.analytic`).

    denoiser: the model's, perhaps respaced.
    The error of x̂_0 is measured at the timesteps where it is not known yet, on random training images, conditioned on
    their classes if the network has classes; samples with guidance or without a class use the same variance.
    Of several processes the first one measures; the others wait for its numbers.
    """
    path = home(model.path) / "analytic" / f"step-{model.step:08d}-{model.weights}.json"
    errors = _known_or_measured(path, model, denoiser) if distributed.is_main() else {}
    distributed.barrier()  # a sentence, if the first process failed
    rows = [[timestep, error.value, error.standard_error] for timestep, error in errors.items()]
    everywhere = distributed.gathered(torch.tensor(rows, dtype=torch.float64).reshape(-1, 3)).tolist()
    errors = {int(timestep): X0Error(value, standard_error) for timestep, value, standard_error in everywhere}
    best = analytic(x0_mse_table(errors, denoiser), denoiser.variance.learned)
    return replace(denoiser, variance=with_last_noise(best, LAST_NOISE))


def _known_or_measured(path: Path, model: LoadedModel, denoiser: Denoiser) -> dict[int, X0Error]:
    """The errors by timestep, at least at those that the denoiser visits; new ones are saved, interrupted or not."""
    key = _key(model)
    errors, complaint = _saved(path, key)
    if complaint:
        _say(f"{path} {complaint}; it is measured again.")
    missing = [t for t, timestep in enumerate(denoiser.schedule.timesteps.tolist()) if t and timestep not in errors]
    if not missing:
        return errors
    images = _training_images(model)
    measured: dict[int, X0Error] = {}
    try:
        for timestep, error in _measured(model, denoiser, missing, images):
            measured[timestep] = error  # noqa: PERF403 - what was measured before an interrupt is saved
    finally:
        _save(path, key, measured)
    return errors | measured


def _key(model: LoadedModel) -> dict[str, Any]:
    """Everything that an estimate depends on, apart from its timestep."""
    settings = model.config.diffusion.model_dump(mode="json")
    return {
        "weights_sha256": model.sha256,
        **{name: settings[name] for name in DECIDES_X0 if settings[name] is not None},
        "images_sha256": model.facts.fingerprint or _training_images(model).fingerprint(),  # those of an import: --data
        "images_per_timestep": IMAGES,
        "version": VERSION,
    }


def _training_images(model: LoadedModel) -> ImageSet:
    """The images that the run was trained on; AlphabarError if they are gone, or others now."""
    try:
        images = model.images()
    except AlphabarError as error:
        raise AlphabarError(
            "The variance 'analytic' is measured on the images that the run was trained on, and they are not available "
            f"({str(error).rstrip('.')}); restore them, or choose another variance."
        ) from None
    if model.facts.fingerprint and build.image_facts(images) != model.facts:
        raise AlphabarError(
            f"The variance 'analytic' is measured on the images that the run was trained on, and those in "
            f"{images.source} are others; restore the original ones, or choose another variance."
        )
    return images


def _measured(
    model: LoadedModel, denoiser: Denoiser, rows: Sequence[int], images: ImageSet
) -> Iterator[tuple[int, X0Error]]:
    """(timestep, error of x̂_0) for each of `rows`; it depends on the timestep alone, not on the others or the batch."""
    labels = images.labels if model.config.network.class_conditional else None
    size, device = model.config.sampling.batch_size, model.device
    with progress("analytic variance", len(rows) * IMAGES) as advance:
        for t in rows:
            timestep = int(denoiser.schedule.timesteps[t])
            picks = torch.randint(len(images), (IMAGES,), generator=seeds.generator("x0 error", timestep))
            noise_seeds = [seeds.derived("x0 error", timestep, k) for k in range(IMAGES)]
            errors = []
            for k in range(0, IMAGES, size):
                rows_k = picks[k : k + size]
                x0 = to_signed(images.images[rows_k].to(device)).contiguous(memory_format=torch.channels_last)
                labels_k = None if labels is None else labels[rows_k]
                conditioned = build.told(denoiser, x0, labels_k, model.config.network.low_resolution)
                noise = SeededNoise(noise_seeds[k : k + size])(x0)
                errors.append(squared_x0_error(conditioned, x0, t, noise))
                advance(len(rows_k))
            error = mean_x0_error(torch.cat(errors))
            if not math.isfinite(error.value):
                raise AlphabarError(
                    f"The network's x̂_0 at timestep {timestep} is {error.value}: these weights have diverged; choose "
                    "an earlier checkpoint with --step."
                )
            yield timestep, error


# ---- the file ---------------------------------------------------------------------------------------------------


def _saved(path: Path, key: Mapping[str, Any]) -> tuple[dict[int, X0Error], str | None]:
    """The errors measured before, and a complaint if the file is not usable; then there are no errors."""
    if not path.exists():
        return {}, None
    try:
        content = read_json(path)
        errors = {_timestep(name, key["steps"]): _error(**error) for name, error in content.pop(ERRORS).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}, "cannot be read"
    if other := sorted(name for name in key.keys() | content.keys() if key.get(name) != content.get(name)):
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


def _save(path: Path, key: Mapping[str, Any], measured: Mapping[int, X0Error]) -> None:
    """Add the new errors to the file; another command may have added to it meanwhile."""
    if not measured:
        return
    errors = dict(sorted((_saved(path, key)[0] | dict(measured)).items()))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {**key, ERRORS: {timestep: asdict(error) for timestep, error in errors.items()}})
    except (OSError, AlphabarError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
        _say(f"The measured variance is used, but cannot be saved in {path.parent} for the next time: {reason}.")


def _say(sentence: str) -> None:
    say(sentence, error=True)
