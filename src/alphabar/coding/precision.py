"""In which precision the chain computes p(x_{t−1} | x_t), and what of it the coder sees.

float32: the means and standard deviations themselves. They repeat on one kind of machine only.
float64: both rounded, as `Rounding` does it. They are equal on all machines whose float64 is.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from alphabar.coding.rounding import OCTAVE, Rounding, power
from alphabar.coding.stack import FLOOR, Floats
from alphabar.diffusion import Gaussian
from alphabar.sampling.pipeline import Pipeline

Precision = Literal["float32", "float64"]
AT_ONCE = 8
"""Images that a network computes at once in float64; more take longer each, because they leave the processor's cache.
Any number gives the same file.
"""
_FINENESS = 32  # means of x_0 are rounded to at most this part of their standard deviation
_FINEST = 2.0**-12  # levels
_LOWEST, _HIGHEST = round(OCTAVE * np.log2(FLOOR)), 64 * OCTAVE


@dataclass(frozen=True, eq=False)
class Exact:
    """p(x_{t−1} | x_t) as it was computed, in float32."""

    dtype = torch.float32

    def __call__(self, p: Gaussian, t: int, unit: float) -> tuple[Floats, Floats]:
        """Mean and standard deviation of each element, in levels of x_0 at t = 1, else in units."""
        mean, std = _flat(p.mean, p), _flat((0.5 * p.log_var.double()).exp(), p)
        return ((mean + 1) * 127.5, std * 127.5) if t == 1 else (mean / unit, std / unit)


@dataclass(frozen=True, eq=False)
class Rounded:
    """p(x_{t−1} | x_t) in float64, its mean rounded to a unit and its standard deviation to a power of 2^(1/OCTAVE)."""

    rounding: Rounding
    dtype = torch.float64

    def __call__(self, p: Gaussian, t: int, unit: float) -> tuple[Floats, Floats]:
        """Like `Exact`. The roundings of a step have the numbers 2t and 2t + 1."""
        scale = 1 / 127.5 if t == 1 else unit
        exponents = (0.5 * p.log_var.double() / np.log(2) - np.log2(scale)).clamp(_LOWEST / OCTAVE, _HIGHEST / OCTAVE)
        rounded = self.rounding.integers(OCTAVE * exponents.cpu().flatten().numpy(), 2 * t)
        k = torch.from_numpy(rounded).reshape(p.log_var.shape).expand(p.mean.shape)
        std = power(_contiguous(k))
        mean = _flat(p.mean, p)
        if t > 1:
            return self.rounding.integers(mean / unit, 2 * t + 1).astype(np.float64), std
        fine = np.ldexp(1 / _FINENESS, _contiguous(k) // OCTAVE).clip(_FINEST, 1)
        return self.rounding.integers((mean + 1) * 127.5 / fine, 2 * t + 1) * fine, std


def doubled(pipeline: Pipeline) -> Pipeline:
    """The pipeline with the network in float64, on the CPU if its device has none."""
    model, denoiser = pipeline.model, pipeline.measured_denoiser
    device = torch.device("cpu") if model.device.type == "mps" else model.device
    assert isinstance(model.denoiser.network, nn.Module)
    network = copy.deepcopy(model.denoiser.network).to(device).double()
    return replace(
        pipeline,
        model=replace(model, device=device),
        section=pipeline.section.model_copy(update={"variance": "model"}),  # an analytic one has been measured
        denoiser=replace(denoiser, network=_in_parts(network)),
    )


def _in_parts(network: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def parts(x: Tensor, time: Tensor, **labels: Tensor) -> Tensor:
        cuts = [slice(k, k + AT_ONCE) for k in range(0, len(x), AT_ONCE)]
        return torch.cat([network(x[c], time[c], **{name: each[c] for name, each in labels.items()}) for c in cuts])

    return parts


def _flat(values: Tensor, p: Gaussian) -> Floats:
    return np.asarray(_contiguous(values.expand(p.mean.shape)), dtype=np.float64)


def _contiguous(values: Tensor) -> Any:
    return values.cpu().contiguous().flatten().numpy()
