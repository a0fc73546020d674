"""Non-leaky augmentation: transformed images, and labels that say how (EDM, Karras et al. 2022, App. F.2)."""

import math
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

LABEL_SIZE = 9
"""Numbers in the label of a transformation."""
SCALE, ANISOTROPY, SHIFT = 0.2, 0.2, 0.125
"""Standard deviations of log2 of the scale, of log2 of the anisotropy, and of the shift as a share of the side."""


@dataclass(frozen=True)
class Transformation:
    """A geometric transformation of each image of a batch: float32 (B,) each, 0 where there is none of its kind.

    The flips come first, then the scale, the rotation, the anisotropy and the shift.
    """

    x_flip: Tensor
    """1 mirrors left and right."""
    y_flip: Tensor
    """1 mirrors top and bottom."""
    scale: Tensor
    """The image is enlarged by 2^(0.2 scale)."""
    angle: Tensor
    """Radians, counter-clockwise."""
    anisotropy: Tensor
    """One direction is stretched by 2^(0.2 anisotropy), and the one at right angles to it shrunk as much."""
    direction: Tensor
    """The angle of the stretched direction, radians."""
    shift_x: Tensor
    """To the right, by 0.125 shift_x of the width."""
    shift_y: Tensor
    """Downwards, by 0.125 shift_y of the height."""

    @property
    def label(self) -> Tensor:
        """What the network is told, (B, 9): all 0 for an image that is left as it is."""
        parts = [
            self.x_flip, self.y_flip, self.scale, self.angle.cos() - 1, self.angle.sin(),
            self.anisotropy * self.direction.cos(), self.anisotropy * self.direction.sin(), self.shift_x, self.shift_y,
        ]  # fmt: skip
        return torch.stack(parts, dim=1)

    def of(self, rows: slice) -> "Transformation":
        """The transformation of these images of the batch."""
        return Transformation(*(getattr(self, field.name)[rows] for field in fields(self)))


def sampled(count: int, probability: float, device: torch.device) -> Transformation:
    """Random transformations of `count` images by the default generator, with the distributions of the paper's Table 6.

    probability: of each kind of transformation, for each image. As in the paper, the x flip does not follow it: half of
    all images are mirrored. The network is told so, so that it samples no mirrored images, but learns from them.
    """
    uniform = torch.rand(10, count, device=device)
    normal = torch.randn(4, count, device=device)
    y_flips, scales, turns, stretches, shifts = uniform[:5] < probability
    mirrors_x, mirrors_y, angle, turns_the_stretch, direction = uniform[5:]
    return Transformation(
        x_flip=(mirrors_x < 0.5).float(),
        y_flip=(y_flips & (mirrors_y < 0.5)).float(),
        scale=scales * normal[0],
        angle=turns * math.pi * (2 * angle - 1),
        anisotropy=stretches * normal[1],
        direction=(turns_the_stretch < 0.5) * math.pi * (2 * direction - 1),  # the others are along the axes
        shift_x=shifts * normal[2],
        shift_y=shifts * normal[3],
    )


def transformed(images: Tensor, transformation: Transformation) -> Tensor:
    """Float images (B, C, H, W) in [-1, 1], each transformed by bicubic interpolation in one resampling.

    What comes in over the edges: their colour, where all pixels at the edge of the image are equal, and the mirrored
    image otherwise. An image that is not transformed keeps its bits, and flips alone are exact.
    """
    images = torch.where(_each(transformation.x_flip > 0), images.flip(3), images)
    images = torch.where(_each(transformation.y_flip > 0), images.flip(2), images)
    height, width = images.shape[2:]
    grid = F.affine_grid(_source(transformation, height, width), list(images.shape), align_corners=False)
    x, y = grid.unbind(dim=3)
    last_x, last_y = 1 - 1 / width, 1 - 1 / height  # the centres of the outermost pixels
    inside = torch.stack([x.clamp(-last_x, last_x), y.clamp(-last_y, last_y)], dim=3)
    grid = torch.where(_each(_has_plain_edge(images)), inside, grid)
    moved = F.grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=False).clamp(-1, 1)
    return torch.where(_each(transformation.label[:, 2:].any(dim=1)), moved, images)


def none(count: int, device: torch.device | str = "cpu") -> Transformation:
    """The transformation that leaves `count` images as they are."""
    return Transformation(*torch.zeros(8, count, device=device))


def _source(transformation: Transformation, height: int, width: int) -> Tensor:
    """Where in the image each pixel comes from: (B, 2, 3), for coordinates that run from -1 to 1 over each side."""
    t = transformation
    scale, stretch, aspect = 2 ** (SCALE * t.scale), 2 ** (ANISOTROPY * t.anisotropy), width / height
    one = torch.ones_like(scale)
    # In pixels from the centre, y downwards: G^-1 = scale^-1 rotation^-1 anisotropy^-1 shift^-1.
    linear = _diagonal(1 / scale, 1 / scale) @ _rotation(t.angle)
    linear = linear @ _rotation(-t.direction) @ _diagonal(1 / stretch, stretch) @ _rotation(t.direction)
    linear = _diagonal(one / aspect, one) @ linear @ _diagonal(one * aspect, one)  # a side is 2 units now
    shift = 2 * SHIFT * torch.stack([t.shift_x, t.shift_y], dim=1)[:, :, None]
    return torch.cat([linear, -linear @ shift], dim=2)


def _rotation(angle: Tensor) -> Tensor:
    """(B, 2, 2): the rotation by `angle`, clockwise where y points down."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin, sin, cos], dim=1).view(-1, 2, 2)


def _diagonal(x: Tensor, y: Tensor) -> Tensor:
    return torch.diag_embed(torch.stack([x, y], dim=1))


def _has_plain_edge(images: Tensor) -> Tensor:
    """(B,): whether all pixels at the edge of an image are equal."""
    edge = torch.cat([images[:, :, 0], images[:, :, -1], images[:, :, :, 0], images[:, :, :, -1]], dim=2)
    return (edge == edge[:, :, :1]).flatten(1).all(dim=1)


def _each(mask: Tensor) -> Tensor:
    """A mask (B,) that selects among images."""
    return mask[:, None, None, None]
