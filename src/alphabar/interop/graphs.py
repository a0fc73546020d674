"""A network as a graph that runs without alphabar: a program of torch.export, or a file of ONNX.

Its inputs are x (B, C, H, W) float32, time (B,) float32 and, if there are classes, y (B,) int64; B is free. Its output
is that of the network. What a sampler has to know besides lies inside the file, as JSON under `KEY`.
"""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from alphabar import build
from alphabar.diffusion import VARIANCES
from alphabar.errors import AlphabarError
from alphabar.files import atomic_file
from alphabar.interop.portable import Portable

KEY = "alphabar.json"
"""The extra file of a torch.export program, and the entry of the metadata of an ONNX model."""
MOST_BYTES = 1 << 31
"""What an ONNX file holds: it is one message of protobuf."""


def described(model: Portable) -> dict[str, Any]:
    """What a sampler has to know besides the graph.

    Step t of 1..T has ᾱ_t = alpha_bar[t] (alpha_bar[0] is 1), and the input time = (t − 1) · time_scale. Pixels lie in
    [−1, 1]. y is the index of a class in `classes`, or `no_class`, if that is not null. low_res are the small images
    of an upsampler, of the size low_resolution; it is given by its name.
    """
    section, names = model.config.diffusion, build.class_names(model.config, model.facts)
    schedule = build.schedule(section)
    return {
        "image_shape": list(model.facts.shape),
        "low_resolution": model.config.network.low_resolution,
        "pixel_range": [-1, 1],
        "T": schedule.T,
        "alpha_bar": schedule.alpha_bar.tolist(),
        "time_scale": section.time_scale,
        "parameterization": section.parameterization,
        "variance": section.variance,
        "output_channels": model.facts.shape[0] * (2 if VARIANCES[section.variance].learned else 1),
        "x0_transform": section.x0_transform,
        "classes": list(names),
        "no_class": len(names) if names and model.config.network.label_dropout > 0 else None,
        "step": model.step,
        "record": dict(model.record),
    }


def traced(model: Portable) -> ExportedProgram:
    """The program of the network. AlphabarError unless the weights are float32."""
    if types := {tensor.dtype for tensor in model.tensors.values()} - {torch.float32}:
        raise AlphabarError(f"Graphs are written in float32, not in {str(types.pop())[6:]}; leave --dtype out.")
    network = build.network(model.config, model.facts)
    network.load_state_dict(dict(model.tensors))
    build.place(network, "cpu").eval().requires_grad_(False)
    example: dict[str, Tensor] = {"x": torch.zeros(2, *model.facts.shape), "time": torch.tensor([0.0, 1.0])}
    if build.class_names(model.config, model.facts):
        example["y"] = torch.tensor([0, 0])
    small: dict[str, Tensor] = {}
    if (low_resolution := model.config.network.low_resolution) is not None:
        small["low_res"] = torch.zeros(2, model.facts.shape[0], *low_resolution)
    batch = torch.export.Dim("batch")
    with torch.no_grad():  # without gradients, no block is computed twice
        return torch.export.export(
            network, tuple(example.values()), small, dynamic_shapes={name: {0: batch} for name in example | small}
        )


def write_program(model: Portable, out: Path) -> tuple[Path, list[str]]:
    """Write the program `out` (.pt2), which `torch.export.load` reads."""
    program = traced(model)
    out.parent.mkdir(parents=True, exist_ok=True)
    with _quiet(), atomic_file(out) as file:
        torch.export.save(program, file, extra_files={KEY: json.dumps(described(model))})
    return out, [f"load it with torch.export.load('{out}', extra_files={{'{KEY}': ''}})", _inputs(program)]


def write_onnx(model: Portable, out: Path) -> tuple[Path, list[str]]:
    """Write the ONNX model `out`. AlphabarError if it is too large, or if the extra `onnx` is not installed."""
    check_onnx(model.tensors, "--to onnx", "onnx", ("onnx", "onnxscript"), "export them --to torch-export")
    program = traced(model)
    content = onnx_of(program, model)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(out) as file:
        file.write(content)
    return out, [f"run it with onnxruntime.InferenceSession('{out}')", _inputs(program)]


def onnx_of(program: ExportedProgram, model: Portable) -> bytes:
    """The ONNX model of `traced(model)`, as it lies in a file."""
    with _quiet():
        graph = torch.onnx.export(program, dynamo=True, output_names=["output"], verbose=False)
    assert graph is not None
    graph.model.metadata_props[KEY] = json.dumps(described(model))
    content: bytes = graph.model_proto.SerializeToString()
    return content


def check_onnx(tensors: Mapping[str, Tensor], option: str, extra: str, packages: Sequence[str], instead: str) -> None:
    """AlphabarError unless `packages` are installed, and an ONNX file can hold the weights.

    option: what asks for it. extra: what has the packages. instead: what to do with weights that are too large.
    """
    if any(find_spec(name) is None for name in packages):
        *others, last = packages
        raise AlphabarError(f'{option} needs {", ".join(others)} and {last}: pip install "alphabar[{extra}]".')
    size = sum(tensor.nbytes for tensor in tensors.values())
    if size >= MOST_BYTES:
        raise AlphabarError(
            f"The weights are {size / 1e9:.1f} GB, and an ONNX file holds {MOST_BYTES / 1e9:.1f}; {instead}."
        )


def _inputs(program: ExportedProgram) -> str:
    names = ", ".join(program.graph_signature.user_inputs)
    return f"inputs    {names}; T, alpha_bar and what else a sampler needs are inside, as {KEY}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters say of torchvision, and of their own old calls."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
