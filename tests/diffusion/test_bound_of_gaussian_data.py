"""The bound on data whose likelihood is known.

For any reverse process, E[bound] = h(x_0) + KL(q(x_T) ‖ N(0, I)) + Σ_t E KL(q(x_{t−1} | x_t) ‖ p(x_{t−1} | x_t)), the
last of t = 1 included. With x_0 ~ N(m, s²) and the best network every distribution in it is a Gaussian and both sides
are closed: so the bound is not only above the entropy, it is above it by a number that we know. Continuous data need a
continuous decoder, the density of p(x_0 | x_1), handed over as any decoder is. The terms are quadratic in (x_0, ε), so
a Gauss–Hermite rule of 3 × 3 nodes takes their expectation exactly; nothing is sampled.

Data on the uint8 grid get the package's own decoder: the best network is then a sum over the grey levels, and the
entropy one over their probabilities.
"""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from diffusion_cases import denoiser, pairs
from gaussian_data import GaussianData

from alphabar.diffusion import (
    DECODERS,
    FIXED_LARGE,
    FIXED_SMALL,
    LEARNED_RANGE,
    PARAMETERIZATIONS,
    SCHEDULES,
    X0,
    Denoiser,
    NoiseSchedule,
    ReverseVariance,
    cosine,
    linear,
    q_sample,
    vlb_terms,
)
from alphabar.diffusion.likelihood import bound_of, prior_term, vlb_term
from covering import covering

DATA = GaussianData()
STEPS = 30
LN2 = math.log(2)
NODES = torch.tensor([-math.sqrt(3), 0, math.sqrt(3)], dtype=torch.float64)
WEIGHTS = torch.tensor([1, 4, 1], dtype=torch.float64) / 6
X_NODES = (DATA.mean + DATA.std * NODES).repeat_interleave(3).reshape(9, 1, 1, 1)
EPS_NODES = NODES.repeat(3).reshape(9, 1, 1, 1)
WEIGHT = WEIGHTS.repeat_interleave(3) * WEIGHTS.repeat(3)
ENTROPY = math.log2(DATA.std * math.sqrt(2 * math.pi * math.e))


def density(p, x0):
    """The decoder of continuous data: log p(x_0 | x_1)."""
    return -0.5 * ((x0 - p.mean) ** 2 * (-p.log_var).exp() + p.log_var + math.log(2 * math.pi))


def expected_terms(d: Denoiser) -> list[float]:
    """E over x_0 and ε of every term, by t ascending, bits."""
    bound = bound_of(prior_term(d.schedule, X_NODES), vlb_terms(d, X_NODES, noise=lambda t: EPS_NODES, decoder=density))
    return [float(WEIGHT @ bound.prior), *(WEIGHT @ bound.terms).tolist()]


def kl(mean: float, variance: float, other: float) -> float:
    """KL(N(mean, variance) ‖ N(0, other)) in bits."""
    ratio = variance / other
    return 0.5 * (ratio - 1 - math.log(ratio) + mean**2 / other) / LN2


def true_variances(schedule: NoiseSchedule) -> list[float]:
    """Var(x_{t−1} | x_t), t = 1..T."""
    a = schedule.alpha_bar.tolist()
    return [DATA.reverse(a[t], a[t - 1])[2] for t in range(1, schedule.T + 1)]


def chosen_variances(variance: ReverseVariance, schedule: NoiseSchedule) -> list[float]:
    """σ_t² of DDPM §3.2, the second posterior's at t = 1."""
    a = schedule.alpha_bar.tolist()
    beta = [1 - a[t] / a[t - 1] for t in range(1, schedule.T + 1)]
    tilde = [b * (1 - a[t]) / (1 - a[t + 1]) for t, b in enumerate(beta)]
    return [tilde[1], *(tilde if variance is FIXED_SMALL else beta)[1:]]


def exact_bound(schedule: NoiseSchedule, variances: list[float]) -> float:
    """Entropy + KL at T + the KL of every reverse step, bits."""
    steps = sum(kl(0, true, chosen) for true, chosen in zip(true_variances(schedule), variances, strict=True))
    return ENTROPY + kl(*DATA.marginal(float(schedule.alpha_bar[-1])), 1.0) + steps


