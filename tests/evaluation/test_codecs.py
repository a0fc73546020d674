"""What PNG, WebP, JPEG XL and xz need for images, beside the bound of a model."""

import io
import lzma
from importlib.util import find_spec

import pytest
import torch
from PIL import Image
from torch import Tensor

from alphabar.data import ImageSet
from alphabar.evaluation.codecs import CODECS, sizes, without_padding


def noise(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def image_set(images: Tensor, stored: Tensor | None = None) -> ImageSet:
    return ImageSet("x", images, None, (), "x", stored=stored)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_sizes_are_those_of_files_and_no_format_compresses_noise(channels: int) -> None:
    images = noise(5, channels, 16, 16)
    found = sizes(image_set(images), torch.arange(5))
    assert set(found) == set(CODECS) - (set() if find_spec("pillow_jxl") else {"JPEG XL"})
    pixels = images.permute(0, 2, 3, 1).squeeze(-1).numpy()
    total = 0
    for image in pixels:
        Image.fromarray(image).save(file := io.BytesIO(), format="PNG", optimize=True)
        total += len(file.getvalue())
    assert found["PNG"] == total / 5
    assert found["xz of all in one"] == len(lzma.compress(images.numpy().tobytes(), preset=9)) / 5
    assert all(size > channels * 256 - 1 for size in found.values())


def test_only_the_rows_that_are_measured_count() -> None:
    images = torch.cat([noise(2, 1, 8, 8), torch.zeros(2, 1, 8, 8, dtype=torch.uint8)])
    busy, plain = (sizes(image_set(images), torch.tensor(rows))["PNG"] for rows in ([0, 1], [3, 2]))
    assert plain < 80 < busy or plain < busy


def test_padding_is_left_out_where_it_can_be_told() -> None:
    inner = noise(3, 1, 28, 28)
    padded = torch.nn.functional.pad(inner, (2, 2, 2, 2))
    assert torch.equal(without_padding(padded, [784] * 3), inner)
    assert torch.equal(without_padding(padded, None), padded)
    assert torch.equal(without_padding(padded, [784, 784, 700]), padded)
    spoiled = padded.clone()
    spoiled[1, 0, 0, 0] = 9
    assert torch.equal(without_padding(spoiled, [784] * 3), spoiled)
    stored = torch.full((3,), 784)
    rows = torch.arange(3)
    assert sizes(image_set(padded, stored), rows) == sizes(image_set(inner), rows)


def test_formats_that_do_not_hold_the_channels_are_left_out() -> None:
    assert set(sizes(image_set(noise(2, 2, 8, 8)), torch.arange(2))) & {"WebP", "JPEG XL"} == set()
