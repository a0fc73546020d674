"""What training minimises."""

from dataclasses import dataclass

from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.process import Time, q_sample

OBJECTIVES = ("simple",)


@dataclass(frozen=True)
class Objective:
    """The loss by name.

    simple: ‖target − output‖², mean over the pixels; for eps this is L_simple, DDPM Eq. 14.
    """

    kind: str = "simple"

    def __post_init__(self) -> None:
        if self.kind not in OBJECTIVES:
            raise ValueError(f"There is no objective '{self.kind}'; choose one of: {', '.join(OBJECTIVES)}.")


def training_loss(denoiser: Denoiser, objective: Objective, x0: Tensor, t: Time, eps: Tensor) -> dict[str, Tensor]:
    """The loss of each image, (B,), under "loss", and its parts under their own names, in float32 or better.

    x0, eps: (B, C, H, W), refused in half precision, where no σ_t is left at small t; t: (B,) int64 in 1..T.
    """
    if x0.dtype.itemsize < 4 or eps.dtype.itemsize < 4:
        raise ValueError(f"Images and noise must be float32 or float64; they are {x0.dtype} and {eps.dtype}.")
    output = denoiser.output(q_sample(denoiser.schedule, x0, t, eps), t)
    mse = (denoiser.target(x0, eps, t) - output.mean).square().flatten(1).mean(1)
    return {"loss": mse, "mse": mse}
