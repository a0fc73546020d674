"""Steps drawn evenly within each batch: each alone is uniform, together they vary less."""

import pytest
import torch

from alphabar.diffusion.timesteps import Antithetic, Uniform

CPU = torch.device("cpu")


@pytest.mark.parametrize("batch, T", [(8, 100), (7, 100), (64, 1000), (3, 2), (50, 7), (1, 10)])
def test_antithetic_draws_one_step_from_each_part_of_the_chain(batch, T):
    """Point i of B lies in a stratum of its own, so sorted places are 1/B apart up to the width of a step."""
    torch.manual_seed(0)
    for _ in range(20):
        t, weight = Antithetic(T).sample(batch, CPU)
        assert int(t.min()) >= 1 and int(t.max()) <= T and bool((weight == 1).all())
        low = (t.double() - 1).sort().values / T
        grid = torch.arange(batch) / batch
        assert float((low - grid).max()) < 1 / batch and float((low - grid).min()) > -1 / T


@pytest.mark.parametrize("T, batch", [(10, 4), (7, 16)])
def test_each_antithetic_draw_alone_is_uniform(T, batch):
    torch.manual_seed(0)
    rounds = 20_000
    draws = torch.stack([Antithetic(T).sample(batch, CPU)[0] for _ in range(rounds)])
    for position in range(batch):
        seen = torch.bincount(draws[:, position], minlength=T + 1)[1:]
        chi_square = float(((seen - rounds / T) ** 2 / (rounds / T)).sum())
        assert abs(chi_square - (T - 1)) < 5 * (2 * (T - 1)) ** 0.5


def test_antithetic_batches_agree_better_on_a_smooth_loss_and_on_the_same_mean():
    T, batch, rounds = 1000, 32, 4000
    loss = torch.exp(-torch.arange(1, T + 1) / 200).double()

    def means(sampler) -> torch.Tensor:
        torch.manual_seed(0)
        return torch.stack([loss[sampler.sample(batch, CPU)[0] - 1].mean() for _ in range(rounds)])

    even, independent = means(Antithetic(T)), means(Uniform(T))
    assert float(even.std()) < 0.25 * float(independent.std())
    assert float(even.mean()) == pytest.approx(float(loss.mean()), abs=5 * float(even.std()) / rounds**0.5)
