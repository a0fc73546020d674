"""A network that onnxruntime computes on the CPU, in the place of torch's."""

from typing import Any

import torch
from torch import Tensor

from alphabar import build
from alphabar.interop.graphs import onnx_of, traced
from alphabar.interop.portable import Portable

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
"""What it needs; the extra `onnx`."""


class OnnxNetwork:
    """(x_t (B, C, H, W), time (B,)[, y (B,)][, low_res (B, C, h, w)]) -> output, of a session of onnxruntime.

    It has as many threads as torch has. The graph is made once, in memory, and takes any B. Without y, a network with
    classes is asked for no class.
    """

    def __init__(self, model: Portable) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors
        content = onnx_of(traced(model), model)
        self._session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        names = build.class_names(model.config, model.facts)
        self._no_class = len(names) if names else None

    def __call__(self, x: Tensor, time: Tensor, y: Tensor | None = None, low_res: Tensor | None = None) -> Tensor:
        """The network's output for x (B, C, H, W), time (B,), the classes y (B,) and small images; in float32."""
        inputs = {"x": x.to(torch.float32), "time": time.to(torch.float32)}
        if self._no_class is not None:
            inputs["y"] = torch.full((len(x),), self._no_class) if y is None else y
        if low_res is not None:
            inputs["low_res"] = low_res.to(torch.float32)
        arrays = {name: tensor.contiguous().numpy() for name, tensor in inputs.items()}
        (output,) = self._session.run(["output"], arrays)
        return torch.from_numpy(output)
