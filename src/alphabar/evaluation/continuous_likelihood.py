"""The bound of ever longer chains, for each image at log-SNRs spread evenly between the ends of the run's chain."""

from typing import Any

import torch
from torch import Tensor

from alphabar.diffusion import DECODERS, Denoiser, q_sample
from alphabar.diffusion.continuous_bound import diffusion_term, log_snr_ends
from alphabar.diffusion.likelihood import prior_term, vlb_term
from alphabar.errors import sentences
from alphabar.evaluation.bound_job import BoundJob, completed, noise_of
from alphabar.images import to_signed
from alphabar.seeds import generator

LEVELS = 100
"""Network calls for each image, if no number is given; the terms of t = 1 and t = T come to that."""


def continuous_bits(
    denoiser: Denoiser, job: BoundJob, levels: int, device: torch.device
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """total, prior, rate and distortion (N,) as those of a chain's bound, and the row's entry about the levels."""
    with sentences():
        log_snr_ends(denoiser)
    done = completed(job, lambda rows: _bits(denoiser, job, rows, levels, device))
    rate = done["prior"] + done["diffusion"]
    quantities = {"total": rate + done["distortion"], "prior": done["prior"], "rate": rate}
    return {**quantities, "distortion": done["distortion"]}, {"levels": levels}


def _bits(denoiser: Denoiser, job: BoundJob, rows: slice, levels: int, device: torch.device) -> dict[str, Tensor]:
    x0 = to_signed(job.images[rows].to(device)).contiguous(memory_format=torch.channels_last)
    denoiser, noise = job.told(denoiser, x0, rows), noise_of(job.seeds[rows], x0)
    first, last = log_snr_ends(denoiser)
    places = torch.stack(
        [torch.rand(levels, generator=generator(seed, 0), dtype=torch.float64) for seed in job.seeds[rows]]
    )
    with torch.no_grad():
        x_1 = q_sample(denoiser.schedule, x0, 1, noise(1))
        distortion = vlb_term(denoiser, x0, x_1, 1, DECODERS[job.decoder])
        total = torch.zeros_like(distortion)
        for k in range(levels):
            log_snr = first + (last - first) * (k + places[:, k]) / levels
            total += diffusion_term(denoiser, x0, log_snr, noise(k + 2)) / levels
    parts = {"prior": prior_term(denoiser.schedule, x0), "diffusion": total, "distortion": distortion}
    return {name: values.cpu() for name, values in parts.items()}
