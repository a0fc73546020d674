"""Bytes and signed floats are inverse; resize rules keep their promises; what is written can be read back."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alphabar import films, images
from alphabar.errors import AlphabarError
from alphabar.files import atomic_file
from alphabar.images import (
    RESIZE_RULES,
    crop,
    enlargement,
    grid,
    in_channels,
    pad,
    save_npz,
    save_png,
    to_pil,
    to_signed,
    to_uint8,
)

LEVELS = torch.arange(256, dtype=torch.uint8)


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_all_256_levels_survive_the_round_trip() -> None:
    signed = to_signed(LEVELS)
    assert (signed[0], signed[-1]) == (-1, 1)
    assert torch.equal(to_uint8(signed), LEVELS)


def test_to_uint8_rounds_to_the_nearest_level_and_clamps() -> None:
    x = to_signed(LEVELS)
    assert torch.equal(to_uint8(x + 0.49 / 127.5), LEVELS)
    assert torch.equal(to_uint8(x - 0.49 / 127.5), LEVELS)
    assert to_uint8(torch.tensor([-7.0, 7.0])).tolist() == [0, 255]


def test_half_precision_images_become_the_same_bytes() -> None:
    assert torch.equal(to_uint8(to_signed(LEVELS).to(torch.float16)), LEVELS)


@pytest.mark.parametrize("rule", RESIZE_RULES)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(8, 8), (5, 11), (40, 30)])
def test_every_rule_reaches_the_size_and_keeps_the_mode(rule: str, mode: str, size: tuple[int, int]) -> None:
    made = RESIZE_RULES[rule](Image.new(mode, (20, 13)), size)
    assert (made.height, made.width, made.mode) == (*size, mode)


@pytest.mark.parametrize("rule", RESIZE_RULES)
def test_an_image_of_the_right_size_is_left_alone(rule: str) -> None:
    image = to_pil(noise(3, 9, 12))
    assert np.array_equal(np.asarray(RESIZE_RULES[rule](image, (9, 12))), np.asarray(image))


@pytest.mark.parametrize("rule", ["crop", "stretch"])
def test_shrinking_is_antialiased(rule: str) -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    small = np.asarray(RESIZE_RULES[rule](Image.fromarray(stripes), (8, 8)))[:, 1:-1].astype(int)
    assert np.abs(small - 127.5).max() < 8


def test_crop_takes_the_centre_and_keeps_proportions() -> None:
    wide = np.zeros((10, 30), np.uint8)
    wide[:, 10:20] = 200
    assert (np.asarray(crop(Image.fromarray(wide), (10, 10))) == 200).all()


def test_pad_keeps_the_pixels_of_a_smaller_image() -> None:
    image = to_pil(noise(1, 28, 28))
    made = np.asarray(pad(image, (32, 32)))
    assert np.array_equal(made, np.pad(np.asarray(image), 2))


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (12, 200, 77), (255, 255, 255)])
def test_a_background_is_as_grey_as_pillow_makes_it(colour) -> None:
    (level,) = in_channels(colour, 1)
    assert level == Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0))
    assert in_channels(colour, 2) == (level, 0) and in_channels(colour, 4) == (*colour, 0)


def test_pad_shrinks_a_larger_image_onto_the_background() -> None:
    made = np.asarray(pad(Image.new("RGB", (40, 20), (9, 9, 9)), (10, 10), (255, 0, 0)))
    assert (made[3:7] == 9).all()
    assert (made[[0, 1, 8, 9]] == [255, 0, 0]).all()


@pytest.mark.parametrize("rule", RESIZE_RULES)
def test_extreme_proportions_cost_nothing_and_do_not_fail(rule: str) -> None:
    assert RESIZE_RULES[rule](Image.new("L", (60000, 1)), (32, 32)).size == (32, 32)


def test_a_grid_holds_its_tiles_row_by_row_and_grey_between() -> None:
    images = noise(5, 3, 4, 6)
    sheet = grid(images, columns=3, enlarge=2, gap=1)
    assert sheet.shape == (3, 2 * 9 - 1, 3 * 13 - 1)
    for k in range(5):
        top, left = k // 3 * 9, k % 3 * 13
        assert torch.equal(sheet[:, top : top + 8 : 2, left : left + 12 : 2], images[k])
        assert torch.equal(sheet[:, top + 1 : top + 8 : 2, left + 1 : left + 12 : 2], images[k])
    assert (sheet[:, 8] == 128).all()
    assert (sheet[:, 9:, 26:] == 128).all()


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (2, (1, 2)), (9, (3, 3)), (10, (3, 4)), (64, (8, 8))])
def test_a_grid_is_near_square(count: int, shape: tuple[int, int]) -> None:
    assert grid(noise(count, 1, 2, 2), gap=0).shape == (1, 2 * shape[0], 2 * shape[1])


def test_an_empty_grid_is_refused() -> None:
    with pytest.raises(AlphabarError, match="at least one image"):
        grid(noise(0, 1, 2, 2))


def test_enlargement_makes_small_images_visible() -> None:
    assert [enlargement(height) for height in (8, 28, 32, 64, 256)] == [16, 4, 4, 2, 1]


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_pictures_have_the_tensors_pixels(channels: int, mode: str) -> None:
    image = noise(channels, 5, 7)
    picture = to_pil(image)
    assert picture.mode == mode
    assert np.array_equal(np.asarray(picture).reshape(5, 7, channels), image.permute(1, 2, 0))


@pytest.mark.parametrize("channels", [2, 5])
def test_other_channel_counts_are_shown_side_by_side(channels: int) -> None:
    image = noise(channels, 5, 7)
    picture = np.asarray(to_pil(image))
    assert np.array_equal(picture, np.concatenate(list(image.numpy()), axis=1))


def test_png_round_trip_with_text(tmp_path: Path) -> None:
    image = noise(3, 6, 5)
    text = {"command": "alphabar sample", "ᾱ".encode().hex(): "ᾱ ε", "path": os.fsdecode(b"\xff.png")}
    save_png(tmp_path / "a.png", image, text)
    with Image.open(tmp_path / "a.png") as read:
        assert np.array_equal(np.asarray(read), image.permute(1, 2, 0))
        assert read.text == {**text, "path": "\\udcff.png"}


def test_npz_round_trip(tmp_path: Path) -> None:
    images, labels = noise(4, 3, 5, 6), torch.tensor([3, 1, 0, 2])
    save_npz(tmp_path / "a.npz", images, labels)
    read = np.load(tmp_path / "a.npz")
    assert sorted(read) == ["arr_0", "arr_1"]
    assert (read["arr_0"].dtype, read["arr_0"].shape) == (np.uint8, (4, 5, 6, 3))
    assert np.array_equal(read["arr_0"], images.permute(0, 2, 3, 1))
    assert read["arr_1"].tolist() == [3, 1, 0, 2]
    save_npz(tmp_path / "b.npz", images)
    assert sorted(np.load(tmp_path / "b.npz")) == ["arr_0"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_file(path) as file:
        file.write(b"half of the new")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]  # noqa: PTH208 (hidden files included)


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(AlphabarError, match=r"Cannot write .*missing"):
        save_png(tmp_path / "missing" / "a.png", noise(1, 2, 2))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AlphabarError, match=r"Cannot write .*file"):
        save_png(tmp_path / "file" / "a.png", noise(1, 2, 2))
    (tmp_path / "folder").mkdir()
    with pytest.raises(AlphabarError, match=r"Cannot write .*folder"):
        save_png(tmp_path / "folder", noise(1, 2, 2))
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]  # noqa: PTH208


def test_only_the_named_formats_are_opened_whatever_a_file_is_called(tmp_path, monkeypatch) -> None:
    """An EPS file would start Ghostscript."""
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *args, **options: pytest.fail("Ghostscript was started"))
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n%%EOF\n"
    (tmp_path / "seed-000000.png").write_bytes(eps)
    assert images.load_png(tmp_path / "seed-000000.png", (1, 8, 8)) is None
    assert films.comment_of(tmp_path / "seed-000000.png") is None


def test_a_picture_that_claims_too_many_pixels_is_not_decoded(tmp_path) -> None:
    images.save_png(tmp_path / "image.png", torch.zeros(1, 8, 9, dtype=torch.uint8))
    with pytest.raises(images.TooLargeError, match="8x9"), images.opened(tmp_path / "image.png", largest=71):
        pass
    with images.opened(tmp_path / "image.png", largest=72) as picture:
        assert picture.size == (9, 8)
