"""The Edit tab: the model sees the picture as `alphabar vary` would, and bad files get a sentence."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import alphabar
from alphabar.app.edit import PAINTED, Editor, Order
from alphabar.app.generated import NONE
from alphabar.app.painting import painted
from alphabar.errors import AlphabarError


@pytest.fixture
def does(models) -> Editor:
    return Editor(models)


@pytest.fixture
def photo(tmp_path) -> str:
    pixels = np.add.outer(np.arange(20), np.arange(30)).astype(np.uint8) * 5
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def order(file: str | None, label: str = NONE, **values: Any) -> Order:
    return Order("digits", label, file, "crop", values)


def last(steps: Iterator[tuple[str, Any]]) -> tuple[str, Any]:
    *_, end = steps
    return end


def layer(path: Path, rows: slice) -> str:
    alpha = np.zeros((400, 400, 4), np.uint8)
    alpha[rows] = 255
    Image.fromarray(alpha).save(path)
    return str(path)


def bomb(path: Path, side: int = 30_000) -> str:
    """A PNG of a few kilobytes that claims side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    return str(path)


def test_the_picture_is_shown_as_the_model_sees_it(does, photo) -> None:
    seen = does.seen("digits", photo, "crop")
    assert seen.size == (512, 512)
    assert len(np.unique(np.asarray(seen)[::64, ::64, 0])) > 8


def test_edits_are_those_of_python(does, photo, run) -> None:
    expected = alphabar.vary(run, photo, start=20, seeds="0-3", resize="crop", label="none")
    assert last(does.vary(order(photo), 0.5, "0-3"))[1].tobytes() == expected.grid().tobytes()
    expected = alphabar.inpaint(run, photo, "left", seeds="0-1", resize="crop", label=7, steps=5)
    assert last(does.inpaint(order(photo, "7", steps="5"), "left", [], "0-1"))[1].tobytes() == expected.grid().tobytes()


def test_only_what_was_painted_is_sampled_anew(does, photo, tmp_path) -> None:
    layers = [layer(tmp_path / "layer.png", slice(0, 200))]
    by_hand = last(does.inpaint(order(photo, steps="5"), PAINTED, layers, "0-1"))[1]
    named = last(does.inpaint(order(photo, steps="5"), "top", [], "0-1"))[1]
    assert by_hand.tobytes() == named.tobytes()
    mask = np.asarray(painted([*layers, layer(tmp_path / "b.png", slice(390, 400))], (8, 8)))
    assert (mask[:4] == 255).all() and not mask[4:].any()  # less than half of a pixel is not painted


def test_decoding_is_shown_with_its_error(does, photo) -> None:
    text, picture = last(does.encode(order(photo, steps="10")))
    assert "differs by" in text and "%" in text and picture.height > picture.width


def test_an_area_has_to_be_painted_and_sent_as_a_picture(does, photo, tmp_path) -> None:
    (text := tmp_path / "text.png").write_text("no picture")
    for layers, said in (
        ([], "Nothing is painted yet"),
        ([layer(tmp_path / "empty.png", slice(0, 0))], "Nothing is painted yet"),
        ([str(text)], "not a picture"),
        ([str(tmp_path / "missing.png")], "not a picture"),
        ([bomb(tmp_path / "bomb.png")], "too large"),
        ([photo, str(tmp_path)], "not a picture"),
    ):
        with pytest.raises(AlphabarError, match=said):
            next(does.inpaint(order(photo), PAINTED, layers, "0"))


@pytest.mark.parametrize("kind", ["text", "empty", "cut", "bomb", "svg", "eps", "folder", "gone", "none"])
def test_a_bad_upload_gets_one_sentence_that_names_the_file_but_not_its_place(kind, does, photo, tmp_path) -> None:
    (place := tmp_path / "secret-place").mkdir()
    file = place / "mine.png"
    contents = {
        "text": b"hello" * 99, "empty": b"", "cut": Path(photo).read_bytes()[:50],
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>', "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9",
    }  # fmt: skip
    if kind == "bomb":
        bomb(file)
    elif kind == "folder":
        file.mkdir()
    elif kind in contents:
        file.write_bytes(contents[kind])
    given = None if kind == "none" else str(file)
    looks = [] if kind == "none" else [lambda: does.seen("digits", given, "crop")]
    for work in (
        *looks,
        lambda: next(does.vary(order(given), 0.5, "0")),
        lambda: next(does.encode(order(given))),
    ):
        with pytest.raises(AlphabarError) as error:
            work()
        said = str(error.value)
        assert "secret-place" not in said and "\n" not in said
        assert ("upload one" if kind == "none" else "mine.png") in said


def test_too_many_results_are_refused(does, photo) -> None:
    with pytest.raises(AlphabarError, match="at most 16 results at a time; got 17"):
        next(does.vary(order(photo), 0.5, "0-16"))
