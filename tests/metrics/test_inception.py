"""The graph behind FID is the published one: it agrees with torch-fidelity's, in every way in which it is peculiar.

The published weights are a download of 96 MB. Those of inception_case.py tell images apart as trained ones do, so
that agreement means something; make_inception_fixture.py asked torch-fidelity what it makes of them.
"""

from collections.abc import Callable
from copy import deepcopy

import inception_case as case
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from inception_network import case_network
from torch import Tensor, nn

from alphabar.metrics.inception import SIDE, Inception, to_input
from alphabar.metrics.inception_blocks import Mixed
from alphabar.metrics.resize import antialiased_bilinear

TOLERANCE = 5e-4
"""Of `error`; float32 alone makes 5e-5 of it, on the machine of the fixture it is 0."""


def images(name: str) -> Tensor:
    return torch.from_numpy(case.images(case.COUNT, case.SIZES[name], seed=0))


def expected(name: str) -> tuple[Tensor, Tensor]:
    with np.load(case.FIXTURE) as fixture:
        return torch.from_numpy(fixture[f"{name}_features"]), torch.from_numpy(fixture[f"{name}_logits"])


@pytest.fixture(scope="module")
def network() -> Inception:
    return case_network()


@torch.inference_mode()
def outputs(network: Inception, x: Tensor) -> tuple[Tensor, Tensor]:
    features, logits = network(x)
    return features, logits


def error(found: Tensor, wanted: Tensor) -> float:
    """Root mean square over rows and columns, relative to how the images (rows) differ from each other."""
    return ((found - wanted).norm() / (wanted - wanted.mean(0)).norm()).item()


@pytest.mark.parametrize("name", case.SIZES)
def test_features_and_logits_are_torch_fidelitys(network, name):
    found, wanted = outputs(network, to_input(images(name))), expected(name)
    assert max(map(error, found, wanted)) < TOLERANCE
    torch.testing.assert_close(found[0], wanted[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", case.SIZES)
def test_the_case_tells_images_apart(name):
    features, logits = expected(name)
    across = features.std(0)
    assert across.mean() > 0.2 * features.mean()
    assert (across > 1e-2).float().mean() > 0.95
    assert logits.std(0).mean() > 1


def test_the_layout_is_that_of_the_published_file(network):
    state = network.state_dict()
    assert len(state) == 566
    assert sum(p.numel() for p in network.parameters()) == 23_850_960
    layers = {
        "Conv2d_1a_3x3": (32, 3, 3, 3),
        "Mixed_5b.branch5x5_2": (64, 48, 5, 5),
        "Mixed_5d.branch_pool": (64, 288, 1, 1),
        "Mixed_6a.branch3x3": (384, 288, 3, 3),
        "Mixed_6c.branch7x7dbl_4": (160, 160, 7, 1),
        "Mixed_7a.branch7x7x3_4": (192, 192, 3, 3),
        "Mixed_7b.branch3x3_2b": (384, 384, 3, 1),
        "Mixed_7c.branch3x3dbl_3a": (384, 384, 1, 3),
    }
    for layer, shape in layers.items():
        assert state[f"{layer}.conv.weight"].shape == shape
        assert f"{layer}.conv.bias" not in state
    assert state["fc.weight"].shape == (1008, 2048)


def test_logits_are_those_of_the_inception_score_without_the_bias(network):
    features, logits = outputs(network, to_input(images("small")[:1]))
    assert network.fc.bias.abs().min() > 0
    torch.testing.assert_close(logits, features @ network.fc.weight.T)


def padded_average(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1)


def average_at_last(network: nn.Module) -> None:
    network.Mixed_7c.pool = network.Mixed_7b.pool


def padding_counts(*blocks: str) -> Callable[[nn.Module], None]:
    def change(network: nn.Module) -> None:
        for block in blocks:
            getattr(network, block).pool = padded_average

    return change


def usual_eps(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-5


CHANGES = {
    "the last block averages": average_at_last,
    "padding counts in A": padding_counts("Mixed_5b", "Mixed_5c", "Mixed_5d"),
    "padding counts in C": padding_counts("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    "padding counts in E": padding_counts("Mixed_7b"),
    "eps is 1e-5": usual_eps,
}


@pytest.mark.parametrize("change", CHANGES)
def test_agreement_would_not_survive_a_change_of_the_graph(network, change):
    other = deepcopy(network)
    CHANGES[change](other)
    features, _ = outputs(other, to_input(images("wide")[:2]))
    assert error(features, expected("wide")[0][:2]) > 100 * TOLERANCE


INPUTS = {
    "torch's resize": lambda u: (F.interpolate(u.float(), (SIDE, SIDE), mode="bilinear") - 128) / 128,
    "antialiased resize": lambda u: (antialiased_bilinear(u.float(), (SIDE, SIDE)) - 128) / 128,
    "scaled by 127.5": lambda u: to_input(u) * 128 / 127.5 + 1 / 255,
}


@pytest.mark.parametrize("change", INPUTS)
def test_agreement_would_not_survive_another_input(network, change):
    features, _ = outputs(network, INPUTS[change](images("wide")[:2]))
    assert error(features, expected("wide")[0][:2]) > 100 * TOLERANCE


def test_blocks_halve_only_where_the_published_graph_does(network):
    sizes = {}
    hooks = [
        block.register_forward_hook(lambda block, _, y, name=name: sizes.update({name: tuple(y.shape[1:])}))
        for name, block in network.named_children()
        if isinstance(block, Mixed)
    ]
    outputs(network, to_input(images("small")[:1]))
    for hook in hooks:
        hook.remove()
    assert list(sizes.values()) == [
        (256, 35, 35), (288, 35, 35), (288, 35, 35),
        (768, 17, 17), (768, 17, 17), (768, 17, 17), (768, 17, 17), (768, 17, 17),
        (1280, 8, 8), (2048, 8, 8), (2048, 8, 8),
    ]  # fmt: skip
