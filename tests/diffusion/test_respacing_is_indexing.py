"""IDDPM §4: a shorter chain has the same ᾱ at the steps that it visits; everything else follows from that."""

import numpy as np
import pytest
from diffusion_cases import images
from hypothesis import given, settings
from hypothesis import strategies as st

from alphabar.diffusion import SCHEDULES, from_betas, linear, q_marginal

ROWS = [1, 2, 7, 20, 49, 50]


@pytest.mark.parametrize("name", SCHEDULES)
def test_alpha_bar_is_kept_to_the_bit_and_the_steps_are_remembered(name):
    full = SCHEDULES[name](50)
    short = full.respace(ROWS)
    assert len(ROWS) == short.T
    assert short.alpha_bar.tolist() == [1.0, *(full.alpha_bar[t].item() for t in ROWS)]
    assert short.timesteps.tolist() == [0, *ROWS]


@pytest.mark.parametrize("name", SCHEDULES)
def test_it_equals_the_chain_recomputed_from_its_betas(name):
    full = SCHEDULES[name](50)
    a = np.concatenate([[1.0], full.alpha_bar.numpy()[ROWS]])
    recomputed, short = from_betas(1 - a[1:] / a[:-1]), full.respace(ROWS)
    for table in ("alpha_bar", "alpha", "beta", "beta_tilde", "log_beta_tilde"):
        np.testing.assert_allclose(getattr(short, table), getattr(recomputed, table), rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_forward_marginals_do_not_notice(name):
    full, x0 = SCHEDULES[name](50), images(1)
    short = full.respace(ROWS)
    for k, t in enumerate(ROWS, start=1):
        assert (q_marginal(short, x0, k).mean == q_marginal(full, x0, t).mean).all()


def test_visiting_every_step_changes_nothing():
    assert (linear(60).respace(range(1, 61)).alpha_bar == linear(60).alpha_bar).all()


@given(st.lists(st.integers(1, 100), min_size=1, unique=True).map(sorted), st.data())
@settings(max_examples=50, deadline=None)
def test_respacing_twice_is_respacing_once(rows, data):
    again = sorted(data.draw(st.sets(st.integers(1, len(rows)), min_size=1)))
    full = linear(100)
    twice, once = full.respace(rows).respace(again), full.respace([rows[k - 1] for k in again])
    assert (twice.alpha_bar == once.alpha_bar).all() and (twice.timesteps == once.timesteps).all()


@pytest.mark.parametrize("rows", [[], [0, 1], [1, 51], [-1, 3], [3, 2], [2, 2], list(range(50, 0, -1))])
def test_rows_that_do_not_rise_within_the_chain_are_refused(rows):
    with pytest.raises(ValueError, match=r"increase strictly within 1\.\.50; got \["):
        linear(50).respace(rows)
