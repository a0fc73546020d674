"""rows_of: improved-diffusion's timestep_respacing to the last index (facts §1.9), counted from 1, and sentences."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphabar.diffusion import cosine, linear, rows_of, spaced

VALID_DDIM = [
    *range(2, 37), *range(38, 41), 42, 44, 46, 48, 50, 53, 56, 59, 63, 67, 72, 77, 84, 91,
    100, 112, 125, 143, 167, 200, 250, 334, 500, 1000,
]  # fmt: skip


def from_zero(spec: str, T: int) -> list[int]:
    return [t - 1 for t in rows_of(spec, T)]


def space_timesteps(T: int, counts: list[int]) -> set[int]:
    """The sheet's words as a loop: indices from 0, a running float sum, Python's rounding."""
    kept, start = set(), 0
    for number, count in enumerate(counts):
        size = T // len(counts) + (1 if number < T % len(counts) else 0)
        assert size >= count
        stride = 1 if count <= 1 else (size - 1) / (count - 1)
        current = 0.0
        for _ in range(count):
            kept.add(start + round(current))
            current += stride
        start += size
    return kept


@pytest.mark.parametrize(
    "T, spec, head, tail",
    [
        (1000, "250", [0, 4, 8, 12, 16, 20], [987, 991, 995, 999]),
        (4000, "100", [0, 40, 81, 121, 162, 202], [3878, 3918, 3959, 3999]),
        (1000, "ddim50", [0, 20], [980]),
        (300, "10,15,20", [0, 11, 22, 33, 44, 55], [283, 289, 294, 299]),
        (10, "5", [0, 2, 4, 7, 9], [9]),
        (1000, "10,10,10,10", [0, 28, 55, 83, 111, 138], [916, 944, 971, 999]),
    ],
)
def test_the_examples_of_the_fact_sheet(T, spec, head, tail):
    rows = from_zero(spec, T)
    assert rows[: len(head)] == head and rows[-len(tail) :] == tail
    assert len(rows) == sum(int(n) for n in spec.removeprefix("ddim").split(","))


def test_rounding_is_half_to_even_as_pythons():
    """10 in 5: strides of 2.25, so 4.5 -> 4 and not 5."""
    assert from_zero("5", 10) == [0, 2, 4, 7, 9]
    assert from_zero("3", 6) == [0, 2, 5]  # 2.5 -> 2
    assert from_zero("3", 4) == [0, 2, 3]  # 1.5 -> 2


def test_the_sum_runs_in_floating_point_and_is_not_a_product():
    """Somewhere the accumulated sum rounds to another row than j · stride does: the reference's is the sum's."""
    different = [
        (T, n, j)
        for T in (1000, 4000)
        for n in range(2, 1000)
        for j, row in enumerate(from_zero(str(n), T))
        if row != round(j * ((T - 1) / (n - 1)))
    ]
    assert different
    T, n, _ = different[0]
    assert set(from_zero(str(n), T)) == space_timesteps(T, [n])


@given(T=st.integers(2, 400), counts=st.lists(st.integers(0, 40), min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_sections_are_improved_diffusions(T, counts):
    size, spec = T // len(counts), ",".join(map(str, counts))
    fits = all(count <= size + (k < T % len(counts)) for k, count in enumerate(counts))
    if not fits or not any(counts) or counts == [1]:
        with pytest.raises(ValueError):
            rows_of(spec, T)
        return
    rows = from_zero(spec, T)
    assert rows == sorted(space_timesteps(T, counts))
    assert len(rows) == linear(4000).respace([t + 1 for t in rows]).T


def test_ddim_takes_exactly_the_lengths_that_a_stride_gives():
    found = []
    for n in range(1001):
        try:
            rows = rows_of(f"ddim{n}", 1000)
        except ValueError:
            continue
        found.append(n)
        strides = [s for s in range(1, 1000) if len(range(0, 1000, s)) == n]
        assert [t - 1 for t in rows] == list(range(0, 1000, min(strides)))
    assert found == VALID_DDIM


@pytest.mark.parametrize("steps", [2, 25, 50, 250, 1000])
def test_one_section_is_the_uniform_spacing(steps):
    assert rows_of(str(steps), 1000) == spaced(cosine(1000), "uniform", steps)


def test_leading_of_50_is_ddim50():
    assert rows_of("ddim50", 1000) == spaced(cosine(1000), "leading", 50)


@pytest.mark.parametrize("spec", ["t:1,5,9", [1, 5, 9], (1, 5, 9), range(1, 10, 4)])
def test_the_steps_themselves_are_the_papers_and_are_taken_as_they_are(spec):
    assert rows_of(spec, 9) == [1, 5, 9]


def test_a_single_step_from_noise_is_said_so():
    assert rows_of("t:1000", 1000) == [1000] and rows_of("1", 1) == [1]


def test_a_section_of_one_keeps_its_first_step_and_one_of_none_is_skipped():
    assert from_zero("1,1", 10) == [0, 5] and from_zero("0,2", 10) == [5, 9]


@pytest.mark.parametrize(
    "spec, T, words",
    [
        ("1", 1000, "least noisy.*use 't:1000'"),
        ("0", 1000, "at least one timestep; got 0"),
        ("0,0", 1000, "at least one timestep; got 0,0"),
        ("-3", 1000, "at least one timestep; got -3"),
        ("1001", 1000, "1001 timesteps do not fit into the chain, which has 1000"),
        ("10,101,5", 300, "101 timesteps do not fit into section 2 of 3, which has 100"),
        ("1,1,1", 2, "1 timesteps do not fit into section 3 of 3, which has 0"),
        ("ddim37", 1000, "No integer stride visits exactly 37 of 1000.*near it, use ddim35, ddim36, ddim38, ddim39"),
        ("ddim999", 1000, "near it, use ddim250, ddim334, ddim500, ddim1000"),
        ("ddim1", 1000, "exactly 1 of 1000.*ddim2"),
        ("ddim0", 1000, "exactly 0 of 1000.*ddim2"),
        ("ddim1", 1, "exactly 1 of 1 timesteps.*use 't:1'"),
        ("ddim", 1000, "'ddim' does not specify timesteps.*250.*10,15,20.*ddim50.*t:1,5,9"),
        ("ddim5,6", 1000, "does not specify timesteps"),
        ("", 1000, "does not specify timesteps"),
        ("10;20", 1000, "does not specify timesteps"),
        ("2.5", 1000, "does not specify timesteps"),
        ("fast", 1000, "'fast' does not specify timesteps"),
        ("t:", 1000, "does not specify timesteps"),
        ("t:0,5", 1000, r"increase strictly within 1\.\.1000; got \[0, 5\]"),
        ("t:5,5", 1000, r"increase strictly within 1\.\.1000"),
        ([9, 5], 1000, r"increase strictly within 1\.\.1000; got \[9, 5\]"),
        ([1, 1001], 1000, r"increase strictly within 1\.\.1000"),
        ([], 1000, r"increase strictly within 1\.\.1000; got \[\]"),
    ],
)
def test_what_names_no_chain_is_refused_in_a_sentence(spec, T, words):
    with pytest.raises(ValueError, match=words):
        rows_of(spec, T)
