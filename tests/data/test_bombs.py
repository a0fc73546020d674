"""Small files that claim much, and files that are none: each is refused at once, in a process with little memory."""

import gzip
import io
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, __version__

READ = """
import json, resource, sys, time, warnings
from alphabar.data import DataOptions, detect, load
from alphabar.errors import AlphabarError
from pathlib import Path
import PIL.Image
PIL.Image.init()
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (700 << 20),) * 2)
for kind, path in json.loads(sys.argv[1]):
    started = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = len(load(kind, DataOptions(path=Path(path))))
    except AlphabarError as error:
        result = str(error)
    except BaseException as error:
        result = [type(error).__name__, str(error)]
    print(json.dumps([result, time.process_time() - started]), flush=True)
"""


def npy_header(shape: str, descr: str = "|u1") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text


def npz(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)


def array(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def lying_npz(path: Path) -> None:
    """The index says that the images take 1,728 bytes, and they unpack to 20 MB."""
    npz(path, arr_0=npy_header("(9, 8, 8, 3)") + bytes(20_000_000))
    data = bytearray(path.read_bytes())
    size = (128 + 9 * 8 * 8 * 3).to_bytes(4, "little")
    for start, offset in ((0, 22), (data.rindex(b"PK\x01\x02"), 24)):
        data[start + offset : start + offset + 4] = size
    path.write_bytes(data)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int = 4, height: int = 4, *extra: bytes, depth: int = 8, colours: int = 2) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    pixels = zlib.compress(bytes((1 + 3 * width) * height if width * height < 1000 else 100))
    parts = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


PILLOW = int(__version__.split(".")[0])
ZEROS = zlib.compress(bytes(20_000_000), 1)


def tiff(**tags: int) -> bytes:
    """A TIFF of a grey image whose tags claim what they like."""
    entries = {256: 4, 257: 4, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 4, 279: 16}
    entries |= {int(tag[1:]): value for tag, value in tags.items()}
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries.items()))
    return b"II*\0" + struct.pack("<I", 24) + bytes(16) + struct.pack("<H", len(entries)) + body + bytes(4)


def webp(width: int, height: int) -> bytes:
    """A lossless WebP whose header claims a size, and next to nothing behind it."""
    bits = (width - 1) | (height - 1) << 14
    data = b"\x2f" + bits.to_bytes(4, "little") + bytes(20)
    return b"RIFF" + struct.pack("<I", 12 + len(data)) + b"WEBPVP8L" + struct.pack("<I", len(data)) + data + b"\0"


def gif(width: int, height: int) -> bytes:
    size = struct.pack("<HH", width, height)
    return b"GIF89a" + size + b"\x80\0\0" + bytes(6) + b"," + bytes(4) + size + b"\0\x02\x02D\x01\0;"


PICTURES: dict[str, bytes] = {
    "png size": png(50_000, 50_000),
    "png largest": png(2**31 - 1, 2**31 - 1),
    "png compressed text": png(4, 4, chunk(b"zTXt", b"a\0\0" + ZEROS)),
    "png international text": png(4, 4, chunk(b"iTXt", b"a\0\1\0\0\0" + ZEROS)),
    "png many texts": png(4, 4, *[chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000), 1))] * 80),
    "png profile": png(4, 4, chunk(b"iCCP", b"a\0\0" + ZEROS)),
    "png exif": png(4, 4, chunk(b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + bytes(100))),
    "png no palette": png(4, 4, colours=3),
    "png chunk length": png()[:33] + struct.pack(">I", 2**31 - 1) + b"tEXt" + bytes(100),
    "tiff size": tiff(t256=60_000, t257=60_000),
    "tiff strip": tiff(t279=2**32 - 1),
    "tiff rows": tiff(t278=2**32 - 1),
    "tiff samples": tiff(t277=65_535),
    "tiff no end": b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 65_535) + bytes(100),
    "tiff loop": tiff()[:-4] + struct.pack("<I", 24),
    "tiff bits": tiff(t258=64),
    "webp size": webp(16_384, 16_384),
    "gif size": gif(65_535, 65_535),
    "gif frame": gif(9_000, 9_000),
    "bmp size": b"BM" + struct.pack("<IIIIiiHH", 154, 0, 54, 40, 60_000, 60_000, 1, 24) + bytes(124),
    "ppm size": b"P6 60000 60000 255\n" + bytes(100),
    "ppm digits": b"P6 " + b"9" * 5000 + b" 1 255\n",
    "pgm of 16 bits": b"P5 8000 8000 4095\n" + bytes(100),
    "plain pgm": b"P2 8000 8000 255\n" + b"1 " * 100,
    "pfm size": b"Pf 7000 7000 -1.0\n" + bytes(100),
    "jpeg size": bytes.fromhex("ffd8 ffc0000b08ffffffff01011100 ffda0008010100003f00") + bytes(100),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
}


