"""The training objectives (DDPM §3.4; IDDPM §3.1)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from alphabar.diffusion.decoder import DECODERS
from alphabar.diffusion.denoiser import Denoiser, NetworkOutput
from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.likelihood import predicted, term_of
from alphabar.diffusion.process import Time, q_sample
from alphabar.diffusion.variance import ReverseVariance

OBJECTIVES = ("simple", "vlb", "hybrid")


@dataclass(frozen=True)
class Objective:
    """A training objective: the loss of each image. `kind` is one of OBJECTIVES.

    simple: the mean over the pixels of (target − output)². For eps this is L_simple, DDPM Eq. 14.
    vlb: the bound, estimated by one of its T terms at a random t: vlb_weight · T · L_{t−1}, bits/dim.
    hybrid: simple + vlb_weight · T · L_{t−1}, IDDPM Eq. 16. The second part has a stop-gradient on the mean, so it
        trains only the variance.

    vlb_weight: the weight λ of the whole bound; by default 0.001 for hybrid and 1 for vlb. In improved-diffusion's
        terms, for hybrid 0.001 is RESCALED_MSE and 1/T is MSE; for vlb 1 is RESCALED_KL and 1/T is KL.
    weighting: the weighting of the squared error over t, a key of WEIGHTINGS.
    min_snr_gamma, p2_gamma, p2_k: parameters of the weightings, see WEIGHTINGS.
    decoder: the decoder of L_0, a key of DECODERS.
    """

    kind: str = "simple"
    vlb_weight: float | None = None
    weighting: str = "none"
    min_snr_gamma: float = 5.0
    p2_gamma: float = 1.0
    p2_k: float = 1.0
    decoder: str = "exact"

    def __post_init__(self) -> None:
        choices = (("objective", self.kind, OBJECTIVES), ("weighting", self.weighting, WEIGHTINGS))
        for what, name, names in (*choices, ("decoder", self.decoder, DECODERS)):
            if name not in names:
                raise DiffusionError(f"There is no {what} '{name}'; choose one of: {', '.join(names)}.")
        if self.kind == "simple" and self.vlb_weight is not None:
            raise DiffusionError(
                "The objective 'simple' does not use the bound; leave vlb_weight out, or use 'hybrid'."
            )
        if self.kind == "vlb" and self.weighting != "none":
            raise DiffusionError(
                f"The objective 'vlb' has no squared error to weight by '{self.weighting}'; use 'none'."
            )
        positive = {"vlb_weight": self.bound_weight, "min_snr_gamma": self.min_snr_gamma, "p2_k": self.p2_k}
        for name, value in positive.items():
            if not 0 < value < math.inf:
                raise DiffusionError(f"{name} must be positive; got {value:g}.")
        if not 0 <= self.p2_gamma < math.inf:
            raise DiffusionError(f"p2_gamma must not be negative; got {self.p2_gamma:g}.")

    @property
    def bound_weight(self) -> float:
        """The weight λ of the bound: `vlb_weight`, or its default."""
        return self.vlb_weight if self.vlb_weight is not None else 0.001 if self.kind == "hybrid" else 1.0

    def check_fits(self, variance: ReverseVariance) -> None:
        """Raises ValueError if this objective cannot train a network with this reverse variance."""
        if self.kind == "simple" and variance.learned:
            raise DiffusionError(
                f"The objective 'simple' does not use the variance, so '{variance.name}' would never be learned; "
                "use the objective 'hybrid', or a fixed variance."
            )
        if self.kind == "hybrid" and not variance.learned:
            raise DiffusionError(
                f"The objective 'hybrid' trains only the variance by the bound, and '{variance.name}' has nothing to "
                "learn; use the objective 'simple', or the variance 'learned_range'."
            )


WEIGHTINGS: dict[str, Callable[[Objective, Tensor], Tensor] | None] = {
    "none": None,
    "min_snr": lambda objective, snr: snr.clamp(max=objective.min_snr_gamma),
    "p2": lambda objective, snr: snr / (objective.p2_k + snr) ** objective.p2_gamma,
}
"""(objective, SNR_t = ᾱ_t / (1 − ᾱ_t)) -> the weight of (x_0 − x̂_0)², for every parameterization.

min_snr: min(SNR, γ), Hang et al. 2023 (γ = 5). p2: SNR / (k + SNR)^γ, that is 1 / (k + SNR)^γ for ε, Choi et al. 2022
(k = γ = 1). none: the unweighted squared error of the network's output.
"""


def output_weight(denoiser: Denoiser, objective: Objective, t: Time) -> Tensor:
    """The weight of (target − output)² at step t, float64: that of (x_0 − x̂_0)² times (∂x̂_0/∂output)²."""
    alpha_bar = denoiser.schedule.alpha_bar[t]
    weight = WEIGHTINGS[objective.weighting]
    if weight is None:
        return torch.ones_like(alpha_bar)
    return weight(objective, alpha_bar / (1 - alpha_bar)) * denoiser.x0_slope(t) ** 2


def training_loss(denoiser: Denoiser, objective: Objective, x0: Tensor, t: Time, eps: Tensor) -> dict[str, Tensor]:
    """The loss of each image as "loss" (B,), and its unweighted parts, in float32 or float64.

    "mse": the squared error of the output. "vlb" (not for simple): T · L_{t−1} in bits/dim, an estimate of the bound
    without its prior term, computed from the output without clipping.

    x0, eps: (B, C, H, W) in float32 or float64, because half precision would round σ_t to 0 at small t.
    t: (B,) int64 in 1..T.
    """
    if x0.dtype.itemsize < 4 or eps.dtype.itemsize < 4:
        raise DiffusionError(f"Images and noise must be float32 or float64; got {x0.dtype} and {eps.dtype}.")
    objective.check_fits(denoiser.variance)
    x_t = q_sample(denoiser.schedule, x0, t, eps)
    output = denoiser.output(x_t, t)
    mse = (denoiser.target(x0, eps, t) - output.mean).square().flatten(1).mean(1)
    simple = output_weight(denoiser, objective, t).to(mse) * mse
    if objective.kind == "simple":
        return {"loss": simple, "mse": mse}
    judged = NetworkOutput(output.mean.detach(), output.variance) if objective.kind == "hybrid" else output
    prediction = predicted(replace(denoiser, x0_transform=None), judged, x_t, t)
    term = term_of(denoiser.schedule, prediction, x0, x_t, t, DECODERS[objective.decoder])
    vlb = (denoiser.schedule.T * term).to(mse)
    loss = objective.bound_weight * vlb
    return {"loss": simple + loss if objective.kind == "hybrid" else loss, "mse": mse, "vlb": vlb}
