"""The thinned products hold each pair of values, few rows, and the same ones each time."""

from itertools import combinations, product

import pytest

from covering import covering, covering_rows, label


def pairs(rows) -> set[tuple[object, ...]]:
    return {(i, j, row[i], row[j]) for row in rows for i, j in combinations(range(len(row)), 2)}


@pytest.mark.parametrize("sizes", [(17, 4, 3, 2, 2), (9, 4, 3), (3, 3, 3, 3), (20, 6), (5,), (1, 1, 4)], ids=str)
def test_each_pair_of_values_occurs_in_few_rows(sizes) -> None:
    rows = list(product(*(range(size) for size in sizes)))
    kept = [rows[k] for k in covering_rows(rows)]
    assert pairs(kept) == pairs(rows)
    assert {row[0] for row in kept} == set(range(sizes[0]))
    largest, second = sorted([1, *sizes])[-1:-3:-1]
    assert largest * second <= len(kept) <= 1.7 * largest * second


def test_pairs_that_exist_occur_where_some_combinations_do_not() -> None:
    rows = [row for row in product(range(6), range(4), range(3)) if not (row[0] < 3 and row[1] == 0)]
    kept = [rows[k] for k in covering_rows(rows)]
    assert pairs(kept) == pairs(rows) and set(kept) < set(rows)


def test_the_same_rows_are_kept_each_time() -> None:
    rows = list(product(range(7), range(5), range(4), range(2)))
    assert covering_rows(rows) == covering_rows(rows)


def test_the_mark_holds_the_whole_product_and_the_rest_is_heavy() -> None:
    two = [(a, b) for a in range(4) for b in (0.5, 0) if (a, b) != (0, 0)]
    mark = covering({"a, b": two, "c": ["x", "y", "z"]}).mark
    names, cases = mark.args
    light = [case for case in cases if not case.marks]
    assert names == ["a", "b", "c"] and len(cases) == 4 * 2 * 3 - 3
    assert pairs(case.values for case in light) == pairs(case.values for case in cases)
    assert {mark.name for case in cases for mark in case.marks} == {"heavy"} and len(light) < len(cases)
    assert cases[0].id == "0-0.5-x"


@pytest.mark.parametrize("value", [label, pairs, 3, "name", None, 0.5, (1, 2)], ids=label)
def test_an_id_holds_no_address(value) -> None:
    assert " at 0x" not in label(value)
