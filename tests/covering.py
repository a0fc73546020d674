"""Products of parameters, thinned to pairs: `make test` runs a covering part of the product, `make test-all` all of it.

A fault that shows in the product of many factors nearly always shows in a pair of values of two of them (Kuhn, Wallace
& Gallo 2004). So the rows of the product in which each pair occurs at least once run always, and the others are heavy.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import pytest

Row = tuple[Any, ...]


def covering_rows(rows: Sequence[Row]) -> list[int]:
    """Indices of a small part of `rows` that holds each pair of values, of two different columns, that `rows` holds.

    Greedy: the next row is the one with the most pairs not held yet, and the first among equals. What a row adds never
    grows, so that an old count is an upper bound and most rows need not be counted again.
    """
    keys = [_pairs(row) for row in _numbered(rows)]
    heap = [(-len(pairs), index) for index, pairs in enumerate(keys)]
    heapq.heapify(heap)
    missing, kept = set().union(*keys), []
    while missing:
        _, index = heapq.heappop(heap)
        new = len(keys[index] & missing)
        if heap and (-new, index) > heap[0]:
            heapq.heappush(heap, (-new, index))
            continue
        kept.append(index)
        missing -= keys[index]
    return sorted(kept)


def _numbered(rows: Sequence[Row]) -> list[tuple[int, ...]]:
    """The same rows with a number for each value of a column, as values need not be hashable."""
    seen: list[list[Any]] = [[] for _ in rows[0]]
    numbered = []
    for row in rows:
        numbers = []
        for values, value in zip(seen, row, strict=True):
            number = next((k for k, known in enumerate(values) if _same(known, value)), len(values))
            if number == len(values):
                values.append(value)
            numbers.append(number)
        numbered.append(tuple(numbers))
    return numbered


def _same(one: object, other: object) -> bool:
    return one is other or (isinstance(one, str | int | float) and type(one) is type(other) and one == other)


def _pairs(row: tuple[int, ...]) -> set[tuple[tuple[int, int], ...]]:
    return set(combinations(enumerate(row), 2)) or {((0, row[0]),)}


def label(value: object) -> str:
    """A test id for `value`: its name if it has one, and never an address in memory."""
    named = getattr(value, "name", None) or getattr(value, "__name__", None)
    return named if isinstance(named, str) else str(value) if isinstance(value, str | int | float) else repr(value)


def covering(factors: Mapping[str, Iterable[Any]]) -> pytest.MarkDecorator:
    """`pytest.mark.parametrize` over the product of `factors`, of which all but a covering part is marked heavy.

    factors: by the name of a parameter, its values; or by several names ("schedule, parameterization") a list of
    tuples, which are the combinations that exist. The covering part holds each pair of values that the product holds.
    """
    names = [name.strip() for names in factors for name in names.split(",")]
    parts = [[value if "," in name else (value,) for value in values] for name, values in factors.items()]
    rows = [sum(map(tuple, row), ()) for row in product(*parts)]
    light = set(covering_rows(rows))
    cases = [
        pytest.param(*row, id="-".join(map(label, row)), marks=() if k in light else pytest.mark.heavy)
        for k, row in enumerate(rows)
    ]
    return pytest.mark.parametrize(names, cases)
