"""Seeds: lists of them as people write them, and new ones derived from a purpose."""

import hashlib
from collections.abc import Sequence

import torch

from alphabar.errors import AlphabarError

LIMIT = 2**32
"""Seeds of images are below this."""
MOST = 1_000_000
"""The longest list of seeds."""


def derived(*key: int | str) -> int:
    """A seed in 0..2^63 − 1 that depends on `key` alone, as (run's seed, step): nothing has to be stored to resume."""
    hashed = hashlib.blake2b("/".join(map(str, key)).encode(), digest_size=8).digest()
    return int.from_bytes(hashed) >> 1


def generator(*key: int | str) -> torch.Generator:
    """A generator on the CPU, seeded with `derived(*key)`."""
    return torch.Generator().manual_seed(derived(*key))


def parsed(text: str) -> list[int]:
    """'0-63,100' -> [0, ..., 63, 100]."""
    ranges = [_range(part.strip(), text) for part in text.split(",")]
    if (count := sum(map(len, ranges))) > MOST:
        raise AlphabarError(f"'{text}' are {count:,} seeds; sample at most {MOST:,} images at a time.")
    return [seed for part in ranges for seed in part]


def _range(part: str, text: str) -> range:
    first, _, last = part.partition("-")
    if first.isdecimal() and last.isdecimal() and int(last) < int(first):
        raise AlphabarError(f"The seeds {part} run backwards; write {last}-{first}.")
    if not (first.isdecimal() and (last.isdecimal() or "-" not in part)):
        raise AlphabarError(f"'{text}' is not a list of seeds; write numbers and ranges, as 0-63,100.")
    if int(last or first) >= LIMIT:
        raise AlphabarError(f"The seed {last or first} is too large; seeds are below 2^32 = {LIMIT}.")
    return range(int(first), int(last or first) + 1)


def listed(seeds: Sequence[int]) -> str:
    """[0, 1, 2, 7] -> '0-2,7': the inverse of `parsed`, in any order."""
    ranges: list[list[int]] = []
    for seed in seeds:
        if ranges and seed == ranges[-1][1] + 1:
            ranges[-1][1] = seed
        else:
            ranges.append([seed, seed])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
