"""The best timesteps: the table of costs is the bound's own terms, and the chosen chain is the best of all chains."""

import itertools
import math

import pytest
import torch
from gaussian_data import GaussianData

from alphabar.diffusion import (
    PARAMETERIZATIONS,
    SPACINGS,
    VARIANCES,
    X0_TRANSFORMS,
    Denoiser,
    cosine,
    linear,
    spaced,
    variational_bound,
)
from alphabar.diffusion import step_costs as module
from alphabar.diffusion.optimal_steps import best_chains, best_within
from alphabar.diffusion.schedule import NoiseSchedule
from alphabar.diffusion.step_costs import StepCosts, candidates, step_costs
from alphabar.diffusion.variance import analytic

DATA = GaussianData()


def images(count: int = 3, seed: int = 0) -> torch.Tensor:
    """Grey levels of Gaussian data."""
    x = DATA.mean + DATA.std * torch.randn(count, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    return (((x + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1).double()


def noise_like(x0: torch.Tensor, timesteps: torch.Tensor | None = None):
    """t -> ε, by the timestep of the network's own chain; `timesteps` are those of the rows that are asked for."""

    def noise(t: int) -> torch.Tensor:
        timestep = t if timesteps is None else int(timesteps[t])
        return torch.randn(x0.shape, dtype=x0.dtype, generator=torch.Generator().manual_seed(timestep))

    return noise


def imperfect(schedule: NoiseSchedule, variance: str = "learned_range") -> Denoiser:
    """A network with errors that differ between pixels and t, and a variance for each pixel, not always in [−1, 1]."""
    best = DATA.network(schedule, "eps")

    def network(x, time):
        wave = 0.3 * torch.sin(3 * x + time.reshape(-1, 1, 1, 1))
        out = best(x, time) + wave
        if variance == "learned_range":
            return torch.cat([out, 1.2 * torch.cos(5 * x)], 1)
        return torch.cat([out, 3 * wave - 4], 1) if variance == "learned" else out

    made = (
        analytic(torch.linspace(0.001, 0.3, schedule.T + 1, dtype=torch.float64), False)
        if variance == "analytic"
        else VARIANCES[variance]
    )
    return Denoiser(network, schedule, PARAMETERIZATIONS["eps"], made, x0_transform=X0_TRANSFORMS["clip"])


def measured(denoiser: Denoiser, x0: torch.Tensor, rows: list[int]) -> StepCosts:
    return step_costs(denoiser, x0, rows, noise_like(x0))


def bound_of(denoiser: Denoiser, x0: torch.Tensor, rows) -> float:
    """By the package's own bound of the short chain, with the same noise at each timestep."""
    short = denoiser.respaced(rows)
    return float(variational_bound(short, x0, noise=noise_like(x0, short.schedule.timesteps)).total.mean())


def subsets(rows):
    return (chosen for K in range(1, len(rows) + 1) for chosen in itertools.combinations(rows, K))


@pytest.mark.parametrize("variance", [*VARIANCES, "analytic"])
def test_the_costs_add_up_to_the_bound_of_every_respaced_chain(variance: str) -> None:
    denoiser, x0 = imperfect(cosine(6), variance), images()
    costs = measured(denoiser, x0, list(range(1, 7)))
    for rows in subsets(range(1, 7)):
        assert costs.bound(rows) == pytest.approx(bound_of(denoiser, x0, rows), rel=1e-12)


@pytest.mark.parametrize("variance", VARIANCES)
def test_each_entry_is_the_term_of_the_respaced_chain(variance: str) -> None:
    denoiser, x0 = imperfect(linear(1000), variance), images()
    rows = [1, 2, 7, 40, 300, 990]
    costs = measured(denoiser, x0, rows)
    for chosen in ([1, 2, 7, 40, 300, 990], [2, 300], [7], [1, 40, 990]):
        short = denoiser.respaced(chosen)
        vlb = variational_bound(short, x0, noise=noise_like(x0, short.schedule.timesteps))
        places = [rows.index(t) for t in chosen]
        entries = [costs.decoder[places[0], places[min(1, len(places) - 1)]]]
        entries += [costs.steps[i, j] for i, j in itertools.pairwise(places)]
        torch.testing.assert_close(torch.stack(entries), vlb.terms.mean(0), rtol=1e-12, atol=0)
        assert float(costs.prior[places[-1]]) == pytest.approx(float(vlb.prior.mean()), rel=1e-12)


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("schedule", [linear, cosine])
def test_a_decoder_that_is_interpolated_has_the_digits_of_the_exact_one(variance, schedule, monkeypatch) -> None:
    denoiser, x0 = imperfect(schedule(200), variance), images()
    rows = [1, 2, 3, *range(10, 200, 10), 200]
    interpolated = measured(denoiser, x0, rows).decoder
    monkeypatch.setattr(module, "NODES", 1000)
    torch.testing.assert_close(interpolated, measured(denoiser, x0, rows).decoder, rtol=0, atol=2e-6, equal_nan=True)


@pytest.mark.parametrize("variance", ["fixed_small", "fixed_large", "learned_range"])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_subset_of_a_small_chain_has_a_smaller_bound(variance: str, seed: int) -> None:
    denoiser, x0 = imperfect(cosine(9), variance), images(seed=seed)
    costs = measured(denoiser, x0, list(range(1, 10)))
    for K, chain in enumerate(best_chains(costs), 1):
        every = {rows: costs.bound(rows) for rows in itertools.combinations(range(1, 10), K)}
        assert chain.rows == min(every, key=lambda rows: every[rows])
        assert chain.bound == every[chain.rows]


def test_costs_of_any_kind_are_searched_completely() -> None:
    """Random numbers, where a greedy choice would be wrong, and the first two steps must be chosen together."""
    generator = torch.Generator().manual_seed(3)
    for _ in range(20):
        prior, steps, decoder = (torch.rand(shape, generator=generator).double() for shape in (7, (7, 7), (7, 7)))
        steps = steps.masked_fill(torch.ones(7, 7).triu(1) == 0, math.nan)
        decoder = decoder.masked_fill(torch.ones(7, 7).triu() == 0, math.nan)
        costs = StepCosts(tuple(range(3, 24, 3)), prior, steps, decoder)
        for K, chain in enumerate(best_chains(costs), 1):
            assert chain.bound == min(map(costs.bound, itertools.combinations(costs.rows, K)))


@pytest.mark.parametrize("schedule", [linear, cosine])
def test_no_spacing_has_a_smaller_bound_than_the_chosen_steps(schedule) -> None:
    denoiser, x0 = imperfect(schedule(30)), images(1)
    costs = measured(denoiser, x0, list(range(1, 31)))
    best = best_chains(costs)
    for name, steps in itertools.product(SPACINGS, (2, 5, 10, 25, 29)):
        rows = spaced(denoiser.schedule, name, steps)
        assert best[len(rows) - 1].bound <= costs.bound(rows)
    chain = best[9]
    assert bound_of(denoiser, x0, chain.rows) == pytest.approx(chain.bound, abs=2e-6)


def exact_step(schedule: NoiseSchedule, s: int, t: int) -> float:
    """E KL of the step from t to s for Gaussian data, an exact mean and β̃_t for the variance, bits: by the
    conditional variances of Gaussians alone."""
    a_s, a_t = schedule.alpha_bar[s].item(), schedule.alpha_bar[t].item()
    posterior = (1 - a_t / a_s) * (1 - a_s) / (1 - a_t)
    marginal = DATA.reverse(a_t, a_s)[2]  # the variance of x_s given x_t alone
    return (marginal / posterior - 1) / 2 / math.log(2)


def test_the_costs_of_gaussian_data_are_those_of_a_formula() -> None:
    """With variance β̃_t, the mean of μ̃_t around its mean has the rest of the variance of x_s given x_t."""
    schedule = linear(100)
    denoiser = Denoiser(DATA.network(schedule, "eps"), schedule, PARAMETERIZATIONS["eps"], VARIANCES["fixed_small"])
    x0 = DATA.mean + DATA.std * torch.randn(1000, 1, 4, 4, generator=torch.Generator().manual_seed(5)).double()
    rows = [1, 10, 30, 60, 100]
    costs = measured(denoiser, x0, rows)
    for i, j in itertools.combinations(range(5), 2):
        assert float(costs.steps[i, j]) == pytest.approx(exact_step(schedule, rows[i], rows[j]), rel=0.03)


def formulas(schedule: NoiseSchedule) -> StepCosts:
    """The expected costs of Gaussian data with an exact mean and fixed_small; the decoder as a density."""
    T = schedule.T
    prior = torch.zeros(T, dtype=torch.float64)
    steps, decoder = (torch.full((T, T), math.nan, dtype=torch.float64) for _ in range(2))
    for j, a_t in enumerate(schedule.alpha_bar.tolist()[1:]):
        mean, variance = DATA.marginal(a_t)
        prior[j] = ((mean**2 + variance) - 1 - math.log(1 - a_t)) / 2 / math.log(2)
        for i, a_s in enumerate(schedule.alpha_bar.tolist()[1 : j + 1]):
            steps[i, j] = exact_step(schedule, i + 1, j + 1)
            width, rest = (1 - a_t / a_s) * (1 - a_s) / (1 - a_t), DATA.reverse(a_s, 1.0)[2]
            decoder[i, j] = (math.log(2 * math.pi * width) + rest / width) / 2 / math.log(2)
        decoder[j, j] = (math.log(2 * math.pi * (1 - a_t)) + DATA.reverse(a_t, 1.0)[2] / (1 - a_t)) / 2 / math.log(2)
    return StepCosts(tuple(range(1, T + 1)), prior, steps, decoder)


@pytest.mark.parametrize("schedule", [linear, cosine])
def test_more_steps_never_cost_more_and_no_step_is_taken_that_costs_bits(schedule) -> None:
    """β̃_t is too small a variance here: 60 of 60 steps are worse than few, and are not taken though they may be."""
    chains = best_chains(formulas(schedule(60)))
    best = [best_within(chains, K) for K in range(1, 61)]
    assert all(more.bound <= fewer.bound for fewer, more in itertools.pairwise(best))
    assert all(len(chain.rows) <= K for K, chain in enumerate(best, 1))
    assert best[-1].bound < chains[-1].bound - 1 and best[3].bound < best[0].bound - 0.4


@pytest.mark.parametrize("K", [1, 2, 5, 12])
def test_with_the_exact_reverse_process_every_chosen_chain_has_the_exact_likelihood(K: int) -> None:
    """The best isotropic variance makes the chain of Gaussian data exact, whichever steps it has: the bound is the
    entropy of the data in bins of 2/255, and what q(x_T) differs from N(0, I)."""
    schedule, data = linear(40), GaussianData(0.1, 0.2)  # which reaches ±1 at 4.5 standard deviations
    mse = torch.tensor([data.reverse(alpha_bar, 1.0)[2] for alpha_bar in schedule.alpha_bar.tolist()])
    network = data.network(schedule, "eps")
    exact = Denoiser(network, schedule, PARAMETERIZATIONS["eps"], analytic(mse.double(), False))
    x0 = data.mean + data.std * torch.randn(500, 1, 4, 4, generator=torch.Generator().manual_seed(5)).double()
    rows = [1, 2, 5, 8, 12, 16, 20, 24, 28, 32, 36, 40]
    costs = step_costs(exact, x0.clamp(-0.99, 0.99), rows, noise_like(x0))
    chain = best_chains(costs)[K - 1]
    mean, variance = data.marginal(schedule.alpha_bar[chain.rows[-1]].item())
    at_the_end = (mean**2 + variance - 1 - math.log(variance)) / 2
    entropy = math.log(2 * math.pi * math.e * data.std**2) / 2 - math.log(2 / 255)
    assert chain.bound == pytest.approx((entropy + at_the_end) / math.log(2), rel=0.01)


def test_steps_chosen_on_some_images_are_good_for_others() -> None:
    denoiser = imperfect(cosine(40))
    chosen = best_chains(measured(denoiser, images(16, seed=1), list(range(1, 41))))[9].rows
    others = images(16, seed=2)
    bounds = {name: bound_of(denoiser, others, spaced(denoiser.schedule, name, 10)) for name in SPACINGS}
    assert bound_of(denoiser, others, chosen) < min(bounds.values())


@pytest.mark.parametrize("T", [3, 128, 129, 1000, 4000])
def test_the_candidates_are_few_and_in_the_chain(T: int) -> None:
    rows = candidates(cosine(T), 128)
    assert rows == sorted(set(rows)) and rows[0] == 1 and rows[-1] <= T and len(rows) <= 128
    assert rows == list(range(1, T + 1)) or T > 128
    assert len(rows) > 80 or T < 128


def test_a_step_that_was_not_measured_is_a_sentence() -> None:
    costs = measured(imperfect(cosine(6)), images(), [1, 3, 6])
    with pytest.raises(ValueError, match=r"known between the timesteps \(1, 3, 6\); got \[1, 2\]"):
        costs.bound([1, 2])
