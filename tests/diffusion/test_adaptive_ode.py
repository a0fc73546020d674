"""The solver of the flow: exact solutions, an error that follows the tolerance, rows that are independent."""

import math

import pytest
import torch

from alphabar.diffusion.adaptive_ode import solve

F64 = torch.float64


def spiral(s, y):
    return torch.stack([y[:, 1], -y[:, 0]], 1)


def turned(y, a, b):
    cos, sin = math.cos(b - a), math.sin(b - a)
    return torch.stack([y[:, 0] * cos + y[:, 1] * sin, y[:, 1] * cos - y[:, 0] * sin], 1)


CASES = {
    "decay": (lambda s, y: -y, lambda y, a, b: y * math.exp(a - b)),
    "turning": (spiral, turned),
    "logistic": (lambda s, y: y * (1 - y), lambda y, a, b: y / (y + (1 - y) * math.exp(a - b))),
    "in s alone": (lambda s, y: s[:, None].cos().expand_as(y), lambda y, a, b: y + math.sin(b) - math.sin(a)),
    "log": (lambda s, y: y / s[:, None], lambda y, a, b: y * b / a),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("tolerance", [1e-4, 1e-7, 1e-10])
def test_the_error_follows_the_tolerance(name, tolerance):
    derivative, exact = CASES[name]
    start = torch.tensor([[0.1, 0.9], [0.5, 0.2], [0.3, 0.7]], dtype=F64)
    end, calls = solve(derivative, start, 0.01, 5.0, tolerance)
    error = float((end - exact(start, 0.01, 5.0)).abs().max())
    assert error < 60 * tolerance * float(1 + exact(start, 0.01, 5.0).abs().max())
    assert (calls > 6).all()


def test_a_smaller_tolerance_costs_more_calls_and_gives_more():
    start = torch.tensor([[1.0, 0.0]], dtype=F64)
    ends, calls = zip(*(solve(spiral, start, 0.0, 20.0, 10.0**-k) for k in (3, 6, 9)), strict=True)
    exact = torch.tensor([[math.cos(20), -math.sin(20)]], dtype=F64)
    errors = [float((end - exact).abs().max()) for end in ends]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1e-7
    # A method of fifth order: an error 1,000 times smaller takes about four times the steps.
    assert 2.5 < int(calls[2]) / int(calls[1]) < 6


def test_rows_are_solved_as_if_they_were_alone():
    rates = torch.tensor([0.1, 30.0, 2.0], dtype=F64)

    def derivative(s, y):
        return -(rates if len(y) == 3 else rates[row : row + 1])[:, None] * (y - s.sin()[:, None])

    start = torch.tensor([[1.0, 2.0], [0.0, 0.5], [-3.0, 1.0]], dtype=F64)
    end, calls = solve(derivative, start, 0.0, 3.0, 1e-6)
    for row in range(3):
        alone, spent = solve(derivative, start[row : row + 1], 0.0, 3.0, 1e-6)
        assert torch.equal(alone[0], end[row]) and int(spent) == int(calls[row])
    assert len(set(calls.tolist())) == 3


def test_nothing_is_done_over_no_distance():
    start = torch.ones(2, 3, dtype=F64)
    end, calls = solve(lambda s, y: pytest.fail("called"), start, 2.0, 2.0, 1e-5)
    assert torch.equal(end, start) and calls.tolist() == [0, 0]


@pytest.mark.parametrize(
    "bad", [lambda s, y: y * math.nan, lambda s, y: y / (s[:, None] - 0.5).abs(), lambda s, y: y**2 * 10]
)
def test_what_cannot_be_followed_ends_in_an_error_and_not_in_a_loop(bad):
    with pytest.raises(ArithmeticError, match="the step vanishes"):
        solve(bad, torch.ones(2, 1, dtype=F64), 0.0, 1.0, 1e-6)


def test_a_good_row_beside_a_bad_one_is_no_comfort():
    with pytest.raises(ArithmeticError):
        solve(lambda s, y: torch.stack([y[0], y[1] * math.inf]), torch.ones(2, 1, dtype=F64), 0.0, 1.0, 1e-6)
