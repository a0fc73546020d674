"""A page that samples a model in the visitor's browser: a folder of static files for any web server.

The page is ours (`assets/web`), the model is ONNX, and the runtime is onnxruntime-web, which npm fetches.
"""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

import alphabar
from alphabar.errors import AlphabarError
from alphabar.interop import onnxruntime_web
from alphabar.interop.graphs import check_onnx, described, onnx_of, traced
from alphabar.interop.portable import Portable

PAGE = onnxruntime_web.PAGE
OF_THE_BUILD = shutil.ignore_patterns("package*.json", "node_modules")
"""Files that lie beside the page, and that it does not read."""
RUNTIME = "ort"
"""The folder of onnxruntime-web in the page."""
FIRST = ("*.html", "*.css", "*.js", "model.*", "ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "*-threaded.wasm")
"""What a browser loads before the first image."""


def write(model: Portable, out: Path) -> tuple[Path, list[str]]:
    """Write the page as the new folder `out`; returns the file of the model, and how to open the page.

    AlphabarError for an upsampler, which would need small images, if the extra `onnx` is not installed, or if
    onnxruntime-web is not in the cache and npm cannot fetch it.
    """
    if model.config.network.low_resolution is not None:
        raise AlphabarError("The page samples images from noise alone, and this model is an upsampler of small images.")
    check_onnx(model.tensors, "--to web", "onnx", ("onnx", "onnxscript"), "a browser holds no larger one")
    runtime = onnxruntime_web.files()
    content = halved(onnx_of(traced(model), model))
    shutil.copytree(PAGE, out, ignore=OF_THE_BUILD)
    shutil.copytree(runtime, out / RUNTIME)
    path = out / "model.onnx"
    path.write_bytes(content)
    (out / "model.json").write_text(json.dumps(told(model)), encoding="utf-8")
    return path, [
        f"open it   python -m http.server --directory '{out}', then http://localhost:8000",
        f"loads     {first_load(out) / 1e6:.1f} MB gzipped before the first image",
    ]


def told(model: Portable) -> dict[str, Any]:
    """What the page knows of the model: what every sampler has to know, and how it is sampled by default."""
    sampling = model.config.sampling
    return {
        **described(model),
        "sampling": {"sampler": sampling.sampler, "guidance_scale": sampling.guidance_scale},
        "parameters": sum(tensor.numel() for tensor in model.tensors.values()),
        "data": model.config.data.name,
        "alphabar": alphabar.__version__,
    }


def halved(content: bytes) -> bytes:
    """The ONNX model with its weights as float16 where that loses nothing, and casts back to float32.

    So the bundled models, which are saved in half precision, take half of the room and give the same numbers. Notes of
    the exporter on each operation, such as the line of Python that it comes from, are left out.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load_model_from_string(content)
    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != onnx.TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(weight)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if values.size > 1 and np.array_equal(half.astype(np.float32), values):
            name, weight_half = weight.name, f"{weight.name}_half"
            weight.CopyFrom(numpy_helper.from_array(half, weight_half))
            casts.append(onnx.helper.make_node("Cast", [weight_half], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    for node in nodes:
        del node.metadata_props[:]
    del model.graph.node[:]
    del model.graph.value_info[:]
    model.graph.node.extend(nodes)
    whole: bytes = model.SerializeToString()
    return whole


def first_load(page: Path) -> int:
    """The bytes that a browser loads before the first image, each file gzipped."""
    files = {path for pattern in FIRST for path in page.rglob(pattern)}
    return sum(len(gzip.compress(path.read_bytes(), 9, mtime=0)) for path in files)
