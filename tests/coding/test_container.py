"""A compressed file says what it is; one bit changed, or one byte missing, and it is refused."""

import hashlib
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphabar.coding.container import MAGIC, packed, unpacked
from alphabar.coding.header import VERSION, Header, Machine
from alphabar.errors import AlphabarError

HEX = "0" * 64
MACHINE = Machine(
    device="cpu", threads=1, instructions="AVX2", processor="x86_64", torch_version="2.13.0", constriction="0.5.0"
)
HEADER = Header(
    alphabar="0.1.0", run="runs/a", weights="ema", step=3, weights_sha256=HEX, sampling={"steps": 3},
    timesteps=[1, 2, 3], label=None, shape=(1, 8, 8), names=["a.png", "b.png"], sizes=[(8, 8)], batches=[1, 1],
    words=4, precision="float64", ties=[(0, 3, 5)], machine=MACHINE, probe=HEX, pixels=HEX,
)  # fmt: skip
WORDS = np.arange(1, 300, dtype=np.uint32)
FILE = packed(HEADER, WORDS)


def test_a_file_is_read_as_it_was_written() -> None:
    header, words = unpacked(FILE, "x.abar")
    assert header == HEADER
    assert (words == WORDS).all()


def test_every_bit_that_is_flipped_is_noticed() -> None:
    assert 8 * len(FILE) >= 10_000
    for place in range(8 * len(FILE)):
        changed = bytearray(FILE)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(AlphabarError):
            unpacked(bytes(changed), "x.abar")


def test_every_truncation_is_noticed() -> None:
    for length in range(len(FILE)):
        with pytest.raises(AlphabarError):
            unpacked(FILE[:length], "x.abar")
    with pytest.raises(AlphabarError):
        unpacked(FILE + b"\0", "x.abar")


def sealed(text: bytes, words: bytes = b"\1\0\0\0", header_bytes: int | None = None, version: int = VERSION) -> bytes:
    """A file whose checksum is right, with whatever header."""
    raw = zlib.compress(text)
    size = len(raw) if header_bytes is None else header_bytes
    body = MAGIC + struct.pack("<HIQ", version, size, len(words) // 4) + raw + words
    return body + hashlib.sha256(body).digest()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no file of"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "no file of"),
        (sealed(b"{}"), "senseless header"),
        (sealed(b"[" * 100_000), "senseless header"),
        (sealed(b"\xff"), "senseless header"),
        (sealed(b"{}", header_bytes=1 << 31), "damaged"),
        (sealed(b"{}", version=VERSION + 1), "update alphabar"),
        (sealed(HEADER.model_copy(update={"batches": [1, 2]}).model_dump_json().encode()), "numbers of images differ"),
        (sealed(HEADER.model_copy(update={"batches": [-1, 3]}).model_dump_json().encode()), "batches"),
        (sealed(HEADER.model_copy(update={"words": 1 << 60}).model_dump_json().encode()), "words"),
        (sealed(HEADER.model_copy(update={"shape": (1, 1 << 40, 8)}).model_dump_json().encode()), "shape"),
        (sealed(HEADER.model_dump_json().encode(), bytes(8)), "ends in nothing"),
        (sealed(HEADER.model_copy(update={"sizes": [(9, 8)]}).model_dump_json().encode()), "larger than the model"),
        (sealed(b'{"version": 1, "surprise": 2}'), "senseless header"),
        (sealed(b"{}", version=VERSION - 1), "use the alphabar that made it"),
        (sealed(HEADER.model_copy(update={"ties": [(0, 3, -1)]}).model_dump_json().encode()), "ties"),
        (sealed(HEADER.model_copy(update={"ties": [(0, 1 << 70, 1)]}).model_dump_json().encode()), "senseless header"),
        (sealed(HEADER.model_copy(update={"precision": "float16"}).model_dump_json().encode()), "precision"),
    ],
)
def test_a_hostile_file_is_refused_in_one_sentence(raw: bytes, said: str) -> None:
    with pytest.raises(AlphabarError, match=said) as error:
        unpacked(raw, "x.abar")
    assert "\n" not in str(error.value)


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_header_is_read_or_refused(text: bytes) -> None:
    with pytest.raises(AlphabarError):
        unpacked(sealed(text), "x.abar")


@pytest.mark.heavy
def test_a_header_that_unpacks_without_end_takes_no_memory() -> None:
    bomb = zlib.compress(b" " * (1 << 29))
    body = MAGIC + struct.pack("<HIQ", VERSION, len(bomb), 1) + bomb + b"\1\0\0\0"
    with pytest.raises(AlphabarError, match="senseless header"):
        unpacked(body + hashlib.sha256(body).digest(), "x.abar")
