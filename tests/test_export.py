"""An exported run draws what the run draws, is small, and cannot be mistaken for one that can be trained."""

import json
from pathlib import Path

import pytest
import torch
from rich.console import Console

from alphabar import build, drawing, generation, images
from alphabar.checkpoint import read, steps
from alphabar.errors import AlphabarError
from alphabar.export import DTYPES, export
from alphabar.model import Model, load_model
from alphabar.training import loop

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "run"
    loop.train(tiny("training.steps=30"), path, CPU, Console(quiet=True))
    return path


def drawn(model: Model) -> torch.Tensor:
    section = drawing.section(model, {"sampler": "dpmpp_2m", "steps": 5})
    denoiser, sampler = build.respaced(model.denoiser, section), build.sampler(section)
    *_, last = generation.draw(denoiser, sampler, generation.job(range(16), model.facts.shape, 0), 16)
    return images.to_uint8(last.x).int()


@pytest.mark.parametrize(("dtype", "bits"), [("float16", 11), ("bfloat16", 8), ("float32", 24)])
def test_each_weight_is_rounded_to_the_bits_of_its_type_and_the_images_hardly_change(
    trained, tmp_path, dtype: str, bits: int
) -> None:
    export(trained, tmp_path / "small", dtype=dtype)
    before, after = load_model(trained), load_model(tmp_path / "small")
    for key, weight in before.denoiser.network.state_dict().items():
        found = after.denoiser.network.state_dict()[key]
        assert found.dtype == torch.float32
        assert ((found - weight).abs() <= weight.abs() * 2.0**-bits + 2.0**-25).all()  # + fp16's subnormals
    difference = (drawn(after) - drawn(before)).abs().float().mean()
    assert difference < {"float16": 0.2, "bfloat16": 2.0, "float32": 1e-3}[dtype]


def test_all_types_are_tried_above() -> None:
    assert set(DTYPES) == {"float16", "bfloat16", "float32"}


def test_it_holds_one_set_of_weights_and_says_what_it_is(trained, tmp_path) -> None:
    weights = export(trained, tmp_path / "small", weights="raw", step=28)
    (folder,) = steps(tmp_path / "small" / "checkpoints")
    assert weights.parent == folder and {path.name for path in folder.iterdir()} == {
        "network.safetensors",
        "state.json",
        "manifest.json",
    }
    source = read(trained / "checkpoints" / "step-00000028")
    state = json.loads((folder / "state.json").read_text())
    assert state["step"] == 28 and state["images"] == source.state["images"]
    assert state["exported_from"] == source.sha256["network.safetensors"]
    assert load_model(tmp_path / "small", "raw").step == 28
    with pytest.raises(AlphabarError, match=r"no weights 'ema'; choose one of: raw\."):
        load_model(tmp_path / "small")


def test_how_it_is_drawn_can_be_set_and_nothing_else(trained, tmp_path) -> None:
    export(trained, tmp_path / "small", overrides=["sampling.sampler=unipc", "sampling.steps=7"])
    sampling = load_model(tmp_path / "small").config.sampling
    assert (sampling.sampler, sampling.steps) == ("unipc", 7)
    with pytest.raises(AlphabarError, match=r"Only sampling\.key=value .* got 'diffusion\.steps=10'"):
        export(trained, tmp_path / "other", overrides=["diffusion.steps=10"])
    assert not (tmp_path / "other").exists()


def test_it_is_not_trained_further(trained, tmp_path, tiny) -> None:
    export(trained, tmp_path / "small")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(AlphabarError, match="was exported to be drawn from and cannot be trained"):
        loop.train(tiny("training.steps=30"), tmp_path / "small", CPU, Console(quiet=True))
    assert {p.name for p in set(tmp_path.rglob("*")) - set(before)} <= {".lock", "samples"}


def test_what_cannot_be_exported_is_a_sentence_and_leaves_nothing(trained, tmp_path, monkeypatch) -> None:
    with pytest.raises(AlphabarError, match="is there already; name a new folder"):
        export(trained, tmp_path)
    with pytest.raises(AlphabarError, match="got 'int8'"):
        export(trained, tmp_path / "small", dtype="int8")
    huge = lambda self, name: {"conv.weight": torch.tensor([1e6])}  # noqa: E731
    monkeypatch.setattr("alphabar.checkpoint.Checkpoint.tensors", huge)
    with pytest.raises(AlphabarError, match=r"conv\.weight does not fit into float16; export with --dtype bfloat16"):
        export(trained, tmp_path / "small")
    assert not (tmp_path / "small").exists()
