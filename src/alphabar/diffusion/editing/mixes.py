"""Mixtures of two noisy images (B, ...): functions (a, b, λ) that give exactly a at λ = 0 and exactly b at λ = 1."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from alphabar.diffusion.process import per_image

Mix = Callable[[Tensor, Tensor, float], Tensor]


def linear(a: Tensor, b: Tensor, weight: float) -> Tensor:
    """(1 − λ) a + λ b, DDPM §4.4.

    The mixture of independent noise has the variance (1 − λ)² + λ², which is ½ at λ = ½ and less than the network
    expects. Mixtures of encoded x_T therefore become dull average images; use one of the other two mixes for them.
    """
    return (1 - weight) * a + weight * b


def variance_preserving(a: Tensor, b: Tensor, weight: float) -> Tensor:
    """((1 − λ) a + λ b) / √((1 − λ)² + λ²), which keeps the variance of independent noise at 1.

    In return, content that both images have in common is amplified, by up to √2 at λ = ½.
    """
    return linear(a, b, weight) / math.hypot(1 - weight, weight)


def spherical(a: Tensor, b: Tensor, weight: float) -> Tensor:
    """(sin((1 − λ)θ) a + sin(λθ) b) / sin θ, where θ is the angle between the two images (slerp; DDIM, App. D.5).

    If the two images have equal norms, the mixture has this norm too. Where θ is 0 or π, the mix is linear.
    """
    cosine = torch.cosine_similarity(a.flatten(1), b.flatten(1), dim=1).clamp(-1, 1)
    angle, flat = cosine.acos(), 1 - cosine**2 < 1e-8
    sine = torch.where(flat, torch.ones_like(angle), angle.sin())

    def share(weight: float) -> Tensor:
        return per_image(torch.where(flat, torch.full_like(angle, weight), (weight * angle).sin() / sine), a)

    return share(1 - weight) * a + share(weight) * b


MIXES: dict[str, Mix] = {"linear": linear, "variance_preserving": variance_preserving, "spherical": spherical}
