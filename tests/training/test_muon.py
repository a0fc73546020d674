"""Muon makes orthogonal steps of the hidden matrices, whatever the scale of their gradients, and Adam's of the rest."""

import copy

import pytest
import torch
from torch import Tensor, nn

from alphabar import build, networks
from alphabar.training.optimizers.muon import Muon, hidden_matrices, orthogonalised

RATE = 0.01
SHAPES = [(8, 8), (5, 40), (40, 5)]


def muon(network: nn.Module, **changes: float) -> Muon:
    return Muon(
        network, **({"lr": RATE, "adam_factor": 0.4, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0} | changes)
    )


class Sandwich(nn.Sequential):
    """A first and a last convolution, and a hidden one of `shape`."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__(nn.Conv2d(2, 3, 1), nn.Conv2d(columns, rows, 1), nn.GroupNorm(1, rows), nn.Conv2d(3, 2, 1))


def given_gradients(network: nn.Module, seed: int, scale: float = 1.0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.grad = scale * torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("condition", [1.0, 30.0])
def test_an_orthogonalised_matrix_keeps_its_singular_vectors_and_loses_their_values(shape, condition) -> None:
    """U S Vᵀ -> U S' Vᵀ with S' near 1, if the smallest singular value is no smaller than 1/30 of the largest."""
    torch.manual_seed(0)
    u, s, vh = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    matrix = u @ torch.diag(torch.linspace(1, 1 / condition, len(s))) @ vh
    kept = u.mT @ orthogonalised(matrix[None])[0] @ vh.mT
    assert kept.diagonal().min() > 0.6 and kept.diagonal().max() < 1.3
    assert (kept - torch.diag(kept.diagonal())).abs().max() < 1e-4


@pytest.mark.parametrize("scale", [0.0, 1e-40, 1e-28, 1e-24, 1e-22, 1e-18, 1e-15])
def test_no_gradient_is_so_small_that_its_step_is_large(scale) -> None:
    torch.manual_seed(0)
    for shape in ((8, 8), (64, 576)):
        step = orthogonalised(scale * torch.randn(1, *shape))
        assert step.isfinite().all() and torch.linalg.matrix_norm(step, 2).max() < 1.3


@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_does_not_depend_on_the_scale_of_the_gradient(shape) -> None:
    ends = []
    for scale in (2.0**-20, 1.0, 2.0**20):  # powers of two, so that nothing is rounded otherwise
        network = Sandwich(*shape)
        torch.nn.init.zeros_(network[1].weight)
        optimizer = muon(network)
        for step in range(3):
            given_gradients(network, step, scale)
            optimizer.step()
        ends.append(network[1].weight.detach())
    assert torch.equal(ends[0], ends[1]) and torch.equal(ends[2], ends[1])


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch.optim.Muon came with torch 2.9")
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("shape", SHAPES)
def test_matrices_move_as_by_the_muon_of_torch(shape, weight_decay) -> None:
    """Which iterates in bfloat16, so up to its rounding."""
    network = Sandwich(*shape)
    theirs = nn.Parameter(network[1].weight.detach().flatten(1).clone())
    before = theirs.detach().clone()
    reference = torch.optim.Muon([theirs], lr=RATE, weight_decay=weight_decay, adjust_lr_fn="original")
    optimizer = muon(network, weight_decay=weight_decay)
    for step in range(4):
        given_gradients(network, step)
        theirs.grad = network[1].weight.grad.flatten(1).clone()
        optimizer.step()
        reference.step()
    moved, expected = network[1].weight.detach().flatten(1) - before, theirs.detach() - before
    assert (moved - expected).norm() < 0.03 * expected.norm()


def test_the_rest_moves_as_by_adam_at_its_share_of_the_rate() -> None:
    ours = Sandwich(8, 8)
    theirs = copy.deepcopy(ours)
    optimizer, reference = muon(ours), torch.optim.Adam(theirs.parameters(), lr=0.4 * RATE, fused=True)
    for step in range(4):
        for network in (ours, theirs):
            given_gradients(network, step)
        optimizer.step()
        reference.step()
    for name, parameter in theirs.named_parameters():
        assert torch.equal(ours.get_parameter(name), parameter) == (name != "1.weight"), name


def names_of(network: nn.Module, tensors: list[Tensor]) -> set[str]:
    return {name for name, parameter in network.named_parameters() if any(parameter is tensor for tensor in tensors)}


@pytest.mark.parametrize("preset", networks.PRESETS)
def test_embeddings_and_the_first_and_last_layer_are_no_hidden_matrices(tiny, preset) -> None:
    classes = ("network.class_conditional=true", "network.label_dropout=0.1")
    config = tiny(f"network.preset={preset}", "network.heads=2", *classes)
    network = build.network(config, build.image_facts(build.image_set(config.data)))
    others = {name for name, p in network.named_parameters() if p.ndim >= 2} - names_of(
        network, hidden_matrices(network)
    )
    tables = {name for name in others if name.startswith("embedding.")}
    assert others - tables == {"conv_in.weight", "conv_out.weight"} and len(tables) == 1
    assert all(network.get_parameter(name).shape[0] == 11 for name in tables)


def test_a_parameter_without_a_gradient_stays_where_it_is() -> None:
    network = Sandwich(8, 8)
    before = copy.deepcopy(network.state_dict())
    given_gradients(network, 0)
    network[1].weight.grad = network[2].bias.grad = None
    muon(network, weight_decay=0.5).step()
    after = network.state_dict()
    assert {name for name in before if torch.equal(before[name], after[name])} == {"1.weight", "2.bias"}
