"""Damages valid files at random, for hypothesis: bytes are flipped, cut, repeated, put in, or numbers made huge."""

from collections.abc import Callable

from hypothesis import strategies as st

Change = Callable[[bytes], bytes]

_NUMBERS = [
    bytes(4),
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\0\0\0",
    b"\xff" * 8,
    b"\0\0\0\1",
    b"\0",
]


def _flip(place: float, mask: int) -> Change:
    def change(data: bytes) -> bytes:
        k = int(place * len(data))
        return data[:k] + bytes([data[k] ^ mask]) + data[k + 1 :] if k < len(data) else data

    return change


def _replace(place: float, value: bytes) -> Change:
    return lambda data: data[: int(place * len(data))] + value + data[int(place * len(data)) + len(value) :]


def _insert(place: float, value: bytes) -> Change:
    return lambda data: data[: int(place * len(data))] + value + data[int(place * len(data)) :]


def _cut(start: float, end: float) -> Change:
    return lambda data: data[: int(start * len(data))] + data[int(end * len(data)) :]


def _again(start: float, end: float) -> Change:
    return lambda data: data[: int(end * len(data))] + data[int(start * len(data)) :]


_place = st.one_of(
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 0.05),  # headers
    st.floats(0.95, 1, exclude_max=True),  # indices
)
_change = st.one_of(
    st.builds(_flip, _place, st.integers(1, 255)),
    st.builds(_replace, _place, st.sampled_from(_NUMBERS)),
    st.builds(_insert, _place, st.one_of(st.sampled_from(_NUMBERS), st.binary(min_size=1, max_size=40))),
    st.builds(_cut, _place, _place),
    st.builds(_again, _place, _place),
)

changes = st.lists(_change, min_size=1, max_size=4)


def damaged(data: bytes, some: list[Change]) -> bytes:
    """`data` after each change in turn."""
    for change in some:
        data = change(data)
    return data