def optimal_range(schedule: NoiseSchedule) -> torch.Tensor:
    """The v whose learned range is the true variance, by t - 1: frac = (log σ² − log β̃)/(log β − log β̃)."""
    a = schedule.alpha_bar.numpy()
    beta = 1 - a[1:] / a[:-1]
    tilde = beta * (1 - a[:-1]) / (1 - a[1:])
    tilde[0] = tilde[1] if schedule.T > 1 else beta[0]
    low, width = np.log(tilde), np.log(beta) - np.log(tilde)
    return torch.from_numpy(2 * (np.log(true_variances(schedule)) - low) / width - 1)


def with_head(schedule: NoiseSchedule, parameterization: str, v: torch.Tensor) -> Denoiser:
    """The best network with a second half of channels v[t − 1], for a chain of its own."""
    best = DATA.network(schedule, parameterization)

    def network(x, time):
        mean = best(x, time)
        return torch.cat([mean, v[time.long()].reshape(-1, 1, 1, 1).expand_as(mean)], dim=1)

    return Denoiser(network, schedule, PARAMETERIZATIONS[parameterization], LEARNED_RANGE)


@covering({"schedule, parameterization": pairs(), "variance": [FIXED_SMALL, FIXED_LARGE]})
def test_the_bound_is_above_the_entropy_by_the_kl_of_every_reverse_step(schedule, parameterization, variance):
    schedule = SCHEDULES[schedule](STEPS)
    d = denoiser(schedule, parameterization, variance, DATA.network(schedule, parameterization))
    bound, exact = sum(expected_terms(d)), exact_bound(schedule, chosen_variances(variance, schedule))
    assert bound == pytest.approx(exact, rel=1e-9) and bound > ENTROPY


@pytest.mark.parametrize("schedule, parameterization", pairs())
def test_with_the_true_variance_the_bound_is_the_entropy_for_any_number_of_steps(schedule, parameterization):
    """Up to what the prior misses of q(x_T): nothing else is left, term by term."""
    schedule = SCHEDULES[schedule](STEPS)
    true = torch.tensor([0.0, *true_variances(schedule)], dtype=torch.float64).log()
    d = denoiser(
        schedule,
        parameterization,
        ReverseVariance("true", False, lambda schedule, x_t, t, raw: true[t]),
        DATA.network(schedule, parameterization),
    )
    missed = kl(*DATA.marginal(float(schedule.alpha_bar[-1])), 1.0)
    assert sum(expected_terms(d)) == pytest.approx(ENTROPY + missed, rel=1e-9)


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
@pytest.mark.parametrize("make", [linear, cosine], ids=lambda s: s.__name__)
def test_the_best_head_of_a_learned_range_reaches_the_entropy(make, parameterization):
    """The true variance lies between β̃_t and β_t (0 ≤ s ≤ 1, DDPM §3.2), so a v in [−1, 1] says it."""
    schedule = make(100)
    v = optimal_range(schedule)
    assert float(v.min()) >= -1 - 1e-9 and float(v.max()) <= 1 + 1e-9
    missed = kl(*DATA.marginal(float(schedule.alpha_bar[-1])), 1.0)
    assert sum(expected_terms(with_head(schedule, parameterization, v))) == pytest.approx(ENTROPY + missed, rel=1e-9)


def test_with_beta_everywhere_the_gap_closes_like_one_over_T():
    """v = 1, that is σ_t² = β_t, at t = 1 too: from above, in first order, and within 1 % from 250 on."""
    lengths = [125, 250, 500, 1000]
    gaps = [sum(expected_terms(with_head(cosine(T), "v", torch.ones(T).double()))) / ENTROPY - 1 for T in lengths]
    order = -float(np.polyfit(np.log(lengths), np.log(gaps), 1)[0])
    assert all(gap > 0 for gap in gaps) and gaps[1] < 0.01 and order == pytest.approx(1, abs=0.15), (gaps, order)


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_a_worse_network_has_a_higher_bound(parameterization):
    schedule = cosine(STEPS)
    best = DATA.network(schedule, parameterization)
    worse = [lambda x, time: best(x, time) + 0.02, lambda x, time: 0.98 * best(x, time)]
    bounds = [sum(expected_terms(denoiser(schedule, parameterization, FIXED_LARGE, f))) for f in (best, *worse)]
    assert bounds[0] < min(bounds[1:])


