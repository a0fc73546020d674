"""The variational bound of images under a model, term by term.

One batch of images after the other; finished terms are saved, so that an interrupted job resumes from them.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from alphabar import build, distributed
from alphabar.diffusion import DECODERS, Denoiser, VariationalBound, vlb_terms
from alphabar.diffusion.likelihood import prior_term
from alphabar.files import atomic_file, digest, write_json
from alphabar.images import Size, to_signed
from alphabar.progress import progress
from alphabar.seeds import generator

SAVE_EVERY = 60.0  # seconds
COLUMNS = ("terms", "x0_mse", "eps_mse")
"""(N, T) float64, by t ascending: column t − 1 is of step t."""


@dataclass(frozen=True)
class BoundJob:
    """Images uint8 (N, C, H, W), a seed for the noise of each, and their labels (N,) if the network has classes.

    low_resolution: (h, w) of the small images, if the network is an upsampler.
    folder: the results are saved there, under a name made from `key`: everything that they depend on.
    """

    images: Tensor
    seeds: tuple[int, ...]
    labels: Tensor | None
    decoder: str
    batch_size: int
    folder: Path
    key: Mapping[str, Any]
    low_resolution: Size | None = None

    def told(self, denoiser: Denoiser, x0: Tensor, rows: slice) -> Denoiser:
        """The denoiser of these rows, whose images are x0 (B, C, H, W) on the device of the network."""
        return build.told(denoiser, x0, None if self.labels is None else self.labels[rows], self.low_resolution)

    @property
    def place(self) -> Path:
        """The folder of this job alone."""
        return self.folder / digest(dict(self.key))[:16]


def bound(denoiser: Denoiser, job: BoundJob, device: torch.device) -> VariationalBound:
    """The bound of all images; the processes of a `distributed.session` share the batches, and each returns all."""
    begin(job)
    parts = batches(job)
    share = distributed.mine(parts)
    with progress("bits/dim", sum(rows.stop - rows.start for rows in share)) as advance:
        for rows in share:
            _finish(denoiser, job, rows, device, advance)
    distributed.barrier()
    done = [load_file(batch_path(job, rows)) for rows in parts]
    prior, *columns = (torch.cat([part[name] for part in done]) for name in ("prior", *COLUMNS))
    return VariationalBound(prior, *columns)


def begin(job: BoundJob) -> None:
    """Make the folder of the job, with its key."""
    if distributed.is_main():
        job.place.mkdir(parents=True, exist_ok=True)
        write_json(job.place / "key.json", dict(job.key))
    distributed.barrier()


def batches(job: BoundJob) -> list[slice]:
    """The rows of each batch of images."""
    return [slice(k, min(k + job.batch_size, len(job.images))) for k in range(0, len(job.images), job.batch_size)]


def batch_path(job: BoundJob, rows: slice) -> Path:
    """The file of a batch's results."""
    return job.place / f"{rows.start:08d}-{rows.stop:08d}.safetensors"


def _finish(
    denoiser: Denoiser, job: BoundJob, rows: slice, device: torch.device, advance: Callable[[float], None]
) -> None:
    """Complete the file of one batch, from the last term that it holds."""
    T, size, path = denoiser.schedule.T, rows.stop - rows.start, batch_path(job, rows)
    x0 = to_signed(job.images[rows].to(device)).contiguous(memory_format=torch.channels_last)
    denoiser = job.told(denoiser, x0, rows)
    done = _begun(path, size, T)
    left = int(done["left"])  # the terms t = left..1 are still to come
    done["prior"] = prior_term(denoiser.schedule, x0).cpu()
    advance(size * (T - left) / T)
    if left == 0:
        return
    saved = time.monotonic()
    noise = noise_of(job.seeds[rows], x0)
    for term in vlb_terms(denoiser, x0, start=left, noise=noise, decoder=DECODERS[job.decoder]):
        for name, values in zip(COLUMNS, (term.vlb, term.x0_mse, term.eps_mse), strict=True):
            done[name][:, term.t - 1] = values.cpu()
        done["left"] = torch.tensor(term.t - 1)
        advance(size / T)
        if term.t == 1 or time.monotonic() - saved > SAVE_EVERY:
            with atomic_file(path) as file:
                file.write(save(done))
            saved = time.monotonic()


def _begun(path: Path, size: int, T: int) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError):
        columns = {name: torch.zeros(size, T, dtype=torch.float64) for name in COLUMNS}
        return {"left": torch.tensor(T), **columns}


def noise_of(seeds: tuple[int, ...], like: Tensor) -> Callable[[int], Tensor]:
    """t -> ε: it depends on the seed of an image and on t, not on the batch or an interruption."""

    def noise(t: int) -> Tensor:
        eps = [torch.randn(like.shape[1:], generator=generator(seed, t)) for seed in seeds]
        return torch.stack(eps).to(like)

    return noise
