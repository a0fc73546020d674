"""Importance sampling of t: without bias, sharper where losses differ, the same after a resume and on every rank."""

from collections import deque

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alphabar.diffusion import TIMESTEP_SAMPLERS
from alphabar.diffusion.timesteps import LossSecondMoment

CPU = torch.device("cpu")


class Plain:
    """IDDPM §3.3 as in facts §1.13, with a deque for each t and no tensors."""

    def __init__(self, T: int, keep: int = 10, uniform_prob: float = 0.001) -> None:
        self.rows = {t: deque(maxlen=keep) for t in range(1, T + 1)}
        self.T, self.keep, self.uniform_prob = T, keep, uniform_prob

    def update(self, t: list[int], loss: list[float]) -> None:
        for step, value in zip(t, loss, strict=True):
            self.rows[step].append(value)

    def p(self) -> list[float]:
        if any(len(row) < self.keep for row in self.rows.values()):
            return [1 / self.T] * self.T
        size = [(sum(h * h for h in row) / self.keep) ** 0.5 for row in self.rows.values()]
        if sum(size) == 0:  # nothing to go by
            return [1 / self.T] * self.T
        return [s / sum(size) * (1 - self.uniform_prob) + self.uniform_prob / self.T for s in size]


def filled(T: int, loss=None, rounds: int = 10) -> LossSecondMoment:
    """A sampler that has seen loss(t) `rounds` times at every t; t² / T² if not given."""
    sampler, t = LossSecondMoment(T), torch.arange(1, T + 1)
    for k in range(rounds):
        sampler.update(t, (t / T) ** 2 if loss is None else loss(t, k))
    return sampler


@given(
    T=st.integers(1, 6),
    batches=st.lists(st.lists(st.tuples(st.integers(1, 6), st.floats(0, 1e6)), max_size=40), max_size=8),
)
@settings(max_examples=80, deadline=None)
def test_the_history_is_a_queue_per_t_whatever_the_batches(T, batches):
    """Duplicates within a batch, more of them than fit, empty batches: as if told one by one."""
    sampler, plain = LossSecondMoment(T), Plain(T)
    for batch in batches:
        t, loss = [min(t, T) for t, _ in batch], [loss for _, loss in batch]
        sampler.update(torch.tensor(t, dtype=torch.int64), torch.tensor(loss, dtype=torch.float64))
        plain.update(t, loss)
        for step, row in plain.rows.items():
            assert int(sampler.count[step]) == len(row)
            assert sampler.history[step, 10 - len(row) :].tolist() == list(row)  # newest last
            assert bool((sampler.history[step, : 10 - len(row)] == 0).all())
        assert sampler.p().tolist() == pytest.approx(plain.p(), rel=1e-12)
    assert bool((sampler.history[0] == 0).all()) and int(sampler.count[0]) == 0


def test_duplicates_in_one_batch_stand_in_the_order_of_the_batch_and_the_oldest_go():
    sampler = filled(3, lambda t, k: torch.full((3,), float(k)))  # 0, 1, ..., 9 everywhere
    sampler.update(torch.tensor([2, 1, 2, 2]), torch.tensor([20.0, 10.0, 21.0, 22.0]))
    assert sampler.history[2].tolist() == [3, 4, 5, 6, 7, 8, 9, 20, 21, 22]
    assert sampler.history[1].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert sampler.history[3].tolist() == [*map(float, range(10))]
    sampler.update(torch.full((12,), 3), torch.arange(100.0, 112.0))
    assert sampler.history[3].tolist() == [*map(float, range(102, 112))]


def test_one_by_one_and_all_at_once_are_the_same_to_the_bit():
    generator = torch.Generator().manual_seed(0)
    t = torch.randint(1, 8, (500,), generator=generator)
    loss = torch.rand(500, generator=generator)
    together, alone = LossSecondMoment(7), LossSecondMoment(7)
    together.update(t, loss)
    for k in range(500):
        alone.update(t[k : k + 1], loss[k : k + 1])
    assert torch.equal(together.history, alone.history) and torch.equal(together.count, alone.count)


@pytest.mark.parametrize("seen", [0, 1, 9])
def test_it_is_uniform_until_every_t_has_ten_losses(seen):
    late = LossSecondMoment(20)
    for _ in range(10):
        late.update(torch.arange(1, 20), torch.arange(1.0, 20.0))
    late.update(torch.full((seen,), 20), torch.ones(seen))
    assert late.p().tolist() == [1 / 20] * 20
    torch.manual_seed(0)
    t, weight = late.sample(4000, CPU)
    assert bool((weight == 1).all()) and set(t.tolist()) == set(range(1, 21))
    late.update(torch.full((10 - seen,), 20), torch.ones(10 - seen))
    assert late.p().tolist() != [1 / 20] * 20


def test_p_is_the_root_of_the_second_moment_mixed_with_a_little_uniform():
    generator = torch.Generator().manual_seed(0)
    losses = torch.rand(10, 50, generator=generator, dtype=torch.float64) ** 3
    sampler = filled(50, lambda t, k: losses[k])
    root = losses.square().mean(0).sqrt()
    torch.testing.assert_close(sampler.p(), 0.999 * root / root.sum() + 0.001 / 50, rtol=1e-12, atol=0)
    assert float(sampler.p().sum()) == pytest.approx(1, abs=1e-12) and float(sampler.p().min()) >= 0.001 / 50


