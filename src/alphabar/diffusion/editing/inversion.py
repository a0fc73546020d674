"""Inversion of DDIM's deterministic map: from an image to the noise that DDIM turns into it (DDIM §5.4, made exact)."""

from collections.abc import Iterator

import torch
from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.editing.levels import check_level
from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.process import per_image
from alphabar.diffusion.samplers.sampler import Step


def encode(denoiser: Denoiser, x0: Tensor, *, stop: int | None = None, iterations: int = 3) -> Iterator[Step]:
    """Yields the states x_1, x_2, ..., x_stop (x_T by default) from which DDIM with η = 0 returns to x_0.

    Each x_t solves x_{t−1} = DDIM(x_t) by a fixed-point iteration. With c = √(ᾱ_t/ᾱ_{t−1}) the equation is
    x_t = c x_{t−1} + (√(1 − ᾱ_t) − c √(1 − ᾱ_{t−1})) ε̂(x_t, t). The network is called at the levels t = 1..stop, at
    which decoding calls it too, and never at t = 0. `reverse_process(DDIM(0.0), denoiser, x_t, start=t, noise=...)`
    decodes, with a denoiser of the same rows.

    x0: (B, C, H, W) in [−1, 1].
    iterations: network calls per step. With 1 this is the usual explicit inversion, which uses ε̂(x_{t−1}, t) for
        ε̂(x_t, t) and has an error of first order in the step size. Each further iteration gains about one order, unless
        the steps are so few and large that the iteration does not contract. ‖decoded − x_0‖/‖x_0‖ with 1, 2, 3, 5
        iterations is 2.7, 0.4, 0.15, 0.02 % for a mixture of two Gaussians (linear, 100 of 1000 steps), and 9, 1.0,
        0.44, 0.19 % for a small U-Net on Fashion-MNIST (linear, 50 of 1000).

    Raises ValueError for a denoiser with an x0_transform, because clipping cannot be inverted. Remove the transform
    from the denoisers that encode and decode.
    """
    stop = denoiser.schedule.T if stop is None else stop
    check_level(denoiser.schedule, stop, "stop")
    if iterations < 1:
        raise DiffusionError(f"Each step needs at least one iteration; got {iterations}.")
    if denoiser.x0_transform is not None:
        raise DiffusionError(
            "Encoding needs a denoiser without an x0_transform, because clipping has no inverse; use "
            "dataclasses.replace(denoiser, x0_transform=None), for decoding too."
        )
    if float(denoiser.schedule.alpha_bar[1]) == 0:
        raise DiffusionError("This chain is a single step to ᾱ_1 = 0, where x_1 has no information on the image.")
    return _encoded(denoiser, x0, stop, iterations)


def _encoded(denoiser: Denoiser, x: Tensor, stop: int, iterations: int) -> Iterator[Step]:
    for t in range(1, stop + 1):
        with torch.no_grad():
            step = _up(denoiser, x, t, iterations)
        yield step
        x = step.x


def _up(denoiser: Denoiser, x_prev: Tensor, t: int, iterations: int) -> Step:
    """The solution x_t of DDIM(x_t) = x_{t−1}.

    With √ᾱ = cos φ, DDIM is a rotation by δ = φ_t − φ_{t−1}: x_{t−1} = cos δ x_t − sin δ v̂, where
    v̂ = √ᾱ_t ε̂ − √(1 − ᾱ_t) x̂_0 (Salimans & Ho 2022, App. D). After an explicit first step, the equivalent equation
    x_t = (x_{t−1} + sin δ v̂(x_t)) / cos δ is iterated. The iteration in ε̂ would stall where ᾱ_t ≪ ᾱ_{t−1}, as in the
    last steps of the cosine schedule and at ᾱ_T = 0.
    """
    signal, width = denoiser.schedule.signal, denoiser.schedule.width
    ratio = signal[t] / signal[t - 1]
    prediction = denoiser(x_prev, t)
    x = per_image(ratio, x_prev) * x_prev + per_image(width[t] - ratio * width[t - 1], x_prev) * prediction.eps
    cosine = signal[t] * signal[t - 1] + width[t] * width[t - 1]
    sine = width[t] * signal[t - 1] - signal[t] * width[t - 1]
    for _ in range(iterations - 1):
        prediction = denoiser(x, t)
        v = per_image(signal[t], x) * prediction.eps - per_image(width[t], x) * prediction.x0
        x = (x_prev + per_image(sine, x) * v) / per_image(cosine, x)
    return Step(t, x, prediction.x0)
