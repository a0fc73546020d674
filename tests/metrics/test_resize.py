"""Resizing is TensorFlow 1's for the one extractor, and antialiased for the other."""

import inception_case as case
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alphabar.metrics.resize import antialiased_bilinear, tf1_bilinear


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, 1, -1)


@pytest.mark.parametrize(
    ("source", "width", "expected"),
    [
        (row(0, 10), 4, row(0, 5, 10, 10)),  # at 0, 1/2, 1, 3/2: the last has nothing to its right
        (row(0, 10, 20, 30), 2, row(0, 20)),  # at 0 and 2: shrinking skips pixels
        (row(0, 9, 3), 2, row(0, 6)),  # at 0 and 3/2
        (row(7), 3, row(7, 7, 7)),
    ],
)
def test_tf1_bilinear_by_hand(source, width, expected):
    assert torch.equal(tf1_bilinear(source, (1, width)), expected)
    assert torch.equal(tf1_bilinear(source.mT, (width, 1)), expected.mT)


@pytest.mark.parametrize(("k", "source", "target"), [(k, *sizes) for k, sizes in enumerate(case.RESIZES)])
def test_tf1_bilinear_has_the_bits_of_torch_fidelity(k, source, target):
    with np.load(case.FIXTURE) as fixture:
        expected = torch.from_numpy(fixture[f"resize_{k}"])
    assert torch.equal(tf1_bilinear(torch.from_numpy(case.pixels(source)), target), expected)


def test_tf1_bilinear_is_neither_of_torchs_own():
    x = torch.from_numpy(case.pixels((32, 32)))
    ours = tf1_bilinear(x, (299, 299))
    for align_corners in (False, True):
        torchs = F.interpolate(x, (299, 299), mode="bilinear", align_corners=align_corners)
        assert (ours - torchs).abs().mean() > 5  # of 255


def test_antialiased_bilinear_keeps_the_mean_that_tf1_bilinear_loses():
    checkerboard = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 255.0
    x = checkerboard.expand(1, 3, 64, 64)
    inner = antialiased_bilinear(x, (16, 16))[..., 1:-1, 1:-1]
    assert torch.allclose(inner, torch.full_like(inner, 127.5), atol=0.5)
    assert torch.equal(tf1_bilinear(x, (16, 16)), torch.zeros(1, 3, 16, 16))
