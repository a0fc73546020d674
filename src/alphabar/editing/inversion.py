"""Images -> the x_T that DDIM turns into them, and back."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from alphabar import images
from alphabar.diffusion import DDIM, Denoiser, reverse_process
from alphabar.diffusion.editing import encode
from alphabar.diffusion.spacing import NOISIEST
from alphabar.editing.edit import denoiser_of, end
from alphabar.editing.pictures import Picture, signed
from alphabar.errors import AlphabarError
from alphabar.sampling.pipeline import Pipeline
from alphabar.terminal.progress import progress

DETERMINISTIC = {"sampler": "ddim", "eta": 0.0, "guidance_scale": 1.0}
"""The settings of [sampling] that encoding and decoding need."""
STEPS = 100
"""The number of steps if none is named."""


@dataclass(frozen=True)
class Encoded:
    """Encoded images: x_T, float32 (N, C, H, W); the images decoded from it, uint8; their relative errors (N,)."""

    latents: Tensor
    decoded: Tensor
    errors: Tensor
    """‖x' − x‖/‖x‖ of each decoded image x', in [−1, 1]."""


def encoded(pipeline: Pipeline, pictures: Sequence[Picture], iterations: int) -> Encoded:
    """The latents of DDIM's deterministic map on the pipeline's grid, and the test of the way back.

    iterations: network calls per step. More calls decode more exactly.
    """
    x0, chain = signed(pipeline, *pictures), pipeline.up_to(noisiest(pipeline))
    latents, denoiser = encode_on(chain, x0, iterations)
    decoded = _decoded(denoiser, latents)
    errors = relative_errors(decoded, x0)
    check_round_trip(float(errors.max()), chain.last_timestep)
    return Encoded(latents.cpu(), images.to_uint8(decoded).cpu(), errors.cpu())


def decoded(pipeline: Pipeline, latents: Tensor) -> Tensor:
    """The images of latents on the pipeline's grid, uint8 (N, C, H, W)."""
    chain = pipeline.up_to(noisiest(pipeline))
    denoiser = replace(denoiser_of(chain, len(latents)), x0_transform=None)
    return images.to_uint8(_decoded(denoiser, latents.to(pipeline.model.device))).cpu()


def encode_on(pipeline: Pipeline, x0: Tensor, iterations: int = 3) -> tuple[Tensor, Denoiser]:
    """x_t of images in [−1, 1] at the end of the pipeline's chain, and the denoiser that decodes them."""
    denoiser = replace(denoiser_of(pipeline, len(x0)), x0_transform=None)
    with progress("encoding", denoiser.schedule.T) as advance:
        return end(encode(denoiser, x0, iterations=iterations), advance), denoiser


def _decoded(denoiser: Denoiser, latents: Tensor) -> Tensor:
    with progress("decoding", denoiser.schedule.T) as advance:
        return end(reverse_process(DDIM(0.0), denoiser, latents, noise=torch.zeros_like), advance)


def noisiest(pipeline: Pipeline) -> int:
    """The last timestep of the pipeline's grid at which σ ≤ 80.

    Beyond it hardly anything of the image is left, and dividing by √ᾱ blows up the network's errors.
    """
    noisy = -pipeline.model.denoiser.schedule.half_log_snr > math.log(NOISIEST)
    rows: list[int] = pipeline.denoiser.schedule.timesteps[1:].tolist()
    return next((row for row in reversed(rows) if not bool(noisy[row])), rows[0])


def relative_errors(decoded: Tensor, x0: Tensor) -> Tensor:
    """‖x' − x‖/‖x‖ of each image, (N,)."""
    error: Tensor = torch.linalg.vector_norm((decoded - x0).flatten(1), dim=1)
    norm: Tensor = torch.linalg.vector_norm(x0.flatten(1), dim=1)
    return error / norm


def check_round_trip(error: float, t: int) -> None:
    """AlphabarError unless an encoded image decodes to something like itself."""
    if not error < 1:
        raise AlphabarError(
            f"Images that were encoded to t = {t} do not decode to themselves (relative error {error:.3g}): at this "
            "noise level too little of the image is left for this network, or there are too few steps; take a smaller "
            "t, or more steps."
        )
