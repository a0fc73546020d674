"""The probability-flow ODE, which has the marginals of the chain, and the likelihood by it.

In x̄ = x/√ᾱ and σ = √((1 − ᾱ)/ᾱ) it is dx̄/dσ = ε̂(x, t(σ)) (Song et al. 2021, §4.3; DDIM Eq. 14). Along it
d log p̄(x̄)/dσ = −∇·ε̂, with the divergence taken in x̄. The ODE solver is passed in by the caller.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.parameterization import x0_to_eps
from alphabar.diffusion.process import per_image
from alphabar.diffusion.schedule import NoiseSchedule

FlowState = tuple[Tensor, Tensor]
"""(x̄ (B, ...), the integral ∫ ∇·ε̂ dσ up to now (B,))."""

Integrate = Callable[[Callable[[float | Tensor, FlowState], FlowState], FlowState, tuple[float, float]], FlowState]
"""An ODE solver: (function (σ, state) -> d state/dσ, the state at σ_1, (σ_1, σ_T)) -> the state at σ_T.

It may ask for the derivative at one σ for all images, or at a σ (B,) of each.
"""


def check_has_flow(denoiser: Denoiser) -> None:
    """Raises DiffusionError for a denoiser whose likelihood cannot be computed by the flow."""
    if denoiser.parameterization.name == "mu":
        raise DiffusionError(
            "The probability flow calls the network between timesteps, where the parameterization 'mu' is undefined; "
            "use a model with 'eps', 'x0' or 'v'."
        )
    flow_ends(denoiser.schedule)


def flow_ends(schedule: NoiseSchedule) -> tuple[float, float]:
    """(σ_1, σ_T) of the chain, respaced or not; raises DiffusionError if σ_T is infinite."""
    if schedule.ends_in_pure_noise:
        raise DiffusionError("This schedule ends at ᾱ_T = 0, where σ = √((1 − ᾱ)/ᾱ) is infinite: its flow has no end.")
    sigma = (-schedule.half_log_snr).exp()
    return float(sigma[1]), float(sigma[-1])


def flow_time(schedule: NoiseSchedule, sigma: float | Tensor) -> Tensor:
    """The fractional time t(σ) of the network's chain, linear in log σ between its rows; 1 and T beyond its ends.

    sigma: a number, or (B,); float64 of the same shape is returned.
    """
    chain = schedule.full or schedule
    log_sigma, steps = -chain.half_log_snr[1:], chain.timesteps[1:].double()
    level = torch.as_tensor(sigma, dtype=torch.float64, device=log_sigma.device).log()
    if chain.T == 1:
        return steps[0].expand(level.shape)
    row = torch.searchsorted(log_sigma, level).clamp(1, chain.T - 1)
    fraction = ((level - log_sigma[row - 1]) / (log_sigma[row] - log_sigma[row - 1])).clamp(0, 1)
    return torch.lerp(steps[row - 1], steps[row], fraction)


def flow(denoiser: Denoiser, x_bar: Tensor, sigma: float | Tensor) -> Tensor:
    """dx̄/dσ = ε̂ at x̄ (B, C, H, W) and noise level σ, () or (B,), by one call of the network at a fractional time.

    The network is called in the precision of x̄. The denoiser's x0_transform is applied to x̂_0.
    """
    check_has_flow(denoiser)
    sigma = torch.as_tensor(sigma, dtype=torch.float64).expand(len(x_bar))
    alpha_bar = 1 / (1 + sigma**2)
    # A table of these noise levels and times, a row for each image: its ε̂ is computed as at a step of any chain.
    zero = torch.zeros(1, dtype=torch.float64)
    times = flow_time(denoiser.schedule, sigma).cpu()
    table = NoiseSchedule(torch.cat([zero + 1, alpha_bar.cpu()]), torch.cat([zero, times]).to(x_bar.dtype))
    here, t = replace(denoiser, schedule=table), torch.arange(1, len(x_bar) + 1)
    x = x_bar * per_image(alpha_bar.sqrt(), x_bar)
    x0 = here.parameterization.to_x0(table, here.output(x, t).mean, x, t)
    return x0_to_eps(table, x0 if here.x0_transform is None else here.x0_transform(x0), x, t)


def flow_and_divergence(
    denoiser: Denoiser, x_bar: Tensor, sigma: float | Tensor, probes: Tensor
) -> tuple[Tensor, Tensor]:
    """dx̄/dσ, and its divergence (B,) as the mean of z · (∂ε̂/∂x̄) z over the probes z (P, B, C, H, W) (Hutchinson).

    The estimate is unbiased if E[z zᵀ] = I, for example for random signs or N(0, I), sampled once for the whole path.
    It is exact for the probes `every_pixel`.
    """
    with torch.enable_grad():
        x_bar = x_bar.detach().requires_grad_()
        eps = flow(denoiser, x_bar, sigma)
        total = torch.zeros_like(x_bar)
        for z in probes:
            (gradient,) = torch.autograd.grad(eps, x_bar, z, retain_graph=True)
            total += gradient * z
    return eps.detach(), total.flatten(1).sum(1) / len(probes)


def every_pixel(x: Tensor) -> Tensor:
    """The D probes √D e_k for images x (B, ...) of D pixels: the divergence is then exact, by D backward passes."""
    size = x[0].numel()
    basis = math.sqrt(size) * torch.eye(size, dtype=x.dtype, device=x.device)
    return basis.reshape(size, 1, *x.shape[1:]).expand(size, *x.shape)


def flow_log_density(denoiser: Denoiser, x_1: Tensor, probes: Tensor, integrate: Integrate) -> Tensor:
    """log p(x_1) of each image (B,) in nats, where x_1 is the data at the chain's first noise level.

    The flow transports p(x_T) = N(0, I) back to x_1. With D pixels, and log p̄(x̄) = log p(x) + D/2 · log ᾱ:
    log p(x_1) = log N(x_T; 0, I) + D/2 · (log ᾱ_T − log ᾱ_1) + ∫ ∇·ε̂ dσ from σ_1 to σ_T.
    """
    first, last = flow_ends(denoiser.schedule)
    size = x_1[0].numel()

    def derivative(sigma: float | Tensor, state: FlowState) -> FlowState:
        return flow_and_divergence(denoiser, state[0], sigma, probes)

    start = (x_1 * math.sqrt(1 + first**2), x_1.new_zeros(len(x_1)))
    x_bar, integral = integrate(derivative, start, (first, last))
    x_T = x_bar / math.sqrt(1 + last**2)
    log_prior = -0.5 * (x_T.square().flatten(1).sum(1) + size * math.log(2 * math.pi))
    return log_prior + size / 2 * (math.log1p(first**2) - math.log1p(last**2)) + integral
