"""A network computes on the device what it computes on the CPU."""

from copy import deepcopy

import pytest
import torch

from alphabar import build
from alphabar.config import ImageFacts
from alphabar.networks import PRESETS
from alphabar.networks.precision import autocast

CPU = torch.device("cpu")
FACTS = ImageFacts(shape=(3, 16, 16), class_names=("a", "b"), fingerprint="")
NETWORKS = {
    **{name: [f"network.preset={name}"] for name in PRESETS if name != "adm"},
    "adm": ["network.preset=adm", "network.head_channels=8"],
    "classes": ["network.class_conditional=true", "network.label_dropout=0.1"],
    "upsampler": ["network.low_resolution=[8,8]"],
    "noisenet": ["network.name=noisenet", "network.channels=16"],
}


@pytest.fixture(params=NETWORKS)
def config(request, tiny):
    return tiny("network.attention_resolutions=[8]", *NETWORKS[request.param])


def networks_of(config, device: torch.device) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The same network on the CPU and on the device, with no weight at zero, where a new network has many."""
    torch.manual_seed(0)
    network = build.network(config, FACTS).eval()
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(0.05 * torch.randn_like(weights))
    return build.place(deepcopy(network), CPU), build.place(network, device)


def inputs_of(config, device: torch.device) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    torch.manual_seed(1)
    inputs = build.example(config, FACTS, 4, CPU)
    inputs["time"] = torch.tensor([1.0, 5.0, 10.0, 20.0])
    return inputs, {name: tensor.to(device) for name, tensor in inputs.items()}


@torch.no_grad()
def test_the_forward_pass_is_that_of_the_cpu(config, device) -> None:
    here, there = networks_of(config, device)
    inputs, sent = inputs_of(config, device)
    expected = here(**inputs)
    assert expected.std() > 0.01
    torch.testing.assert_close(there(**sent).cpu(), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_forward_pass_in_bf16_is_near_that_of_the_cpu_in_fp32(config, device) -> None:
    here, there = networks_of(config, device)
    inputs, sent = inputs_of(config, device)
    expected, got = here(**inputs), autocast(there, device.type, torch.bfloat16)(**sent)
    assert got.dtype == torch.float32
    assert float((got.cpu() - expected).norm() / expected.norm()) < 3e-2
