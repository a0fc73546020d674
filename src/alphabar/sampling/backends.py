"""What computes the network when images are sampled. Samplers, schedules and noise are ours with each of them."""

from collections.abc import Callable

from torch import nn

from alphabar.diffusion import Network
from alphabar.errors import AlphabarError
from alphabar.interop import onnx_network
from alphabar.interop.graphs import check_onnx
from alphabar.interop.onnx_network import OnnxNetwork
from alphabar.interop.portable import Portable
from alphabar.registry import look_up
from alphabar.runs.model import LoadedModel

TORCH = "torch"
Backend = Callable[[LoadedModel], Callable[[], Network]]
"""A model -> what makes its network; AlphabarError at once if this backend cannot have it."""


def _torch(model: LoadedModel) -> Callable[[], Network]:
    return lambda: model.denoiser.network


def _of_onnx(name: str, engine: onnx_network.Engine) -> Backend:
    """The backend `name`: an engine that computes the ONNX graph of a U-Net on the CPU."""

    def backend(model: LoadedModel) -> Callable[[], Network]:
        option, network = f"--backend {name}", model.config.network.name
        if model.device.type != "cpu":
            raise AlphabarError(
                f"{option} computes on the CPU, and the device is {model.device}; choose --device cpu, or leave "
                "--backend out."
            )
        if network != "unet":
            raise AlphabarError(f"{option} has U-Nets, and this network is {network}; leave --backend out.")
        assert isinstance(model.denoiser.network, nn.Module)
        check_onnx(model.tensors(), option, *onnx_network.NEEDS[engine], "leave --backend out")
        return lambda: OnnxNetwork(Portable(model.config, model.facts, model.tensors(), model.step), engine)

    return backend


BACKENDS: dict[str, Backend] = {
    "torch": _torch,
    "onnxruntime": _of_onnx("onnxruntime", onnx_network.onnxruntime),
    "openvino": _of_onnx("openvino", onnx_network.openvino),
}


def made(name: str, model: LoadedModel) -> Callable[[], Network]:
    """What makes the network of `model` with the backend `name`; AlphabarError if that cannot be."""
    return look_up(BACKENDS, name, "backend")(model)


def device(name: str, wanted: str = "auto") -> str:
    """The device that `wanted` means with the backend `name`: the CPU for auto, unless torch computes."""
    return "cpu" if wanted == "auto" and name != TORCH else wanted
