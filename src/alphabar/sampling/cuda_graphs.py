"""A network's call as a CUDA graph: its kernels are launched at once, and not one by one from Python.

Captured by hand, and not by `torch.compile(mode="reduce-overhead")`: the kernels, and so the images, stay those of the
network itself, and nothing is compiled, which would take longer than most samplings.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from alphabar.diffusion import Network

MOST = 4
"""Graphs of one network: of a whole batch and of the last, smaller one, with guidance and without."""
Capture = Callable[[Callable[[], Tensor]], tuple[Callable[[], None], Tensor]]
"""A call -> what replays it, and the tensor that holds its output after a replay."""


def graphed(network: Network, device: torch.device) -> Network:
    """The network as CUDA graphs on an NVIDIA GPU; the network itself elsewhere."""
    return Graphed(network, _captured) if device.type == "cuda" else network


class Graphed:
    """(x_t (B, C, H, W), time (B,), ...) -> output. Each set of shapes is captured at its second call, and replayed.

    The first call of a set takes memory and chooses kernels. Calls with gradients, and of more than MOST sets of
    shapes, are not captured. The weights may change where they lie, but must not be replaced.
    """

    def __init__(self, network: Network, capture: Capture) -> None:
        self._network, self._capture = network, capture
        self._replays: dict[object, _Replay | None] = {}
        """By shapes; None after their first call."""

    def __call__(self, x: Tensor, time: Tensor, **given: Tensor) -> Tensor:
        """The network's output, which no later call overwrites."""
        inputs = {"x": x, "time": time, **given}
        shapes = tuple((name, tensor.shape, tensor.dtype) for name, tensor in inputs.items())
        is_new = shapes not in self._replays
        if is_new and len(self._replays) < MOST and not torch.is_grad_enabled():
            self._replays[shapes] = None
        if is_new or torch.is_grad_enabled():
            return self._network(**inputs)
        replay = self._replays[shapes]
        if replay is None:
            replay = self._replays[shapes] = _Replay(self._network, inputs, self._capture)
        return replay(inputs)


class _Replay:
    """A captured call, with the tensors that it reads."""

    def __init__(self, network: Network, inputs: dict[str, Tensor], capture: Capture) -> None:
        self._inputs = {name: tensor.clone() for name, tensor in inputs.items()}
        self._replay, self._output = capture(lambda: network(**self._inputs))

    def __call__(self, inputs: dict[str, Tensor]) -> Tensor:
        for name, tensor in inputs.items():
            self._inputs[name].copy_(tensor)
        self._replay()
        return self._output.clone()


def _captured(call: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = call()
    return graph.replay, output
