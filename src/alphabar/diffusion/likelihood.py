"""The variational bound on −log p_θ(x_0), term by term, in bits per dimension (DDPM Eq. 5; IDDPM Eq. 4–7)."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from alphabar.diffusion.decoder import Decoder, discretized_log_prob
from alphabar.diffusion.denoiser import Denoiser, NetworkOutput, Prediction, p_transition
from alphabar.diffusion.process import Gaussian, Time, q_marginal, q_posterior, q_sample
from alphabar.diffusion.schedule import NoiseSchedule


def vlb_term(denoiser: Denoiser, x0: Tensor, x_t: Tensor, t: Time, decoder: Decoder = discretized_log_prob) -> Tensor:
    """L_{t−1} = KL(q(x_{t−1} | x_t, x_0) ‖ p_θ(x_{t−1} | x_t)), and L_0 = −log p_θ(x_0 | x_1) at t = 1; (B,) bits/dim.

    In float64 from what the network says: where the two Gaussians nearly agree, float32 has no digits of their KL left.
    """
    return term_of(denoiser.schedule, predicted(denoiser, denoiser.output(x_t, t), x_t, t), x0, x_t, t, decoder)


def predicted(denoiser: Denoiser, output: NetworkOutput, x_t: Tensor, t: Time) -> Prediction:
    """What the network's output means, in float64."""
    variance = None if output.variance is None else _double(output.variance)
    return denoiser.interpret(NetworkOutput(_double(output.mean), variance), _double(x_t), t)


def term_of(
    schedule: NoiseSchedule, prediction: Prediction, x0: Tensor, x_t: Tensor, t: Time, decoder: Decoder
) -> Tensor:
    """`vlb_term` of a prediction that stands in float64: (B,) float64."""
    x0, x_t = _double(x0), _double(x_t)
    p = p_transition(schedule, prediction, x_t, t)
    if isinstance(t, int):
        return _bits(-decoder(p, x0) if t == 1 else q_posterior(schedule, x0, x_t, t).kl(p))
    first, kl = (t == 1).to(x0.device), _bits(q_posterior(schedule, x0, x_t, t).kl(p))
    if first.device.type == "cpu" and not bool(first.any()):  # to ask costs nothing here, the decoder most of the time
        return kl
    return torch.where(first, _bits(-decoder(p, x0)), kl)


def prior_term(schedule: NoiseSchedule, x0: Tensor) -> Tensor:
    """L_T = KL(q(x_T | x_0) ‖ N(0, I)), what the chain leaves of the image at its end; (B,) float64, bits/dim."""
    zero = torch.zeros((), dtype=torch.float64)
    return _bits(q_marginal(schedule, _double(x0), schedule.T).kl(Gaussian(zero, zero)))


def _bits(nats: Tensor) -> Tensor:
    """Nats of each element (B, ...) -> bits/dim of each image (B,)."""
    return nats.flatten(1).mean(1) / math.log(2)


def _double(x: Tensor) -> Tensor:
    """`x` in float64; on the CPU where the device knows none (MPS)."""
    return (x.cpu() if x.device.type == "mps" else x).double()


@dataclass(frozen=True, eq=False)
class Term:
    """One step of the bound for each image, (B,) float64.

    vlb: L_{t−1}, bits/dim. x0_mse, eps_mse: mean squared error of x̂_0, and of the ε̂ that goes with it.
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
    """The terms from t = start (T by default) down to 1, one by one, each with one draw of x_t.

    noise: t -> ε like x0, a function of t alone: then the terms from any `start` on are those of the whole run.
    x̂_0 is treated as the denoiser's x0_transform says; published numbers clip it. On a respaced denoiser this is the
    bound of the short chain.
    """
    last = denoiser.schedule.T
    if start is not None and not 1 <= start <= last:
        raise ValueError(f"The terms of the bound must start within 1..{last}, the length of the chain; got {start}.")
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
    """−log₂ p_θ(x_0) ≤ total, per dimension: of B images, by term.

    prior: (B,) L_T. terms: (B, T) by t ascending: column t − 1 is L_{t−1}, so column 0 is the decoder's.
    x0_mse, eps_mse: (B, T), of x̂_0 and ε̂ at t = column + 1.
    """

    prior: Tensor
    terms: Tensor
    x0_mse: Tensor
    eps_mse: Tensor

    @property
    def total(self) -> Tensor:
        """rate + distortion, (B,) bits/dim."""
        return self.prior + self.terms.sum(1)

    @property
    def rate(self) -> Tensor:
        """What x_T, ..., x_1 cost: the prior and L_1, ..., L_{T−1}; (B,) bits/dim (DDPM §4.3)."""
        return self.prior + self.terms[:, 1:].sum(1)

    @property
    def distortion(self) -> Tensor:
        """What x_0 costs once x_1 is known: L_0, (B,) bits/dim."""
        return self.terms[:, 0]


def bound_of(prior: Tensor, terms: Iterable[Term]) -> VariationalBound:
    """The bound of `prior_term` and all T of the terms, in whatever order; ValueError if one is missing."""
    ascending = sorted(terms, key=lambda term: term.t)
    found = [term.t for term in ascending]
    if not found or found != list(range(1, len(found) + 1)):
        raise ValueError(f"A bound needs each of the terms t = 1..T once; there are t = {found}.")
    columns = ((term.vlb, term.x0_mse, term.eps_mse) for term in ascending)
    return VariationalBound(prior, *(torch.stack(column, dim=1) for column in zip(*columns, strict=True)))


def variational_bound(
    denoiser: Denoiser, x0: Tensor, *, noise: Callable[[int], Tensor], decoder: Decoder = discretized_log_prob
) -> VariationalBound:
    """All of it at once, T passes of the network: see `vlb_terms`, which shows the way."""
    return bound_of(prior_term(denoiser.schedule, x0), vlb_terms(denoiser, x0, noise=noise, decoder=decoder))
