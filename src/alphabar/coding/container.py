"""The bytes of a compressed file: a magic number, the header, the words of the stack, and a checksum of all of it."""

import hashlib
import json
import struct
import zlib

import numpy as np
from pydantic import ValidationError

from alphabar.coding.header import VERSION, Header
from alphabar.coding.stack import Words
from alphabar.errors import AlphabarError
from alphabar.files import json_text
from alphabar.files.outputs import COMPRESSED, mark

MAGIC = b"\x89abar\r\n\x1a\n" + mark(COMPRESSED).encode()
"""A byte that is no ASCII, a name, and the line ends that careless copies change, as in PNG; and alphabar's mark."""
SUFFIX = ".abar"
_FIXED = struct.Struct("<HIQ")  # version, bytes of the header, words of the stack
_CHECKSUM = 32
_MOST_HEADER = 1 << 28


def packed(header: Header, words: Words) -> bytes:
    """A compressed file."""
    text = zlib.compress(json.dumps(header.model_dump(mode="json"), separators=(",", ":")).encode(), 9)
    body = MAGIC + _FIXED.pack(VERSION, len(text), len(words)) + text + words.astype("<u4").tobytes()
    return body + hashlib.sha256(body).digest()


def unpacked(raw: bytes, name: str) -> tuple[Header, Words]:
    """The header and the stack of a compressed file; AlphabarError if `raw` is none, or one bit of it was changed."""
    body, checksum = raw[:-_CHECKSUM], raw[-_CHECKSUM:]
    start = len(MAGIC) + _FIXED.size
    if not raw.startswith(MAGIC):
        raise AlphabarError(f"{name} is no file of `alphabar compress`.")
    if len(body) < start or hashlib.sha256(body).digest() != checksum:
        raise AlphabarError(f"{name} is damaged: its checksum is wrong; copy it again from where it came from.")
    version, header_bytes, count = _FIXED.unpack(body[len(MAGIC) : start])
    if version != VERSION:
        raise AlphabarError(
            f"{name} has version {version}, and this alphabar reads version {VERSION}; "
            f"{'update alphabar' if version > VERSION else 'use the alphabar that made it'}."
        )
    if start + header_bytes + 4 * count != len(body):
        raise AlphabarError(f"{name} is damaged: its parts have {len(body):,} bytes together, which it denies.")
    words = np.frombuffer(body[start + header_bytes :], dtype="<u4").astype(np.uint32)
    if not count or not words[-1]:
        raise AlphabarError(f"{name} is damaged: its stack of bits ends in nothing; no alphabar wrote it.")
    return _header(body[start : start + header_bytes], name), words


def _header(raw: bytes, name: str) -> Header:
    try:
        expander = zlib.decompressobj()
        text = expander.decompress(raw, _MOST_HEADER)
        if not expander.eof or expander.unused_data:
            raise ValueError("its text is cut off, or too long")
        header = Header.model_validate_json(json.dumps(json_text.parsed(text)))
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise AlphabarError(f"{name} has a senseless header: {place} is wrong; no alphabar wrote it.") from None
    except (ValueError, zlib.error, RecursionError) as error:
        raise AlphabarError(f"{name} has a senseless header ({error}); no alphabar wrote it.") from None
    if sum(header.batches) != header.count or len(header.sizes) not in (1, header.count):
        raise AlphabarError(f"{name} has a senseless header: its numbers of images differ; no alphabar wrote it.")
    if header.lossy is not None and header.lossy.level > len(header.timesteps):
        raise AlphabarError(f"{name} has a senseless header: its chain has no such level; no alphabar wrote it.")
    if any(height > header.shape[1] or width > header.shape[2] for height, width in header.sizes):
        raise AlphabarError(
            f"{name} has a senseless header: an image is larger than the model's; no alphabar wrote it."
        )
    return header
