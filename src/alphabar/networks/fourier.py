"""Fourier features of the network's input, by which a network sees differences of a grey level (Kingma et al. 2021)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

GREY_LEVELS = 127.5
"""Grey levels in a unit of x: [−1, 1] holds 255."""


def fourier(x: Tensor, periods: Sequence[float]) -> Tensor:
    """x beside sin and cos of 2π l / p for n periods p in grey levels, l = 127.5 (x + 1); (B, C(1 + 2n), H, W).

    VDM, App. C: a likelihood is mostly decided where the noise is a few grey levels, and convolutions of smooth inputs
    are slow to learn functions that are this steep. Their frequencies are those of 1 and ½ grey levels.
    """
    levels = GREY_LEVELS * (x + 1)
    waves = [wave(levels * (2 * math.pi / period)) for period in periods for wave in (torch.sin, torch.cos)]
    return torch.cat([x, *waves], dim=1)
