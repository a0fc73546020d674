"""The learned density of t: without bias, near the density of least variance, the same after a resume."""

import copy

import pytest
import torch

from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.learned_timesteps import LearnedTimesteps

CPU = torch.device("cpu")


def terms(T: int) -> torch.Tensor:
    """Losses (T,) like those of a likelihood model: nearly all of the bound on a third of the chain."""
    s = torch.arange(1, T + 1, dtype=torch.float64) / T
    return torch.sigmoid(-20 * (s - 0.3)) + 0.02


def trained(T: int, updates: int, batch: int = 64) -> LearnedTimesteps:
    """A density that has seen losses which scatter by half around `terms`."""
    torch.manual_seed(0)
    sampler = LearnedTimesteps(T)
    for _ in range(updates):
        t, _ = sampler.sample(batch, CPU)
        sampler.update(t, terms(T)[t - 1] * (1 + 0.5 * torch.randn(batch, dtype=torch.float64)))
    return sampler


def test_p_is_a_density_that_begins_nearly_uniform_and_bounds_the_weights():
    for T in (1, 2, 10, 4000):
        p = LearnedTimesteps(T).p()
        torch.testing.assert_close(p.sum(), torch.ones((), dtype=torch.float64))
        assert float((p * T - 1).abs().max()) < 0.25
    p = trained(200, 400).p()
    torch.testing.assert_close(p.sum(), torch.ones((), dtype=torch.float64))
    assert float((1 / (200 * p)).max()) < 10


def test_the_weighted_loss_keeps_its_mean():
    sampler, loss = trained(200, 300), terms(200)
    p = sampler.p()
    torch.testing.assert_close((p * loss / (200 * p)).sum(), loss.mean())
    torch.manual_seed(1)
    draws = [sampler.sample(32, CPU) for _ in range(4000)]
    means = torch.stack([(loss[t - 1] * weight).mean() for t, weight in draws])
    assert float((means.mean() - loss.mean()).abs()) < 4 * float(means.std()) / len(means) ** 0.5


def test_the_second_moment_comes_near_the_least_that_a_density_with_these_weights_has():
    """Σ L²/p is least for p ∝ √E[L²] (Cauchy-Schwarz); the mixture with the uniform density costs a little."""
    T = 400
    sampler, size = trained(T, 1500), terms(T)
    best = 0.9 * size / size.sum() + 0.1 / T
    moment, least, uniform = (
        (size.square() / p).sum() / T**2 for p in (sampler.p(), best, torch.full_like(size, 1 / T))
    )
    assert float(least) < 0.5 * float(uniform)
    assert float(moment) < 1.03 * float(least)


def test_a_chain_of_4000_steps_needs_no_more_losses_than_a_short_one():
    """The importance sampler of IDDPM needs ten losses of each t before it begins; this one has 19,200 in all."""
    size = terms(4000)
    p = trained(4000, 300).p()
    assert float((size.square() / p).sum()) < 0.6 * float((size.square() * 4000).sum())


def test_a_resumed_density_goes_on_as_if_nothing_had_happened():
    torch.manual_seed(3)
    first = trained(50, 20)
    second = LearnedTimesteps(50)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    t, loss = torch.arange(1, 33), torch.rand(32)
    for sampler in (first, second):
        sampler.update(t, loss)
    assert all(torch.equal(first.state_dict()[name], second.state_dict()[name]) for name in first.state_dict())


def test_losses_that_are_not_finite_teach_nothing():
    some, all_of_them = trained(50, 20), trained(50, 20)
    reference = copy.deepcopy(some)
    t, loss = torch.tensor([1, 9, 30]), torch.tensor([0.5, float("nan"), 0.25])
    some.update(t, loss)
    reference.update(t[[0, 2]], loss[[0, 2]])
    torch.testing.assert_close(some.scale, reference.scale)
    assert bool(some.values.isfinite().all())
    before = copy.deepcopy(all_of_them.state_dict())
    all_of_them.update(t, torch.full((3,), float("inf")))
    assert all(torch.equal(all_of_them.state_dict()[name], value) for name, value in before.items())


def test_a_checkpoint_of_another_size_is_refused():
    state = LearnedTimesteps(50).state_dict()
    with pytest.raises(DiffusionError, match="another size"):
        LearnedTimesteps(50).load_state_dict({**state, "values": state["values"][:, :4]})