def hostile(folder: Path) -> dict[str, tuple[str, Path]]:
    """Writes the files; what they are -> the source that reads them, and their path."""
    files: dict[str, tuple[str, Path]] = {}

    def place(what: str, kind: str, name: str) -> Path:
        path = folder / what.replace(" ", "-") / name
        path.parent.mkdir()
        files[what] = kind, path if kind in ("npz", "archive") else path.parent
        return path

    for what, data in PICTURES.items():
        place(what, "folder", "a.png").write_bytes(data)
    images = array(np.zeros((9, 8, 8, 3), np.uint8))
    npz(
        place("npz of endless labels", "npz", "a.npz"),
        arr_0=images,
        arr_1=npy_header("(2500000,)", "<i8") + bytes(20_000_000),
    )
    lying_npz(place("npz whose index lies", "npz", "a.npz"))
    for what, shape in (("side", "(99999999999, 8, 8, 3)"), ("product", "(4294967296, 4294967296, 4294967296, 3)")):
        place(f"npy of an endless {what}", "npz", "a.npy").write_bytes(npy_header(shape) + bytes(100))
    place("npy with a huge number", "npz", "a.npy").write_bytes(npy_header("(" + "9" * 60 + ", 8, 8)"))
    place("npy with nested brackets", "npz", "a.npy").write_bytes(
        b"\x93NUMPY\x01\0" + struct.pack("<H", 9000) + b"(" * 9000
    )
    place("npy with a long header", "npz", "a.npy").write_bytes(b"\x93NUMPY\x02\0\xff\xff\xff\x7f" + bytes(100))
    place("npy of code", "npz", "a.npy").write_bytes(npy_header("__import__('os').abort()"))
    idx = bytes([0, 0, 8, 3]) + struct.pack(">III", 1, 2, 3)
    place("idx that goes on", "idx", "train-images-idx3-ubyte.gz").write_bytes(
        gzip.compress(idx + bytes(20_000_000), 1)
    )
    place("idx that claims", "idx", "train-images-idx3-ubyte.gz").write_bytes(
        gzip.compress(bytes([0, 0, 8, 3]) + b"\xff" * 12)
    )
    place("idx of no images", "idx", "train-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3]) + bytes(12))
    place("idx that is empty", "idx", "train-images-idx3-ubyte").write_bytes(b"")
    for what, data in {
        "memo": b"\x80\x02}r\xff\xff\xff\x7f.",
        "bytes": b"\x80\x04\x8e\0\0\0\0\1\0\0\0.",
        "frame": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
        "nested key": b"\x80\x02})" + b"\x85" * 100_000 + b"Ns.",
        "copies": b"\x80\x02}c_codecs\nencode\nq\0X\0\0\x10\0" + b"a" * (1 << 20) + b"q\1" + b"h\0h\1h\1\x86R" * 20_000,
    }.items():
        place(f"pickle of {what}", "cifar10", "data_batch_1").write_bytes(data)
    kinds = {".npz": "npz", ".npy": "npz", ".zip": "archive", ".tar": "archive", ".png": "folder"}
    for suffix, kind in kinds.items():
        with place(f"sparse {suffix}", kind, f"a{suffix}").open("wb") as file:
            file.truncate(1 << 40)
        os.mkfifo(place(f"pipe {suffix}", kind, f"a{suffix}"))
        place(f"device {suffix}", kind, f"a{suffix}").symlink_to("/dev/zero")
    with place("sparse idx", "idx", "train-images-idx3-ubyte").open("wb") as file:
        file.write(bytes([0, 0, 8, 3]) + b"\0\xff\xff\xff\0\0\x10\0\0\0\x10\0")
        file.truncate(1 << 40)
    jpeg = io.BytesIO()
    Image.new("RGB", (32, 32)).save(jpeg, "JPEG")
    with place("sparse jpeg", "folder", "a.jpg").open("wb") as file:
        file.write(jpeg.getvalue()[:-2])
        file.truncate(1 << 40)
    return files


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[object, float]]:
    """What reading each file ended with, and the seconds that it took."""
    folder = tmp_path_factory.mktemp("bombs")
    files = hostile(folder)
    listed = json.dumps([[kind, str(path)] for kind, path in files.values()])
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    child = subprocess.run(
        [sys.executable, "-c", READ, listed], capture_output=True, text=True, timeout=300, env=environment, check=False
    )
    lines = [json.loads(line) for line in child.stdout.splitlines()]
    assert len(lines) == len(files), f"it died of {list(files)[len(lines)]}: {child.stderr[-500:]}"
    return dict(zip(files, map(tuple, lines), strict=True))


HARMLESS = {"png exif", "tiff strip", "tiff rows", "tiff loop"}
"""What is wrong with them does not touch the pixels: they are read."""


def test_no_bomb_takes_memory_or_time_and_each_is_refused_by_a_sentence(
    results: dict[str, tuple[object, float]],
) -> None:
    others = {what: result for what, (result, _) in results.items() if not isinstance(result, str)}
    assert others == dict.fromkeys(HARMLESS, 1)
    assert {what: seconds for what, (_, seconds) in results.items() if seconds > 1} == {}
    sentences = [result for result, _ in results.values() if isinstance(result, str)]
    assert all(sentence.isprintable() and sentence.endswith(".") for sentence in sentences)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("png size", "64 megapixels"),
        ("webp size", "64 megapixels" if PILLOW >= 13 else "cannot be decoded"),
        ("gif size", "megapixels"),
        ("jpeg size", "64 megapixels"),
        ("npz of endless labels", "its labels are int64 (2500000,), not integers (9,)"),
        ("npz whose index lies", "damaged"),
        ("npy of an endless side", "declared"),
        ("npy with a huge number", "a shape that no array has"),
        ("npy of code", "cannot be read"),
        ("idx of no images", "it is empty"),
        ("idx that is empty", "it begins with nothing"),
        ("idx that claims", "does not fit into memory"),
        ("idx that goes on", "it has more"),
        ("pickle of memo", "not a uint8 array"),
        ("pickle of copies", "more bytes than it has"),
        ("sparse .npy", "neither .npz nor .npy"),
        ("sparse .png", "more than an image"),
        ("sparse jpeg", "more than an image"),
        ("pipe .npz", "not a regular file"),
        ("device .png", "not a regular file"),
    ],
)
def test_a_bomb_is_called_what_it_is(what: str, words: str, results: dict[str, tuple[object, float]]) -> None:
    assert words in str(results[what][0])
