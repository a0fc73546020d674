"""The denoiser: a network with the schedule, parameterization and reverse variance that interpret its output."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import torch
from torch import Tensor

from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.parameterization import Parameterization, x0_to_eps
from alphabar.diffusion.process import Gaussian, Time, mu_tilde
from alphabar.diffusion.schedule import NoiseSchedule
from alphabar.diffusion.thresholding import X0Transform
from alphabar.diffusion.variance import ReverseVariance

Network = Callable[..., Tensor]
"""(x_t (B, C, H, W), time (B,)[, y (B,)][, augmentation (B, n)][, low_res (B, C, h, w)]) -> (B, C, H, W), or
(B, 2C, H, W) if the variance is learned."""


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """The output of a network call: the half for the parameterization, and that for a learned variance (or None)."""

    mean: Tensor
    variance: Tensor | None


@dataclass(frozen=True, eq=False)
class Prediction:
    """The prediction of a denoiser at x_t: x̂_0, the ε̂ that corresponds to it, and log σ_t² of the reverse step."""

    x0: Tensor
    log_var: Tensor
    schedule: NoiseSchedule = field(repr=False)
    x_t: Tensor = field(repr=False)
    t: Time

    @cached_property
    def eps(self) -> Tensor:
        """ε̂ = (x_t − √ᾱ_t x̂_0) / √(1 − ᾱ_t); only some samplers read it."""
        return x0_to_eps(self.schedule, self.x0, self.x_t, self.t)


@dataclass(frozen=True, eq=False)
class Denoiser:
    """A network whose output is interpreted by a schedule, a parameterization and a reverse variance.

    Any part can be exchanged with `dataclasses.replace`: EMA weights, another schedule, another clipping.

    time_scale: factor of the step that is passed to the network (1000/T for improved-diffusion's rescaled time).
    x0_transform: applied to x̂_0 when sampling; training uses the output itself.
    """

    network: Network = field(repr=False)
    schedule: NoiseSchedule = field(repr=False)
    parameterization: Parameterization
    variance: ReverseVariance
    time_scale: float = 1.0
    x0_transform: X0Transform | None = None

    def __post_init__(self) -> None:
        if self.parameterization.name == "eps" and self.schedule.ends_in_pure_noise:
            raise DiffusionError(
                "This schedule ends at ᾱ_T = 0, where the parameterization 'eps' does not determine x_0; "
                "choose 'x0' or 'v'."
            )

    @cached_property
    def times(self) -> Tensor:
        """The time that the network is given at each step of the chain, (T+1,); networks count steps from 0."""
        return (self.schedule.timesteps - 1) * self.time_scale

    def __call__(self, x_t: Tensor, t: Time) -> Prediction:
        """The prediction at x_t (B, C, H, W) and step t in 1..T of this denoiser's (possibly respaced) chain."""
        return self.interpret(self.output(x_t, t), x_t, t)

    def output(self, x_t: Tensor, t: Time) -> NetworkOutput:
        """The network's output at x_t, in the precision of x_t. The network is called here and nowhere else."""
        if isinstance(t, int) and not 1 <= t <= self.schedule.T:
            raise DiffusionError(f"t must lie in 1..{self.schedule.T}, the length of the chain; got {t}.")
        out = self.network(x_t, self.times[t].to(x_t.device).expand(len(x_t))).to(x_t.dtype)
        channels = x_t.shape[1] * (2 if self.variance.learned else 1)
        if out.shape[1] != channels:
            raise DiffusionError(
                f"The network must output {channels} channels for images of {x_t.shape[1]} channels and the reverse "
                f"variance '{self.variance.name}'; it outputs {out.shape[1]}."
            )
        return NetworkOutput(*out.chunk(2, dim=1)) if self.variance.learned else NetworkOutput(out, None)

    def target(self, x0: Tensor, eps: Tensor, t: Time) -> Tensor:
        """The regression target of the network for x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε; (B, C, H, W)."""
        return self.parameterization.target(*self._trained(x0, eps, t))

    def x0_slope(self, t: Time) -> Tensor:
        """∂x̂_0/∂output at step t, which is equal for all pixels; float64, () or (B,)."""
        one = torch.ones_like(self.schedule.alpha_bar[t])
        return self.parameterization.to_x0(*self._trained(one, torch.zeros_like(one), t))

    def interpret(self, output: NetworkOutput, x_t: Tensor, t: Time) -> Prediction:
        """Output -> (x̂_0, ε̂, log σ²). ε̂ always corresponds to the transformed x̂_0."""
        x0 = self.parameterization.to_x0(*self._trained(output.mean, x_t, t))
        if self.x0_transform is not None:
            x0 = self.x0_transform(x0)
        log_var = self.variance.log_var(self.schedule, x_t, t, output.variance)
        return Prediction(x0, log_var, self.schedule, x_t, t)

    def given(self, y: Tensor) -> "Denoiser":
        """The denoiser of p(x | y) for the labels y (B,) int64, which are bound to the network."""
        return replace(self, network=partial(self.network, y=y))

    def augmented(self, augmentation: Tensor) -> "Denoiser":
        """The denoiser of images that were augmented as these labels (B, n) say, which are bound to the network."""
        return replace(self, network=partial(self.network, augmentation=augmentation))

    def beside(self, low_res: Tensor) -> "Denoiser":
        """The denoiser of p(x | small image), an upsampler's, for small images (B, C, h, w), bound to the network."""
        return replace(self, network=partial(self.network, low_res=low_res))

    def respaced(self, rows: Sequence[int]) -> "Denoiser":
        """The denoiser of the chain that visits only `rows`."""
        return replace(self, schedule=self.schedule.respace(rows))

    def to(self, device: torch.device | str) -> "Denoiser":
        """The denoiser with its tables on `device`, for steps t on that device. The network is not moved."""
        return replace(self, schedule=self.schedule.to(device))

    def _trained(self, a: Tensor, b: Tensor, t: Time) -> tuple[NoiseSchedule, Tensor, Tensor, Time]:
        """The arguments (chain, a, b, row of t), in the chain that the network was trained on: μ̃_t depends on it."""
        chain, row = self.schedule.trained(t)
        return chain, a, b, row


def p_transition(schedule: NoiseSchedule, prediction: Prediction, x_t: Tensor, t: Time) -> Gaussian:
    """The reverse step p_θ(x_{t−1} | x_t) = N(μ̃_t(x_t, x̂_0), σ_t² I), DDPM §3.2."""
    return Gaussian(mu_tilde(schedule, prediction.x0, x_t, t), prediction.log_var)