def test_draws_follow_p():
    sampler, count = filled(20), 200_000
    torch.manual_seed(0)
    t, _ = sampler.sample(count, CPU)
    expected = sampler.p() * count
    chi_square = float(((torch.bincount(t, minlength=21)[1:] - expected) ** 2 / expected).sum())
    assert abs(chi_square - 19) < 5 * (2 * 19) ** 0.5


@pytest.mark.parametrize(
    "loss", [lambda t: t**3, lambda t: (t == 7).double(), lambda t: 1 / t], ids=["cube", "one", "1/t"]
)
def test_the_weighted_loss_has_the_mean_of_the_plain_one(loss):
    """Exactly, Σ_t p(t) w(t) loss(t) with the weights that `sample` hands out; and over a million draws, to 5 sigma."""
    T, count = 20, 1_000_000
    sampler, value = filled(T), loss(torch.arange(1, T + 1).double())
    torch.manual_seed(0)
    t, weight = sampler.sample(count, CPU)
    table = torch.full((T,), float("nan"), dtype=torch.float64)
    table[t - 1] = weight.double()
    assert float((sampler.p() * table * value).sum()) == pytest.approx(float(value.mean()), rel=1e-6)
    products = weight.double() * value[t - 1]
    assert float(products.mean()) == pytest.approx(float(value.mean()), abs=5 * float(products.std()) / count**0.5)
    assert float(weight.double().mean()) == pytest.approx(1, abs=5 * float(weight.std()) / count**0.5)


def test_it_makes_the_estimate_of_an_uneven_loss_sharper():
    """The reason for it: terms that differ by orders of magnitude over t (IDDPM Fig. 2)."""
    T, count = 200, 100_000
    value = 1 / torch.arange(1, T + 1).double() ** 2
    sampler = filled(T, lambda t, k: value)
    torch.manual_seed(0)
    t, weight = sampler.sample(count, CPU)
    importance = float((weight.double() * value[t - 1]).std())
    uniform = float(value[torch.randint(0, T, (count,))].std())
    assert importance < 0.1 * uniform


def test_a_resumed_sampler_goes_on_to_the_bit():
    straight = filled(30, rounds=7)  # still in its warm-up
    resumed = LossSecondMoment(30)
    resumed.load_state_dict({name: tensor.clone() for name, tensor in straight.state_dict().items()})
    for k in range(40):
        draws = []
        for sampler in (straight, resumed):
            torch.manual_seed(k)
            t, weight = sampler.sample(64, CPU)
            sampler.update(t, weight * torch.rand(64))
            draws.append((t, weight))
        assert torch.equal(draws[0][0], draws[1][0]) and torch.equal(draws[0][1], draws[1][1])
    assert all(torch.equal(straight.state_dict()[name], resumed.state_dict()[name]) for name in ("history", "count"))
    assert bool((straight.count[1:] == 10).all())  # and the warm-up came to its end on the way


def test_a_kept_state_does_not_move_when_training_goes_on():
    sampler = filled(5)
    kept = sampler.state_dict()
    before = {name: tensor.clone() for name, tensor in kept.items()}
    sampler.update(torch.tensor([1, 1]), torch.tensor([7.0, 8.0]))
    fresh = LossSecondMoment(5)
    fresh.load_state_dict(kept)
    fresh.update(torch.tensor([2]), torch.tensor([9.0]))
    assert all(torch.equal(kept[name], before[name]) for name in kept)


@pytest.mark.parametrize("other", [LossSecondMoment(6), LossSecondMoment(5, history_per_term=9)], ids=["T", "history"])
def test_a_state_of_another_chain_is_refused(other):
    with pytest.raises(ValueError, match=r"\(6, 10\)"):
        LossSecondMoment(5).load_state_dict(other.state_dict())


def test_a_loss_that_is_not_a_number_is_left_out():
    sampler = filled(4)
    before = sampler.history.clone()
    sampler.update(torch.tensor([1, 2, 3, 1]), torch.tensor([float("nan"), float("inf"), -float("inf"), 5.0]))
    assert sampler.history[1].tolist() == [*before[1, 1:].tolist(), 5.0]
    assert torch.equal(sampler.history[2:], before[2:]) and bool(sampler.p().isfinite().all())


def test_losses_that_are_all_zero_leave_it_uniform():
    assert filled(4, lambda t, k: torch.zeros(4)).p().tolist() == [0.25] * 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_losses_of_any_precision_are_kept_in_float64_without_their_graph(dtype):
    sampler = LossSecondMoment(3)
    sampler.update(torch.tensor([1, 2]), torch.tensor([0.5, 2.0], dtype=dtype, requires_grad=True))
    assert sampler.history.dtype == torch.float64 and not sampler.history.requires_grad
    assert sampler.history[1:3, -1].tolist() == [0.5, 2.0]


@pytest.mark.parametrize("name", TIMESTEP_SAMPLERS)
def test_nothing_waits_for_the_device(name):
    """On the device 'meta' there are no values that the host could wait for: reading one raises."""
    sampler, meta = TIMESTEP_SAMPLERS[name](50), torch.device("meta")
    for _ in range(3):
        t, weight = sampler.sample(64, meta)
        sampler.update(t, weight)
        assert t.device == weight.device == meta
    for read in (lambda: t[0].item(), lambda: bool((t > 1).all()), lambda: weight[t > 1]):
        with pytest.raises((RuntimeError, NotImplementedError)):
            read()
