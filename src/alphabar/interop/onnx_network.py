"""A network whose ONNX graph another program computes on the CPU, in the place of torch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from alphabar import build
from alphabar.interop.graphs import onnx_of, traced
from alphabar.interop.portable import Portable

Array = npt.NDArray[Any]
Session = Callable[[Mapping[str, Array]], Array]
"""The inputs by name -> the output of a graph."""
Engine = Callable[[bytes, int], Session]
"""(an ONNX file, threads) -> what computes it, in float32."""


def onnxruntime(content: bytes, threads: int) -> Session:
    """A session of onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(inputs: Mapping[str, Array]) -> Array:
        output: Array = session.run(["output"], dict(inputs))[0]
        return output

    return run


def openvino(content: bytes, threads: int) -> Session:
    """A model that OpenVINO compiled. It would choose bf16 by itself on some processors, and is told not to."""
    import openvino

    core = openvino.Core()
    how = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    model = core.compile_model(core.read_model(content), "CPU", how)

    def run(inputs: Mapping[str, Array]) -> Array:
        return np.array(model(dict(inputs))[0])  # a copy: the next call overwrites it

    return run


NEEDS: dict[Engine, tuple[str, Sequence[str]]] = {
    onnxruntime: ("onnx", ("onnx", "onnxscript", "onnxruntime")),
    openvino: ("openvino", ("onnx", "onnxscript", "openvino")),
}
"""Engine -> the extra that it needs, and the packages in it."""


class OnnxNetwork:
    """(x_t (B, C, H, W), time (B,)[, y (B,)][, low_res (B, C, h, w)]) -> output, computed by an engine.

    It has as many threads as torch has. The graph is made once, in memory, and takes any B. Without y, a network with
    classes is asked for no class.
    """

    def __init__(self, model: Portable, engine: Engine) -> None:
        self._session = engine(onnx_of(traced(model), model), torch.get_num_threads())
        names = build.class_names(model.config, model.facts)
        self._no_class = len(names) if names else None

    def __call__(self, x: Tensor, time: Tensor, y: Tensor | None = None, low_res: Tensor | None = None) -> Tensor:
        """The network's output for x (B, C, H, W), time (B,), the classes y (B,) and small images; in float32."""
        inputs = {"x": x.to(torch.float32), "time": time.to(torch.float32)}
        if self._no_class is not None:
            inputs["y"] = torch.full((len(x),), self._no_class) if y is None else y
        if low_res is not None:
            inputs["low_res"] = low_res.to(torch.float32)
        return torch.from_numpy(self._session({name: t.contiguous().numpy() for name, t in inputs.items()}))
