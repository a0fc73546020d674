"""What computes the network when images are sampled. Samplers, schedules and noise are ours with each of them."""

from collections.abc import Callable

from torch import nn

from alphabar.diffusion import Network
from alphabar.errors import AlphabarError
from alphabar.interop.graphs import check_onnx
from alphabar.interop.onnx_network import PACKAGES, OnnxNetwork
from alphabar.interop.portable import Portable
from alphabar.registry import look_up
from alphabar.runs.model import LoadedModel

TORCH = "torch"
Backend = Callable[[LoadedModel], Callable[[], Network]]
"""A model -> what makes its network; AlphabarError at once if this backend cannot have it."""


def _torch(model: LoadedModel) -> Callable[[], Network]:
    return lambda: model.denoiser.network


def _onnxruntime(model: LoadedModel) -> Callable[[], Network]:
    if model.device.type != "cpu":
        raise AlphabarError(
            f"--backend onnxruntime computes on the CPU, and the device is {model.device}; choose --device cpu, or "
            "leave --backend out."
        )
    if model.config.network.name != "unet":
        raise AlphabarError(
            f"--backend onnxruntime has U-Nets, and this network is {model.config.network.name}; leave --backend out."
        )
    assert isinstance(model.denoiser.network, nn.Module)
    check_onnx(model.tensors(), "--backend onnxruntime", PACKAGES, "leave --backend out")
    return lambda: OnnxNetwork(Portable(model.config, model.facts, model.tensors(), model.step))


BACKENDS: dict[str, Backend] = {"torch": _torch, "onnxruntime": _onnxruntime}


def made(name: str, model: LoadedModel) -> Callable[[], Network]:
    """What makes the network of `model` with the backend `name`; AlphabarError if that cannot be."""
    return look_up(BACKENDS, name, "backend")(model)


def device(name: str, wanted: str = "auto") -> str:
    """The device that `wanted` means with the backend `name`: the CPU for auto, unless torch computes."""
    return "cpu" if wanted == "auto" and name != TORCH else wanted
