"""A graph that was exported computes the numbers of the network, wherever it runs, and says what a sampler needs."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers_cases import randomized
from torch import Tensor

from alphabar import build, interop
from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.interop import Portable
from alphabar.interop.graphs import KEY, MOST_BYTES, described
from alphabar.networks import PRESETS

Call = Callable[[Sequence[Tensor]], Tensor]
SIZES = {"ddpm": (6, 10), "iddpm": (14, 6), "adm": (6, 6)}
"""Sides that are odd at the second level."""


def portable(preset: str, classes: bool, **more: Any) -> Portable:
    """A small model of the preset with random weights; with classes, it can be sampled without one, too."""
    settings: dict[str, Any] = {
        "network.preset": preset,
        "network.channels": 16,
        "network.channel_mult": [1, 2],
        "network.num_blocks": 1,
        "network.attention_resolutions": [min(SIZES[preset]) // 2],
        "network.class_conditional": classes,
        "network.label_dropout": 0.1 if classes else 0.0,
        "training.steps": 1,
        "data.image_size": list(SIZES[preset]),
        "data.channels": 3,
        "diffusion.time_scale": 0.25,
        "diffusion.steps": 50,
    }
    settings |= {"network.head_channels": 8} if preset == "adm" else {}
    settings |= {"diffusion.variance": "learned_range", "diffusion.objective": "hybrid"} if preset == "iddpm" else {}
    config = c.parse(c.merge({}, settings | more))
    facts = c.ImageFacts(shape=(3, *SIZES[preset]), class_names=("a", "b") if classes else (), fingerprint="")
    weights = randomized(build.network(config, facts)).state_dict()
    return Portable(config, facts, weights, step=3, record={"source": "a test"})


def in_torch(path: Path) -> tuple[Call, dict[str, Any]]:
    """The program, and what it says."""
    texts = {KEY: ""}
    program = torch.export.load(path, extra_files=texts).module()
    return lambda inputs: program(*inputs), json.loads(texts[KEY])


def in_onnxruntime(path: Path) -> tuple[Call, dict[str, Any]]:
    """The session, and what its file says."""
    runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    assert names == ["x", "time", "y"][: len(names)]

    def call(inputs: Sequence[Tensor]) -> Tensor:
        (output,) = session.run(["output"], {name: x.numpy() for name, x in zip(names, inputs, strict=True)})
        return torch.from_numpy(np.asarray(output))

    return call, json.loads(session.get_modelmeta().custom_metadata_map[KEY])


def relative_error(model: Portable, call: Call, batch: int) -> float:
    """The largest error of a call, over the largest output; every class, and none."""
    network = build.network(model.config, model.facts)
    network.load_state_dict(dict(model.tensors))
    build.place(network, "cpu").eval()  # as it is sampled: another memory order rounds in another way
    generator = torch.Generator().manual_seed(batch)
    inputs = [torch.randn(batch, *model.facts.shape, generator=generator), 12 * torch.rand(batch, generator=generator)]
    if model.facts.class_names:
        inputs.append(torch.arange(batch) % 3)  # 2 is none
    with torch.no_grad():
        found, right = call(inputs), network(*inputs)
        assert found.shape == right.shape and right.std() > 0.01
        if model.facts.class_names:
            torch.testing.assert_close(
                call([*inputs[:2], torch.full((batch,), 2)]), network(*inputs[:2]), rtol=1e-4, atol=1e-4
            )
    return float((found - right).abs().max() / right.abs().max())


CASES = [(preset, classes) for preset in PRESETS for classes in (False, True)]


@pytest.mark.heavy
@pytest.mark.parametrize(("preset", "classes"), CASES)
def test_a_torch_export_program_computes_what_the_network_computes(tmp_path, preset: str, classes: bool) -> None:
    model = portable(preset, classes)
    path, lines = interop.TARGETS["torch-export"](model, tmp_path / "model.pt2")
    call, said = in_torch(path)
    assert said == described(model) and any("torch.export.load" in line for line in lines)
    assert max(relative_error(model, call, batch) for batch in (1, 5)) <= 1e-6
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.heavy
@pytest.mark.parametrize(("preset", "classes"), CASES)
def test_an_onnx_file_computes_what_the_network_computes(tmp_path, preset: str, classes: bool) -> None:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason="the extra onnx is not installed")
    model = portable(preset, classes)
    path, _ = interop.TARGETS["onnx"](model, tmp_path / "model.onnx")
    call, said = in_onnxruntime(path)
    assert said == described(model)
    assert max(relative_error(model, call, batch) for batch in (1, 5)) <= 1e-5
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_sampler_elsewhere_needs_is_the_chain_and_how_the_network_is_read() -> None:
    said = described(portable("iddpm", classes=True))
    chain = build.schedule(portable("iddpm", classes=True).config.diffusion)
    assert said["T"] == 50 and said["alpha_bar"] == chain.alpha_bar.tolist() and said["alpha_bar"][0] == 1
    assert (said["time_scale"], said["parameterization"], said["variance"]) == (0.25, "eps", "learned_range")
    assert (said["image_shape"], said["output_channels"]) == ([3, 14, 6], 6)
    assert (said["classes"], said["no_class"]) == (["a", "b"], 2)
    assert described(portable("ddpm", classes=False))["no_class"] is None
    assert json.loads(json.dumps(said)) == said


def test_half_precision_is_refused(tmp_path) -> None:
    model = portable("ddpm", classes=False)
    half = Portable(model.config, model.facts, {key: tensor.half() for key, tensor in model.tensors.items()})
    with pytest.raises(AlphabarError, match=r"float32, not in float16; leave --dtype out\."):
        interop.TARGETS["torch-export"](half, tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


def test_weights_that_an_onnx_file_cannot_hold_are_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("alphabar.interop.graphs.find_spec", lambda name: name)
    model = portable("ddpm", classes=False)
    huge = {"conv_in.weight": torch.empty(MOST_BYTES // 4, device="meta")}
    with pytest.raises(AlphabarError, match=r"are 2\.1 GB, and an ONNX file holds 2\.1; export them --to torch"):
        interop.TARGETS["onnx"](Portable(model.config, model.facts, huge), tmp_path / "model.onnx")


def test_without_the_extra_a_sentence_says_how_to_install_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("alphabar.interop.graphs.find_spec", lambda name: None)
    with pytest.raises(AlphabarError, match=r"pip install \"alphabar\[onnx\]\"\.$"):
        interop.TARGETS["onnx"](portable("ddpm", classes=False), tmp_path / "model.onnx")
