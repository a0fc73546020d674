"""Images whose likelihood is measured: their noise, their batches, and the file of each batch's results."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from alphabar import build, distributed
from alphabar.diffusion import Denoiser
from alphabar.files import atomic_file, digest, write_json
from alphabar.images import Size
from alphabar.seeds import generator
from alphabar.terminal.progress import progress


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


def completed(job: BoundJob, measured: Callable[[slice], dict[str, Tensor]]) -> dict[str, Tensor]:
    """What `measured` says of all images (N,), by name; batches that are on disk from before are not measured again.

    measured: the rows of a batch -> its results. The processes of a `distributed.session` share the batches, and each
    returns all.
    """
    begin(job)
    parts = batches(job)
    share = distributed.mine(parts)
    with progress("bits/dim", sum(rows.stop - rows.start for rows in share)) as advance:
        for rows in share:
            if not _is_there(job, rows):
                with atomic_file(batch_path(job, rows)) as file:
                    file.write(save(measured(rows)))
            advance(rows.stop - rows.start)
    distributed.barrier()
    done = [load_file(batch_path(job, rows)) for rows in parts]
    return {name: torch.cat([part[name] for part in done]) for name in done[0]}


def _is_there(job: BoundJob, rows: slice) -> bool:
    try:
        return all(len(values) == rows.stop - rows.start for values in load_file(batch_path(job, rows)).values())
    except (OSError, SafetensorError):
        return False


def noise_of(seeds: tuple[int, ...], like: Tensor) -> Callable[[int], Tensor]:
    """t -> ε: it depends on the seed of an image and on t, not on the batch or an interruption."""

    def noise(t: int) -> Tensor:
        eps = [torch.randn(like.shape[1:], generator=generator(seed, t)) for seed in seeds]
        return torch.stack(eps).to(like)

    return noise
