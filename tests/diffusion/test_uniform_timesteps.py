"""How training draws t."""

import pytest
import torch

from alphabar.diffusion import TIMESTEP_SAMPLERS
from alphabar.diffusion.timesteps import Uniform

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", TIMESTEP_SAMPLERS)
@pytest.mark.parametrize("T", [1, 2, 1000])
def test_every_sampler_draws_steps_of_the_chain_with_weights(name, T):
    torch.manual_seed(0)
    sampler = TIMESTEP_SAMPLERS[name](T)
    t, weight = sampler.sample(64, CPU)
    assert t.shape == weight.shape == (64,)
    assert t.dtype == torch.int64 and weight.dtype == torch.float32
    assert int(t.min()) >= 1 and int(t.max()) <= T and bool((weight > 0).all())
    sampler.update(t, torch.ones(64))


@pytest.mark.parametrize("name", TIMESTEP_SAMPLERS)
def test_every_sampler_goes_on_from_its_state(name):
    first, second = TIMESTEP_SAMPLERS[name](50), TIMESTEP_SAMPLERS[name](50)
    for k in range(600):
        first.update(torch.tensor([k % 50 + 1]), torch.tensor([float(k % 7)]))
    second.load_state_dict(first.state_dict())
    torch.manual_seed(1)
    t, weight = first.sample(100, CPU)
    torch.manual_seed(1)
    t_again, weight_again = second.sample(100, CPU)
    assert torch.equal(t, t_again) and torch.equal(weight, weight_again)


@pytest.mark.parametrize("T", [1, 2, 7])
def test_both_ends_are_drawn_and_nothing_beyond(T):
    torch.manual_seed(0)
    t, _ = Uniform(T).sample(2000, CPU)
    assert sorted(set(t.tolist())) == list(range(1, T + 1))


def test_it_is_flat():
    torch.manual_seed(0)
    T, count = 100, 200_000
    t, weight = Uniform(T).sample(count, CPU)
    expected = count / T
    chi_square = float(((torch.bincount(t, minlength=T + 1)[1:] - expected) ** 2 / expected).sum())
    assert abs(chi_square - (T - 1)) < 5 * (2 * (T - 1)) ** 0.5
    assert bool((weight == 1).all())


def test_the_weighted_loss_is_the_mean_over_the_chain():
    torch.manual_seed(0)
    T, count = 20, 100_000
    loss = torch.linspace(0, 1, T) ** 2
    t, weight = Uniform(T).sample(count, CPU)
    assert float((weight * loss[t - 1]).mean()) == pytest.approx(
        float(loss.mean()), abs=5 * float(loss.std()) / count**0.5
    )


def test_the_seed_decides():
    torch.manual_seed(3)
    first, _ = Uniform(1000).sample(50, CPU)
    torch.manual_seed(3)
    assert torch.equal(first, Uniform(1000).sample(50, CPU)[0])
    assert not torch.equal(first, Uniform(1000).sample(50, CPU)[0])
