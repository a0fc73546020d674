"""The analytic reverse variance of a run: measured once on its training images, and saved in the run.

RUN/analytic/step-XXXXXXXX-WEIGHTS.json   the error of x̂_0 by timestep, and everything that it depends on
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import torch

from alphabar import build, distributed, seeds
from alphabar.data import ImageSet
from alphabar.diffusion import Denoiser, SeededNoise
from alphabar.diffusion.variance import analytic, with_last_noise
from alphabar.diffusion.x0_error import X0Error, mean_x0_error, squared_x0_error, x0_mse_table
from alphabar.images import to_signed
from alphabar.runs.model import LoadedModel
from alphabar.sampling.measured import Measurement
from alphabar.terminal.progress import progress

IMAGES = 512
"""Images per timestep: they give the error of x̂_0 to a few percent, and σ_t to half of that."""

VERSION = 2
"""The version of the estimate: raised when other images or noise are used."""

LAST_NOISE = 2 * (2 / 255) * math.sqrt(math.pi / 2)
"""The largest σ_2, at which E|σ_2 ε| is two of the 255 steps of [−1, 1], as in the code of Analytic-DPM."""

ERRORS = "x0_error"


def with_analytic_variance(model: LoadedModel, denoiser: Denoiser) -> Denoiser:
    """The denoiser with the optimal isotropic variance at each timestep that it visits (`variance.analytic`).

    denoiser: the model's, perhaps respaced.
    The error of x̂_0 is measured at the timesteps where it is not known yet, on random training images, conditioned on
    their classes if the network has classes; samples with guidance or without a class use the same variance.
    Of several processes the first one measures; the others wait for its numbers.
    """
    errors = _known_or_measured(_measurement(model), denoiser) if distributed.is_main() else {}
    distributed.barrier()  # a sentence, if the first process failed
    rows = [[timestep, error.value, error.standard_error] for timestep, error in errors.items()]
    everywhere = distributed.gathered(torch.tensor(rows, dtype=torch.float64).reshape(-1, 3)).tolist()
    errors = {int(timestep): X0Error(value, standard_error) for timestep, value, standard_error in everywhere}
    best = analytic(x0_mse_table(errors, denoiser), denoiser.variance.learned)
    return replace(denoiser, variance=with_last_noise(best, LAST_NOISE))


def _measurement(model: LoadedModel) -> Measurement:
    return Measurement(model, "analytic", "The variance 'analytic' is", "another variance")


def _key(measurement: Measurement) -> dict[str, Any]:
    """Everything that an estimate depends on, apart from its timestep."""
    return measurement.key(images_per_timestep=IMAGES, version=VERSION)


def _known_or_measured(measurement: Measurement, denoiser: Denoiser) -> dict[int, X0Error]:
    """The errors by timestep, at least at those that the denoiser visits; new ones are saved, interrupted or not."""
    key = _key(measurement)
    errors = measurement.known(key, ERRORS, partial(_parsed, key["steps"])) or {}
    missing = [t for t, timestep in enumerate(denoiser.schedule.timesteps.tolist()) if t and timestep not in errors]
    if not missing:
        return errors
    images = measurement.images()
    measured: dict[int, X0Error] = {}
    try:
        for timestep, error in _measured(measurement, denoiser, missing, images):
            measured[timestep] = error  # noqa: PERF403 - what was measured before an interrupt is saved
    finally:
        _save(measurement, key, measured)
    return errors | measured


def _measured(
    measurement: Measurement, denoiser: Denoiser, rows: Sequence[int], images: ImageSet
) -> Iterator[tuple[int, X0Error]]:
    """(timestep, error of x̂_0) for each of `rows`; it depends on the timestep alone, not on the others or the batch."""
    model = measurement.model
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
                raise measurement.diverged(f"The network's x̂_0 at timestep {timestep} is {error.value}")
            yield timestep, error


# ---- the file ---------------------------------------------------------------------------------------------------


def _parsed(steps: int, content: Any) -> dict[int, X0Error]:
    return {_timestep(name, steps): _error(**error) for name, error in content.items()}


def _timestep(name: str, steps: int) -> int:
    if not 1 <= int(name) <= steps:
        raise ValueError(f"there is no timestep {name}")
    return int(name)


def _error(value: float, standard_error: float) -> X0Error:
    if not (0 <= value < math.inf and 0 <= standard_error < math.inf):
        raise ValueError(f"{value} ± {standard_error} is no mean square")
    return X0Error(value, standard_error)


def _save(measurement: Measurement, key: Mapping[str, Any], measured: Mapping[int, X0Error]) -> None:
    """Add the new errors to the file; another command may have added to it meanwhile."""
    if not measured:
        return
    known, _ = measurement.kept(key, ERRORS, partial(_parsed, key["steps"]))
    errors = dict(sorted(((known or {}) | dict(measured)).items()))
    rows = {timestep: asdict(error) for timestep, error in errors.items()}
    measurement.keep({**key, ERRORS: rows}, "The measured variance is")