def test_the_terms_of_a_respaced_chain_are_a_bound_of_their_own():
    """Learned range: its two ends are those of the short chain, so another v is the true variance there."""
    full, rows = cosine(100), [1, 2, 5, 11, 30, 64, 100]
    short, best = full.respace(rows), DATA.network(full, "eps")
    v = torch.zeros(101, dtype=torch.float64)
    v[[t - 1 for t in rows]] = optimal_range(short)

    def network(x, time):
        mean = best(x, time)
        return torch.cat([mean, v[time.long()].reshape(-1, 1, 1, 1).expand_as(mean)], dim=1)

    d = Denoiser(network, full, PARAMETERIZATIONS["eps"], LEARNED_RANGE).respaced(rows)
    missed = kl(*DATA.marginal(float(full.alpha_bar[-1])), 1.0)
    assert sum(expected_terms(d)) == pytest.approx(ENTROPY + missed, rel=1e-9)


@pytest.mark.parametrize("row", [1, 20, 50])
@pytest.mark.parametrize("variance", [FIXED_SMALL, FIXED_LARGE, LEARNED_RANGE], ids=lambda v: v.name)
def test_a_chain_of_one_step(variance, row):
    """L_0 and the prior are all there is; every variance is β_1 there."""
    schedule = cosine(50).respace([row])
    best = DATA.network(cosine(50), "x0")
    d = denoiser(schedule, "x0", variance, best)
    terms = expected_terms(d)
    assert len(terms) == 2
    exact = exact_bound(schedule, [1 - float(schedule.alpha_bar[1])])
    assert sum(terms) == pytest.approx(exact, rel=1e-9)


@dataclass(frozen=True)
class Greys:
    """x_0 ~ N(m, s²) rounded to the uint8 grid, and its best network: a sum over the grey levels."""

    mean: float = 0.3
    std: float = 0.05

    def __post_init__(self) -> None:
        levels = torch.arange(256, dtype=torch.float64) / 127.5 - 1
        edges = torch.cat([levels - 1 / 255, levels[-1:] + 1 / 255])
        mass = torch.special.ndtr((edges - self.mean) / self.std).diff()
        kept = mass > 1e-9
        object.__setattr__(self, "levels", levels[kept])
        object.__setattr__(self, "mass", mass[kept] / mass[kept].sum())

    @property
    def entropy(self) -> float:
        return -float((self.mass * self.mass.log2()).sum())

    def denoiser(self, schedule: NoiseSchedule) -> Denoiser:
        """E[x_0 | x_t], and σ_t² = β_t at every step."""

        def network(x, time):
            a = schedule.alpha_bar[time.long()[0] + 1]
            log_joint = self.mass.log() - (x.reshape(-1, 1) - a.sqrt() * self.levels) ** 2 / (2 * (1 - a))
            mean = (log_joint.softmax(1) @ self.levels).reshape(x.shape)
            return torch.cat([mean, torch.ones_like(mean)], dim=1)

        return Denoiser(network, schedule, X0, LEARNED_RANGE)


def test_the_bits_per_dimension_of_grey_levels_are_above_their_entropy_and_reach_it():
    """With the package's decoders, the expectation over all levels and 24 Gauss–Hermite nodes of the noise."""
    greys = Greys()
    nodes, weights = np.polynomial.hermite_e.hermegauss(24)
    x0 = greys.levels.repeat_interleave(24).reshape(-1, 1, 1, 1)
    eps = torch.from_numpy(nodes).repeat(len(greys.levels)).reshape(-1, 1, 1, 1)
    weight = greys.mass.repeat_interleave(24) * torch.from_numpy(weights / weights.sum()).repeat(len(greys.levels))

    def excess(T: int) -> list[float]:
        """bound / entropy − 1 with each decoder."""
        schedule = cosine(T)
        d = greys.denoiser(schedule)

        def term(t: int, name: str) -> torch.Tensor:
            return weight @ vlb_term(d, x0, q_sample(schedule, x0, t, eps), t, DECODERS[name])

        rate = weight @ prior_term(schedule, x0) + sum(term(t, "exact") for t in range(2, T + 1))
        return [float(rate + term(1, name)) / greys.entropy - 1 for name in DECODERS]

    for coarse, middle, fine in zip(*(excess(T) for T in (50, 200, 800)), strict=True):
        assert coarse > middle > fine > 0 and fine < 0.01, (coarse, middle, fine)
