"""Ways to mix two noisy images (B, ...): (a, b, λ) -> the mixture, exactly a at λ = 0 and exactly b at λ = 1."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from alphabar.diffusion.process import per_image

Mix = Callable[[Tensor, Tensor, float], Tensor]


def linear(a: Tensor, b: Tensor, weight: float) -> Tensor:
    """(1 − λ) a + λ b, DDPM §4.4.

    Of independent noise it keeps (1 − λ)² + λ² of the variance, half of it at λ = ½: less than the network expects at
    that level. Encoded x_T mixed so come out as a dull mean of everything; take one of the other two for them.
    """
    return (1 - weight) * a + weight * b


def variance_preserving(a: Tensor, b: Tensor, weight: float) -> Tensor:
    """((1 − λ) a + λ b) / √((1 − λ)² + λ²): the variance of independent noise stays 1.

    What the two have in common grows instead, up to √2 times at λ = ½.
    """
    return linear(a, b, weight) / math.hypot(1 - weight, weight)


def spherical(a: Tensor, b: Tensor, weight: float) -> Tensor:
    """(sin((1 − λ)θ) a + sin(λθ) b) / sin θ, θ the angle between the two images (slerp; DDIM, App. D.5).

    It keeps the norm of two of equal norm, whether they have something in common or not. Linear where θ is 0 or π.
    """
    cosine = torch.cosine_similarity(a.flatten(1), b.flatten(1), dim=1).clamp(-1, 1)
    angle, flat = cosine.acos(), 1 - cosine**2 < 1e-8
    sine = torch.where(flat, torch.ones_like(angle), angle.sin())

    def share(weight: float) -> Tensor:
        return per_image(torch.where(flat, torch.full_like(angle, weight), (weight * angle).sin() / sine), a)

    return share(1 - weight) * a + share(weight) * b


MIXES: dict[str, Mix] = {"linear": linear, "variance_preserving": variance_preserving, "spherical": spherical}
