"""The page's noise is torch's: a seed means the same image in a browser and in Python."""

import pytest
import torch
from page_answers import Ask

SEEDS = [0, 1, 7, 42, 2**31, 2**32 - 1]
SIZES = [1024, 16, 17, 31, 3072, 1024, 100]
"""More than 624 words; multiples of 16, and others."""


def test_randn_equals_torch_for_every_seed_and_size(ask: Ask) -> None:
    answers = ask([{"what": "randn", "seed": seed, "sizes": SIZES} for seed in SEEDS])
    for seed, answer in zip(SEEDS, answers, strict=True):
        generator = torch.Generator().manual_seed(seed)
        for size, numbers in zip(SIZES, answer, strict=True):
            expected = torch.randn(size, generator=generator)
            torch.testing.assert_close(torch.tensor(numbers), expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5])
def test_a_seed_out_of_range_is_refused_in_a_sentence(ask: Ask, seed: float) -> None:
    with pytest.raises(AssertionError, match=r"A seed is a whole number from 0 to 4294967295"):
        ask([{"what": "randn", "seed": seed, "sizes": [16]}])


def test_fewer_than_sixteen_numbers_are_refused(ask: Ask) -> None:
    with pytest.raises(AssertionError, match="at least 16 numbers"):
        ask([{"what": "randn", "seed": 0, "sizes": [15]}])
