"""What is done to x̂_0 before it is used."""

import pytest
import torch
from diffusion_cases import images, normal

from alphabar.diffusion import X0_TRANSFORMS, clip
from alphabar.diffusion.thresholding import DynamicThreshold
from covering import label

TRANSFORMS = [transform for transform in X0_TRANSFORMS.values() if transform is not None]


def test_none_is_a_choice():
    assert X0_TRANSFORMS["none"] is None


@pytest.mark.parametrize("transform", TRANSFORMS, ids=label)
def test_images_in_range_pass_unchanged(transform):
    assert torch.equal(transform(images(4)), images(4))


@pytest.mark.parametrize("transform", TRANSFORMS, ids=label)
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_what_comes_out_is_in_range(transform, scale):
    out = transform(scale * normal(5))
    assert float(out.abs().max()) <= 1 and out.shape == normal(5).shape and out.dtype == torch.float64


@pytest.mark.parametrize("transform", TRANSFORMS, ids=label)
def test_twice_is_once(transform):
    once = transform(4 * normal(5))
    assert torch.equal(transform(once), once)


@pytest.mark.parametrize("transform", TRANSFORMS, ids=label)
def test_an_image_does_not_depend_on_its_neighbours(transform):
    x = torch.cat([3 * normal(2), 50 * normal(2, seed=9)])
    assert torch.equal(transform(x)[:2], transform(x[:2]))


def test_clip_clips():
    assert clip(torch.tensor([-7.0, -1.0, 0.25, 1.5])).tolist() == [-1, -1, 0.25, 1]


def test_dynamic_threshold_is_imagens():
    x = torch.linspace(-4, 4, 1001, dtype=torch.float64).reshape(1, 1, 7, 143)
    s = torch.quantile(x.abs().flatten(), 0.9)
    torch.testing.assert_close(DynamicThreshold(0.9)(x), x.clamp(-s, s) / s, rtol=1e-14, atol=0)


def test_dynamic_threshold_measures_each_image():
    x = torch.stack([2 * images(1)[0], 8 * images(1)[0]])
    small, large = DynamicThreshold(1.0)(x)
    torch.testing.assert_close(small, large)
