"""The variational bound on −log p_θ(x_0), term by term, in bits per dimension (DDPM Eq. 5; IDDPM Eq. 4–7)."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from alphabar.diffusion.decoder import Decoder, discretized_log_prob
from alphabar.diffusion.denoiser import Denoiser, NetworkOutput, Prediction, p_transition
from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.process import Gaussian, Time, q_marginal, q_posterior, q_sample
from alphabar.diffusion.schedule import NoiseSchedule


def vlb_term(denoiser: Denoiser, x0: Tensor, x_t: Tensor, t: Time, decoder: Decoder = discretized_log_prob) -> Tensor:
    """L_{t−1} = KL(q(x_{t−1} | x_t, x_0) ‖ p_θ(x_{t−1} | x_t)), and L_0 = −log p_θ(x_0 | x_1) at t = 1; (B,) bits/dim.

    Everything after the network is computed in float64: in float32 the KL of two nearly equal Gaussians has no digits.
    """
    return term_of(denoiser.schedule, predicted(denoiser, denoiser.output(x_t, t), x_t, t), x0, x_t, t, decoder)


def predicted(denoiser: Denoiser, output: NetworkOutput, x_t: Tensor, t: Time) -> Prediction:
    """The denoiser's interpretation of the network's output, in float64."""
    variance = None if output.variance is None else _double(output.variance)
    return denoiser.interpret(NetworkOutput(_double(output.mean), variance), _double(x_t), t)


def term_of(
    schedule: NoiseSchedule, prediction: Prediction, x0: Tensor, x_t: Tensor, t: Time, decoder: Decoder
) -> Tensor:
    """`vlb_term` of a given prediction in float64; (B,) float64, bits/dim."""
    x0, x_t = _double(x0), _double(x_t)
    p = p_transition(schedule, prediction, x_t, t)
    if isinstance(t, int):
        return _bits(-decoder(p, x0) if t == 1 else q_posterior(schedule, x0, x_t, t).kl(p))
    first, kl = (t == 1).to(x0.device), _bits(q_posterior(schedule, x0, x_t, t).kl(p))
    if first.device.type == "cpu" and not bool(first.any()):  # this check is free on a CPU, and the decoder is slow
        return kl
    return torch.where(first, _bits(-decoder(p, x0)), kl)


def prior_term(schedule: NoiseSchedule, x0: Tensor) -> Tensor:
    """L_T = KL(q(x_T | x_0) ‖ N(0, I)), the information on x_0 that x_T still has; (B,) float64, bits/dim."""
    zero = torch.zeros((), dtype=torch.float64)
    return _bits(q_marginal(schedule, _double(x0), schedule.T).kl(Gaussian(zero, zero)))


def _bits(nats: Tensor) -> Tensor:
    """Nats of each element (B, ...) -> bits/dim of each image (B,)."""
    return nats.flatten(1).mean(1) / math.log(2)


def _double(x: Tensor) -> Tensor:
    """`x` in float64, moved to the CPU if its device does not support float64 (MPS)."""
    return (x.cpu() if x.device.type == "mps" else x).double()


@dataclass(frozen=True, eq=False)
class Term:
    """One term of the bound, per image: (B,) float64 each.

    vlb: L_{t−1} in bits/dim. x0_mse, eps_mse: the mean squared errors of x̂_0 and of the corresponding ε̂.
    """

    t: int
    vlb: Tensor
    x0_mse: Tensor
    eps_mse: Tensor


def vlb_terms(
    denoiser: Denoiser,
    x0: Tensor,
    *,
    start: int | None = None,
    noise: Callable[[int], Tensor],
    decoder: Decoder = discretized_log_prob,
) -> Iterator[Term]:
    """Yields the terms from t = start (T by default) down to 1, each estimated with one sample of x_t.

    The denoiser's x0_transform is applied to x̂_0; published numbers clip it. For a respaced denoiser, this is the bound
    of the short chain.

    noise: t -> ε like x0. It must depend on t alone, so that a computation resumed at `start` gives equal terms.
    """
    last = denoiser.schedule.T
    if start is not None and not 1 <= start <= last:
        raise DiffusionError(
            f"The terms of the bound must start within 1..{last}, the length of the chain; got {start}."
        )
    for t in range(start or last, 0, -1):
        with torch.no_grad():
            eps = noise(t)
            x_t = q_sample(denoiser.schedule, x0, t, eps)
            prediction = predicted(denoiser, denoiser.output(x_t, t), x_t, t)
            term = Term(
                t,
                term_of(denoiser.schedule, prediction, x0, x_t, t, decoder),
                (prediction.x0 - _double(x0)).square().flatten(1).mean(1),
                (prediction.eps - _double(eps)).square().flatten(1).mean(1),
            )
        yield term


@dataclass(frozen=True, eq=False)
class VariationalBound:
    """The bound −log₂ p_θ(x_0) ≤ total per dimension, of B images, with its terms.

    prior: (B,) L_T. terms: (B, T), where column t − 1 is L_{t−1}, so column 0 is that of the decoder.
    x0_mse, eps_mse: (B, T), the mean squared errors of x̂_0 and ε̂ at t = column + 1.
    """

    prior: Tensor
    terms: Tensor
    x0_mse: Tensor
    eps_mse: Tensor

    @property
    def total(self) -> Tensor:
        """The bound, rate + distortion; (B,) bits/dim."""
        return self.prior + self.terms.sum(1)

    @property
    def rate(self) -> Tensor:
        """The cost of x_T, ..., x_1: L_T + L_1 + ... + L_{T−1}; (B,) bits/dim (DDPM §4.3)."""
        return self.prior + self.terms[:, 1:].sum(1)

    @property
    def distortion(self) -> Tensor:
        """The cost of x_0 given x_1: L_0; (B,) bits/dim (DDPM §4.3)."""
        return self.terms[:, 0]


def bound_of(prior: Tensor, terms: Iterable[Term]) -> VariationalBound:
    """The bound with the given `prior_term` and all T terms, in any order; raises ValueError if one is missing."""
    ascending = sorted(terms, key=lambda term: term.t)
    steps = [term.t for term in ascending]
    if not steps or steps != list(range(1, len(steps) + 1)):
        raise DiffusionError(f"A bound needs each of the terms t = 1..T once; got t = {steps}.")
    columns = ((term.vlb, term.x0_mse, term.eps_mse) for term in ascending)
    return VariationalBound(prior, *(torch.stack(column, dim=1) for column in zip(*columns, strict=True)))


def variational_bound(
    denoiser: Denoiser, x0: Tensor, *, noise: Callable[[int], Tensor], decoder: Decoder = discretized_log_prob
) -> VariationalBound:
    """The whole bound, by T calls of the network. `vlb_terms` yields its terms one by one."""
    return bound_of(prior_term(denoiser.schedule, x0), vlb_terms(denoiser, x0, noise=noise, decoder=decoder))
