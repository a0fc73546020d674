"""Augmented images are what their labels say, and a label of 0 means an image that nothing was done to."""

import math
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from alphabar.data import augmentation
from alphabar.data.augmentation import Transformation, none, sampled, transformed

CPU = torch.device("cpu")


def noise(count: int = 4, height: int = 12, width: int = 12, channels: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(count, channels, height, width, generator=generator) - 1


def augmented(images: Tensor, probability: float) -> tuple[Tensor, Tensor]:
    transformation = sampled(len(images), probability, images.device)
    return transformed(images, transformation), transformation.label


def under(images: Tensor, **parameters: float) -> Tensor:
    constants = {name: torch.full((len(images),), float(value)) for name, value in parameters.items()}
    return transformed(images, replace(none(len(images)), **constants))


def shifted(images: Tensor, right: int, down: int) -> Tensor:
    height, width = images.shape[2:]
    return under(
        images,
        shift_x=right / (augmentation.SHIFT * width),
        shift_y=down / (augmentation.SHIFT * height),
    )


@pytest.mark.parametrize("seed", range(3))
def test_an_image_is_untouched_exactly_where_its_label_is_zero(seed) -> None:
    torch.manual_seed(seed)
    images = noise(400)
    found, label = augmented(images, 0.15)
    is_zero = (label == 0).all(dim=1)
    assert torch.equal((found == images).flatten(1).all(dim=1), is_zero)
    assert float(is_zero.float().mean()) == pytest.approx(0.5 * 0.925 * 0.85**4, abs=0.08)


def test_nothing_is_done_to_images_without_a_transformation() -> None:
    images = noise()
    assert torch.equal(transformed(images, none(4)), images) and not none(4).label.any()


@pytest.mark.parametrize(("height", "width"), [(12, 12), (8, 16), (9, 5)])
def test_flips_are_exact(height, width) -> None:
    images = noise(height=height, width=width)
    assert torch.equal(under(images, x_flip=1), images.flip(3))
    assert torch.equal(under(images, y_flip=1), images.flip(2))
    assert torch.equal(under(images, x_flip=1, y_flip=1), images.flip(2, 3))


@pytest.mark.parametrize("side", [11, 12])
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_rotation_by_quarter_turns_is_that_of_torch(side, quarters) -> None:
    images = noise(height=side, width=side)
    expected = torch.rot90(images, quarters, (2, 3))  # counter-clockwise
    torch.testing.assert_close(under(images, angle=quarters * math.pi / 2), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("right", "down"), [(2, 0), (0, 3), (-3, 1)])
def test_a_shift_by_whole_pixels_moves_them_and_mirrors_the_image_at_its_edges(right, down) -> None:
    images = noise(height=8, width=16)
    wide = torch.cat([images.flip(3), images, images.flip(3)], dim=3)
    large = torch.cat([wide.flip(2), wide, wide.flip(2)], dim=2)
    expected = large.roll((down, right), (2, 3))[:, :, 8:16, 16:32]
    torch.testing.assert_close(shifted(images, right, down), expected, rtol=0, atol=1e-5)


def test_an_image_with_an_edge_of_one_colour_goes_on_in_it() -> None:
    images = torch.full((2, 3, 10, 10), 0.25)
    images[:, :, 1:9, 1:9] = noise(2, 8, 8)
    expected = torch.full_like(images, 0.25)
    expected[:, :, :, 4:] = images[:, :, :, :6]
    torch.testing.assert_close(shifted(images, 4, 0), expected, rtol=0, atol=1e-5)


def test_a_scale_enlarges_and_an_anisotropy_stretches_along_its_direction() -> None:
    """A bright disc of radius 6 in 64 pixels: its extent along x and y, as the standard deviation of its pixels."""
    at = torch.arange(64.0) - 31.5
    disc = ((at[:, None] ** 2 + at**2 < 36).float() * 2 - 1).expand(1, 1, 64, 64)

    def extent(**parameters: float) -> Tensor:
        mass = (under(disc, **parameters)[0, 0] + 1) / 2
        return torch.stack([(mass.sum(0) * at**2).sum(), (mass.sum(1) * at**2).sum()]).div(mass.sum()).sqrt()

    before, octave = extent(), 1 / 0.2
    ratio = extent(scale=octave) / before
    torch.testing.assert_close(ratio, torch.tensor([2.0, 2.0]), rtol=0.03, atol=0)
    ratio = extent(anisotropy=octave) / before
    torch.testing.assert_close(ratio, torch.tensor([2.0, 0.5]), rtol=0.06, atol=0)
    ratio = extent(anisotropy=octave, direction=math.pi / 2) / before
    torch.testing.assert_close(ratio, torch.tensor([0.5, 2.0]), rtol=0.06, atol=0)


def test_the_order_is_scale_rotation_anisotropy_shift() -> None:
    """A dot right of the centre is enlarged twice, turned up by 90°, stretched upwards twice and moved right."""
    images = torch.full((1, 1, 65, 65), -1.0)
    images[0, 0, 31:34, 35:38] = 1  # 4 right of the centre
    octave = 1 / 0.2
    found = under(
        images, scale=octave, angle=math.pi / 2, anisotropy=octave, direction=math.pi / 2, shift_x=9 / (0.125 * 65)
    )
    mass = found[0, 0] + 1
    at = torch.arange(65.0) - 32
    centre = (float((mass.sum(0) * at).sum() / mass.sum()), float((mass.sum(1) * at).sum() / mass.sum()))
    assert centre == pytest.approx((9, -16), abs=0.1)


def test_each_transformation_happens_as_often_as_it_is_asked_for() -> None:
    torch.manual_seed(0)
    label = sampled(200_000, 0.3, CPU).label
    shares = (label != 0).float().mean(0)
    expected = torch.tensor([0.5, 0.15, 0.3, 0.3, 0.3, 0.3, 0.15, 0.3, 0.3])  # half of the stretches lie along x
    torch.testing.assert_close(shares, expected, rtol=0, atol=0.01)


def test_the_parameters_have_the_papers_distributions() -> None:
    torch.manual_seed(0)
    all_happen = sampled(200_000, 1.0, CPU)
    for name in ("scale", "anisotropy", "shift_x", "shift_y"):
        values = getattr(all_happen, name)
        assert (float(values.mean()), float(values.std())) == pytest.approx((0, 1), abs=0.02)
    assert float(all_happen.angle.abs().max()) == pytest.approx(math.pi, abs=0.01)
    assert float(all_happen.angle.std()) == pytest.approx(math.pi / math.sqrt(3), abs=0.02)


def test_the_same_seed_gives_the_same_images() -> None:
    images = noise()
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(augmented(images, 0.9))
    assert torch.equal(results[0][0], results[1][0]) and torch.equal(results[0][1], results[1][1])
    assert not torch.equal(results[0][0], results[2][0])


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (8, 8), (6, 10)])
def test_augmented_images_of_any_shape_stay_in_the_range_of_images(channels, height, width) -> None:
    torch.manual_seed(0)
    found, label = augmented(noise(50, height, width, channels), 0.9)
    assert found.shape == (50, channels, height, width) and found.abs().max() <= 1 and found.isfinite().all()
    assert label.shape == (50, augmentation.LABEL_SIZE) == (50, len(fields(Transformation)) + 1)
