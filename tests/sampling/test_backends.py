"""Another backend computes the same network: its numbers, its refusals, and what an image says of it."""

import hashlib
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from alphabar import AlphabarError, build, cli, names
from alphabar import config as c
from alphabar.api.model import Model
from alphabar.interop import graphs, onnx_network
from alphabar.interop.portable import Portable
from alphabar.runs.model import LoadedModel
from alphabar.sampling.backends import BACKENDS
from alphabar.sampling.job import Job
from alphabar.sampling.pipeline import Pipeline

without_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="the extra onnx is not installed",
)


@pytest.fixture(scope="module", autouse=True)
def exported_once() -> Iterator[None]:
    """Equal networks share a graph: each takes seconds, and what computes it is what is tested here."""
    real, known = (onnx_network.traced, onnx_network.onnx_of), dict[str, bytes]()

    def onnx_of(_: object, model: Portable) -> bytes:
        weights = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in model.tensors.values()))
        key = f"{weights.hexdigest()} {model.config} {model.facts}"
        return known.get(key) or known.setdefault(key, real[1](real[0](model), model))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_network, "traced", lambda _: None)
        patch.setattr(onnx_network, "onnx_of", onnx_of)
        yield


@pytest.fixture(params=[name for name in BACKENDS if name != "torch"])
def backend(request) -> str:
    """Each backend that is installed, beside torch."""
    for package in ("onnx", "onnxscript", request.param):
        pytest.importorskip(package)
    return request.param


def model(classes: bool, **more: Any) -> LoadedModel:
    """A small network with random weights; with classes, it can be sampled without one, too."""
    settings: dict[str, Any] = {
        "network.channels": 8, "network.channel_mult": [1, 2], "network.num_blocks": 1,
        "network.attention_resolutions": [3], "network.class_conditional": classes,
        "network.label_dropout": 0.1 if classes else 0.0, "training.steps": 1, "data.image_size": [8, 6],
        "diffusion.variance": "learned_range", "diffusion.objective": "hybrid", "diffusion.steps": 50,
        "diffusion.time_scale": 0.25, "sampling.batch_size": 4,
    }  # fmt: skip
    config = c.parse(c.merge({}, settings | more))
    facts = c.ImageFacts(shape=(3, 8, 6), class_names=("a", "b") if classes else (), fingerprint="")
    torch.manual_seed(0)
    network = build.network(config, facts)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    build.place(network, "cpu").eval().requires_grad_(False)
    denoiser = build.denoiser(config, network)
    return LoadedModel(Path("a-run"), denoiser, config, facts, 1, "ema", "0", torch.device("cpu"))


def relative_error(found: torch.Tensor, right: torch.Tensor) -> float:
    assert found.shape == right.shape and right.std() > 0.01
    return float((found - right).abs().max() / right.abs().max())


def outputs(pipeline: Pipeline, labels: list[int] | None, batch: int) -> torch.Tensor:
    """What the network says at a few fractional times, through the pipeline's denoiser."""
    job = Job((0,) * batch, None if labels is None else tuple(labels), (3, 8, 6))
    denoiser, x = pipeline.conditioned(job), torch.randn(batch, 3, 8, 6, generator=torch.Generator().manual_seed(1))
    x = x.contiguous(memory_format=torch.channels_last)
    return torch.stack([denoiser.network(x, torch.full((batch,), time)) for time in (0.0, 3.75, 12.25)])


@pytest.mark.heavy
@pytest.mark.parametrize("classes", [False, True])
def test_every_backend_computes_what_torch_computes(classes: bool, backend: str) -> None:
    """One class after the other, none, with guidance in an interval, and any number of images."""
    net = model(classes)
    changes = {"guidance_scale": 3.0, "guidance_interval": [1, 40], "guidance_rescale": 0.5} if classes else {}
    torchs, theirs = (Pipeline.of(net, changes, backend=name) for name in ("torch", backend))
    for batch in (1, 5):
        for labels in ([k % 2 for k in range(batch)], None) if classes else (None,):
            assert relative_error(outputs(theirs, labels, batch), outputs(torchs, labels, batch)) <= 1e-5


@pytest.mark.heavy
def test_images_of_every_backend_are_torchs_to_a_level_of_grey(backend: str) -> None:
    net = Model(model(True))
    ours, theirs = (net.sample(6, guidance=2.0, steps=5, backend=name) for name in ("torch", backend))
    assert (ours.tensor.int() - theirs.tensor.int()).abs().max() <= 1
    assert (ours.settings["backend"], theirs.settings["backend"]) == (None, backend)
    last = [list(net.stream(2, steps=3, backend=name))[-1].x for name in ("torch", backend)]
    assert relative_error(last[1], last[0]) <= 1e-4


@without_onnx
@pytest.mark.heavy
def test_the_command_keeps_the_images_of_two_backends_apart(tmp_path, monkeypatch, capsys) -> None:
    def sampled(status: int, *more: object) -> str:
        monkeypatch.setattr("sys.argv", ["alphabar", "sample", "fashion-mnist", "--num", "2", "--steps", "2", "--film",
                                         "none", *map(str, more)])  # fmt: skip
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert (caught.value.code or 0) == status
        return "".join(capsys.readouterr())

    monkeypatch.chdir(tmp_path)
    sampled(0, "--backend", "onnxruntime")
    (folder,) = (tmp_path / "runs" / "fashion-mnist" / "generated").iterdir()
    assert "-onnxruntime-" in folder.name
    assert json.loads((folder / "settings.json").read_text())["backend"] == "onnxruntime"
    assert "Nothing was sampled" in sampled(0, "--backend", "onnxruntime")
    assert "holds images sampled with another backend" in sampled(2, "--out", folder)


def test_backends_are_torch_onnxruntime_and_openvino() -> None:
    assert names.BACKENDS == tuple(BACKENDS) == ("torch", "onnxruntime", "openvino")
    with pytest.raises(AlphabarError, match="There is no backend 'onnx'; did you mean 'onnxruntime'"):
        Pipeline.of(model(False), backend="onnx")


def refused(net: LoadedModel, words: str, backend: str = "onnxruntime") -> None:
    with pytest.raises(AlphabarError, match=words) as caught:
        Pipeline.of(net, backend=backend)
    assert len(caught.value.args) == 1


def test_what_onnxruntime_cannot_compute_is_refused_before_the_work(monkeypatch) -> None:
    net = model(False)
    monkeypatch.setattr(graphs, "find_spec", lambda name: None)
    refused(net, r'--backend onnxruntime needs onnx, onnxscript and onnxruntime: pip install "alphabar\[onnx\]"\.$')
    refused(net, r'openvino needs onnx, onnxscript and openvino: pip install "alphabar\[openvino\]"', "openvino")
    monkeypatch.setattr(graphs, "find_spec", lambda name: name)
    monkeypatch.setattr(graphs, "MOST_BYTES", 1000)
    refused(net, r"The weights are .* GB, and an ONNX file holds .*; leave --backend out\.")
    refused(replace(net, device=torch.device("cuda")), "on the CPU, and the device is cuda; choose --device cpu")
    noisenet = net.config.network.model_copy(update={"name": "noisenet"})
    refused(replace(net, config=net.config.model_copy(update={"network": noisenet})), "this network is noisenet")
