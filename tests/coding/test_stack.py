"""A stack of bits gives back what was pushed, and pushing costs as many bits as the model says."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphabar.errors import AlphabarError

pytest.importorskip("constriction", reason="needs the extra `compression`")

from alphabar.coding.stack import ExhaustedError, Noise, Stack


def full(seed: int = 0, words: int = 4000) -> Stack:
    return Stack(np.random.default_rng(seed).integers(1, 2**32, words, dtype=np.uint64).astype(np.uint32))


@given(
    st.lists(
        st.tuples(st.integers(-(2**30), 2**30), st.floats(-1e6, 1e6), st.floats(1e-6, 1e4)), min_size=1, max_size=40
    )
)
@settings(max_examples=200, deadline=None)
def test_what_is_pushed_is_popped_whatever_the_gaussian(rows) -> None:
    values, means, stds = (np.array(column) for column in zip(*rows, strict=True))
    stack = full(words=8)
    before = stack.words
    stack.push_gaussians(values.astype(np.int64), means, stds)
    assert (stack.pop_gaussians(means, stds) == values).all()
    assert (stack.words == before).all()


@given(st.lists(st.tuples(st.integers(0, 255), st.floats(-50, 300), st.floats(0, 100)), min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_levels_that_are_pushed_are_popped(rows) -> None:
    values, means, stds = (np.array(column) for column in zip(*rows, strict=True))
    stack = full(words=8)
    before = stack.words
    stack.push_levels(values, means.astype(float), stds.astype(float))
    assert (stack.pop_levels(means.astype(float), stds.astype(float)) == values).all()
    assert (stack.words == before).all()


@pytest.mark.parametrize("std", [0.01, 1.0, 32.0, 3000.0])
def test_noise_that_is_popped_can_be_pushed_back(std: float) -> None:
    stack, noise = full(), Noise(std)
    before = stack.words
    steps = stack.pop_noise(noise, 1000)
    stack.push_noise(steps, noise)
    assert (stack.words == before).all()


def test_popped_noise_is_gaussian_and_costs_its_entropy() -> None:
    stack, noise = full(words=40_000), Noise(32.0)
    before = stack.bits
    steps = stack.pop_noise(noise, 100_000)
    assert abs(steps.mean()) < 4 * 32 / math.sqrt(1e5)
    assert steps.std() == pytest.approx(32, rel=0.01)
    assert (before - stack.bits) / 1e5 == pytest.approx(math.log2(32 * math.sqrt(2 * math.pi * math.e)), rel=1e-3)


def test_pushing_costs_the_logarithm_of_the_probability() -> None:
    generator = np.random.default_rng(1)
    means = generator.normal(size=20_000) * 100
    values = np.rint(means + 32 * generator.normal(size=20_000)).astype(np.int64)
    stds = np.full(20_000, 32.0)
    stack = full(words=8)
    before = stack.bits
    stack.push_gaussians(values, means, stds)
    nats = 0.5 * ((values - means) / stds) ** 2 + np.log(stds * math.sqrt(2 * math.pi))
    assert stack.bits - before == pytest.approx(nats.sum() / math.log(2), rel=1e-3)


def test_a_value_far_outside_costs_32_bits_more_than_the_edge_of_the_window() -> None:
    stack = full(words=8)
    before = stack.bits
    stack.push_gaussians(np.array([1_000_000]), np.zeros(1), np.ones(1))
    assert stack.bits - before < 32 + 24 + 32  # the state grows by whole words


def test_a_value_that_no_image_has_is_refused() -> None:
    with pytest.raises(AlphabarError, match="too far from an image"):
        full().push_gaussians(np.array([2**40]), np.zeros(1), np.ones(1))


def test_more_than_there_is_cannot_be_popped() -> None:
    with pytest.raises(ExhaustedError):
        full(words=10).pop_noise(Noise(32.0), 1000)
