"""A captured network call gives what the network gives. The graph of these tests computes anew when it is replayed."""

import pytest
import torch

from alphabar.sampling.cuda_graphs import MOST, Graphed, graphed


class Calls:
    """A network that notes each call, and a capture of it."""

    def __init__(self) -> None:
        self.direct, self.captured, self.replayed = 0, 0, 0

    def network(self, x, time, y=None):
        self.direct += 1
        out = x * 2 + time[:, None]
        return out if y is None else out - y[:, None]

    def capture(self, call):
        self.captured += 1
        output = torch.full_like(call(), torch.nan)  # a capture computes nothing

        def replay() -> None:
            self.replayed += 1
            output.copy_(call())

        return replay, output


@pytest.fixture
def calls() -> Calls:
    return Calls()


@torch.no_grad()
def test_each_shape_is_captured_once_and_the_last_smaller_batch_is_right(calls) -> None:
    ours, plain = Graphed(calls.network, calls.capture), Calls().network
    for size in (4, 4, 4, 3, 3, 4):
        x, time, y = torch.randn(size, 2), torch.rand(()).expand(size), torch.randint(0, 9, (size,))
        assert torch.equal(ours(x, time, y=y), plain(x, time, y=y))
    assert (calls.captured, calls.replayed) == (2, 4)


@torch.no_grad()
def test_an_output_is_not_overwritten_by_the_next_call(calls) -> None:
    ours, x = Graphed(calls.network, calls.capture), torch.ones(2, 2)
    first, second, third = (ours(x, torch.full((2,), time)) for time in (0.0, 1.0, 2.0))
    assert (float(first.mean()), float(second.mean()), float(third.mean())) == (2, 3, 4)


@torch.no_grad()
def test_no_more_than_a_few_shapes_take_memory(calls) -> None:
    ours = Graphed(calls.network, calls.capture)
    for size in [*range(1, MOST + 4)] * 3:
        assert torch.equal(ours(torch.ones(size, 2), torch.zeros(size)), torch.full((size, 2), 2.0))
    assert calls.captured == MOST


def test_calls_with_gradients_are_the_networks_own(calls) -> None:
    ours, x = Graphed(calls.network, calls.capture), torch.ones(2, 2, requires_grad=True)
    for _ in range(3):
        ours(x, torch.zeros(2)).sum().backward()
    assert float(x.grad.mean()) == 6 and not calls.captured


def test_there_are_no_graphs_on_a_cpu(calls) -> None:
    assert graphed(calls.network, torch.device("cpu")) == calls.network
    assert isinstance(graphed(calls.network, torch.device("cuda")), Graphed)
