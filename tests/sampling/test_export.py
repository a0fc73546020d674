"""An exported run draws what the run draws, is small, and cannot be mistaken for one that can be trained."""

import hashlib
import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from rich.console import Console

from alphabar import images
from alphabar.errors import AlphabarError
from alphabar.runs.checkpoint import read, steps
from alphabar.runs.model import LoadedModel, load_model
from alphabar.runs.tensor_file import TensorFile
from alphabar.sampling.export import DTYPES, export
from alphabar.sampling.pipeline import Pipeline
from alphabar.training import loop

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "run"
    loop.train(tiny("training.steps=30"), path, CPU, Console(quiet=True))
    return path


def drawn(model: LoadedModel) -> torch.Tensor:
    pipeline = Pipeline.of(model, {"sampler": "dpmpp_2m", "steps": 5})
    *_, last = pipeline.steps(pipeline.job(range(16)))
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
    with pytest.raises(AlphabarError, match=r"Only sampling\.key=value, .* got 'diffusion\.steps=10'"):
        export(trained, tmp_path / "other", overrides=["diffusion.steps=10"])
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "override",
    ["steps=abc", "steps=", "steps=5000", "guidance_scale=2", "sampler=dmp", "eta=0.5", "guidance_interval=[5,2]"],
)
def test_what_could_not_be_drawn_is_not_exported(trained, tmp_path, override: str) -> None:
    with pytest.raises(AlphabarError):
        export(trained, tmp_path / "small", overrides=["sampling.sampler=unipc", f"sampling.{override}"])
    assert not list(tmp_path.iterdir())


def test_another_sampler_comes_with_its_own_grid(trained, tmp_path) -> None:
    """As with `alphabar sample --sampler`: the options of the recipe's are not those of this one."""
    export(trained, tmp_path / "first", overrides=["sampling.sampler=ddim", "sampling.eta=1", "sampling.steps=7"])
    export(tmp_path / "first", tmp_path / "second", overrides=["sampling.sampler=dpmpp_2m"])
    sampling = load_model(tmp_path / "second").config.sampling
    assert (sampling.eta, sampling.steps) == (None, None)


@pytest.mark.parametrize("weights", ["ema", "raw"])
def test_it_is_not_trained_further(trained, tmp_path, tiny, weights: str) -> None:
    export(trained, tmp_path / "small", weights=weights)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(AlphabarError, match="is an exported run: it can be sampled, not trained"):
        loop.train(tiny("training.steps=30"), tmp_path / "small", CPU, Console(quiet=True))
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
    assert after == before


def test_nobody_learns_where_the_images_were_and_all_may_read_it(trained, tmp_path) -> None:
    found = read(next((trained / "checkpoints").glob("step-*28")))
    assert found.state["config"]["data"]["root"] is None
    copy = shutil.copytree(trained, tmp_path / "run")
    (copy / "config.json").unlink()
    for state in copy.rglob("state.json"):
        content = json.loads(state.read_text())
        content["config"]["data"] |= {"path": "/home/me/patients", "root": "/home/me"}
        content["config"]["evaluation"]["extractor_weights"] = "/home/me/inception.pt"
        state.write_text(json.dumps(content))
        manifest = state.with_name("manifest.json")
        files = json.loads(manifest.read_text())
        files["files"]["state.json"] = hashlib.sha256(state.read_bytes()).hexdigest()
        manifest.write_text(json.dumps(files))
    weights = export(copy, tmp_path / "small")
    texts = [path.read_text() for path in (tmp_path / "small").rglob("*.json")]
    assert len(texts) == 3 and not any("/home/me" in text for text in texts)
    assert weights.stat().st_mode == (tmp_path / "small" / "config.json").stat().st_mode


def test_what_cannot_be_exported_is_a_sentence_and_leaves_nothing(trained, tmp_path, monkeypatch) -> None:
    with pytest.raises(AlphabarError, match="exists already; name a new folder"):
        export(trained, tmp_path)
    with pytest.raises(AlphabarError, match="named like a checkpoint in a run"):
        export(trained, tmp_path / "step-00000007")
    with pytest.raises(AlphabarError, match="got 'int8'"):
        export(trained, tmp_path / "small", dtype="int8")
    full = lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr("alphabar.runs.checkpoint.save_file", full)
        with pytest.raises(AlphabarError, match=r"No space left on device\.$"):
            export(trained, tmp_path / "small")
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.rename", full)
        with pytest.raises(AlphabarError):
            export(trained, tmp_path / "small")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("value", "sentence"),
    [(1e6, "does not fit into float16; export with --dtype bfloat16"), (math.nan, "is not finite, so the training")],
)
def test_a_weight_that_would_be_lost_is_a_sentence(trained, tmp_path, monkeypatch, value: float, sentence: str) -> None:
    honest = TensorFile.tensors

    def one_changed(self: TensorFile) -> dict[str, torch.Tensor]:
        found = honest(self)
        next(iter(found.values())).view(-1)[0] = value
        return found

    monkeypatch.setattr(TensorFile, "tensors", one_changed)
    with pytest.raises(AlphabarError, match=sentence):
        export(trained, tmp_path / "small")
    assert not list(tmp_path.iterdir())


def test_a_file_that_the_checkpoint_does_not_know_is_none_of_its_weights(trained, tmp_path) -> None:
    copy = shutil.copytree(trained, tmp_path / "run")
    (newest,) = steps(copy / "checkpoints")[-1:]
    shutil.copyfile(next(newest.glob("ema-*.safetensors")), newest / "ema-0.5.safetensors")
    for weights in ("ema-0.5", "network"):
        with pytest.raises(AlphabarError, match=f"has no weights '{weights}'; choose one of: ema, raw, ema-0.99"):
            load_model(copy, weights)
