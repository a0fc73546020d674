"""Group normalization by sums over channels, where torch's own kernel is slow, is group normalization."""

import pytest
import torch

from alphabar.networks import normalization
from alphabar.networks.normalization import GroupNorm

SHAPES = [(16, 24, 28, 28), (64, 8, 16, 16), (64, 64, 4, 4), (7, 48, 14, 15)]
"""Shapes for which torch is slow."""


def images(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x.to(dtype).contiguous(memory_format=torch.channels_last)


def norm_of(groups: int, channels: int, dtype: torch.dtype = torch.float32) -> GroupNorm:
    norm = GroupNorm(groups, channels).to(dtype)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    return norm


def of_definition(x: torch.Tensor, norm: GroupNorm) -> torch.Tensor:
    groups = x.reshape(len(x), norm.num_groups, -1)
    centred = groups - groups.mean(2, keepdim=True)
    h = (centred / (centred.square().mean(2, keepdim=True) + norm.eps).sqrt()).reshape(x.shape)
    return (h * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)).detach()


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """The shapes that did not go to torch's kernel."""
    shapes, real = list[torch.Size](), normalization._of_pixels

    def of_pixels(x: torch.Tensor, *rest: object) -> torch.Tensor:
        shapes.append(x.shape)
        return real(x, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(normalization, "_of_pixels", of_pixels)
    return shapes


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-14)])
def test_it_is_group_normalization(shape, size: int, dtype: torch.dtype, tolerance: float, used) -> None:
    """Of images around 0, and of some that are nearly even: a variance by E x² − (E x)² would have no digits there."""
    norm = norm_of(shape[1] // size, shape[1], dtype)
    for x in (images(shape, dtype), 100 + 0.5 * images(shape, dtype)):
        exact = of_definition(x.double(), norm)
        with torch.no_grad():
            found = norm(x)
        assert found.dtype is dtype and found.is_contiguous(memory_format=torch.channels_last)
        assert (found - exact).abs().max() <= tolerance * x.abs().max()
    assert used == [shape, shape]


def test_an_image_without_contrast_stays_finite(used) -> None:
    norm = norm_of(12, 24)
    with torch.no_grad():
        found = norm(torch.full((16, 24, 28, 28), 7.0).contiguous(memory_format=torch.channels_last))
    assert torch.equal(found, norm.bias.detach().view(1, 24, 1, 1).expand_as(found)) and used


def test_torch_does_it_where_it_is_fast_or_gradients_are_asked_for(used) -> None:
    x = images((16, 24, 28, 28))
    norm = norm_of(12, 24)
    assert norm(x).requires_grad
    with torch.no_grad():
        norm(x.contiguous(memory_format=torch.contiguous_format))  # other memory
        norm(x[:1])  # a few elements
        norm_of(2, 24)(x)  # large groups
        norm(images((16, 24, 32, 32)))  # many pixels
    assert not used
