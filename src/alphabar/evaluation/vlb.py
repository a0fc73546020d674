"""The variational bound of images under a model, term by term.

One batch of images after the other; finished terms are saved, so that an interrupted job resumes from them.
"""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from alphabar import distributed
from alphabar.diffusion import DECODERS, Denoiser, VariationalBound, vlb_terms
from alphabar.diffusion.likelihood import prior_term
from alphabar.evaluation.bound_job import BoundJob, batch_path, batches, begin, noise_of
from alphabar.files import atomic_file
from alphabar.images import to_signed
from alphabar.terminal.progress import progress

SAVE_EVERY = 60.0  # seconds
COLUMNS = ("terms", "x0_mse", "eps_mse")
"""(N, T) float64, by t ascending: column t − 1 is of step t."""


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
