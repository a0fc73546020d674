"""An imported run is a run: it is sampled, evaluated, edited, exported, and started from; a start from it resumes."""

import json
import shutil
from pathlib import Path

import pytest
import torch

import alphabar
from alphabar import AlphabarError, cli
from alphabar import config as c
from alphabar.runs import checkpoint
from alphabar.runs.model import load_model

TRAINING = [
    "training.batch_size=4", "training.steps=6", "training.log_every=2", "training.sample_every=0",
    "training.checkpoint_every=2", "training.ema_rates=[0.9]", "optimizer.warmup_steps=2", "sampling.steps=3",
    "sampling.num=4",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(theirs, tmp_path_factory) -> Path:
    path, notes = alphabar.import_run(theirs, tmp_path_factory.mktemp("imported") / "run")
    assert notes == ()
    return path


@pytest.fixture
def command(monkeypatch, capsys):
    def called(*args: object, status: int = 0) -> str:
        monkeypatch.setattr("sys.argv", ["alphabar", *map(str, args)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()
        assert (caught.value.code or 0) == status, err
        return out + err

    return called


def test_the_command_imports_samples_and_exports(theirs, photos, command, tmp_path) -> None:
    said = command("import", theirs, "--run", tmp_path / "run")
    assert "sample it with `alphabar sample" in said and "note" not in said
    command("sample", tmp_path / "run", "--num", 2, "--steps", 3, "--sampler", "ddim", "--out", tmp_path / "images")
    assert len(list((tmp_path / "images").glob("seed-*.png"))) == 2
    said = command("export", tmp_path / "run", tmp_path / "back", "--to", "diffusers")
    assert "from_pretrained" in said
    for name in ("unet/config.json", "scheduler/scheduler_config.json", "model_index.json"):
        assert (tmp_path / "back" / name).read_text() == (theirs / name).read_text()
    assert "no export format 'tensorflow'" in command(
        "export", tmp_path / "run", tmp_path / "x", "--to", "tensorflow", status=2
    )
    assert "OpenAI's networks have sinusoid=cos_sin" in command(
        "export", tmp_path / "run", tmp_path / "x.pt", "--to", "openai", status=2
    )
    assert not (tmp_path / "x.pt").exists() and not list(tmp_path.glob(".x*"))
    assert "takes no settings" in command(
        "export", tmp_path / "run", tmp_path / "x", "sampling.steps=3", "--to", "diffusers", status=2
    )


def test_it_samples_as_the_model_that_is_loaded_as_it_lies(theirs, run) -> None:
    model, lying = alphabar.load(run, device="cpu"), alphabar.load(theirs, device="cpu")
    images = model.sample(2, steps=3, sampler="ddim")
    assert torch.equal(images.tensor, lying.sample(2, steps=3, sampler="ddim").tensor)
    assert model.loaded.weights == lying.loaded.weights and "3x32x32" in repr(lying)
    for wrong in ({"step": 3}, {"weights": "raw"}):
        with pytest.raises(AlphabarError, match="is no run and has one set of weights"):
            alphabar.load(theirs, device="cpu", **wrong)


def test_it_is_edited_and_measured(run, photos, tmp_path) -> None:
    varied = alphabar.vary(run, photos / "0.png", start=10, seeds="0-1", steps=5)
    assert varied.tensor.shape[1:] == (3, 32, 32)
    bits = alphabar.bits_per_dim(alphabar.load(run, device="cpu", data=photos), split="train", count=2)
    assert bits
    with pytest.raises(AlphabarError, match=r"data\.path|--data"):
        alphabar.load(run, device="cpu").images()


@pytest.mark.heavy
def test_scores_against_pictures_do_not_say_that_it_was_trained_on_others(run, photos) -> None:
    row = alphabar.evaluate(run, data=photos, count=4, features="efficientnet-lite0", steps=2, sampler="ddim")
    assert not any("trained on other images" in warning for warning in row["warnings"])


def test_an_export_as_a_small_run_keeps_where_it_came_from(run, theirs, tmp_path) -> None:
    alphabar.export(run, tmp_path / "small", dtype="float32")
    saved = checkpoint.latest(tmp_path / "small" / "checkpoints")
    assert saved.state["imported"]["source"] == theirs.name and saved.state["imported"]["licence"] == "apache-2.0"
    alphabar.export(tmp_path / "small", tmp_path / "back", to="diffusers")
    assert (tmp_path / "back" / "unet" / "config.json").read_text() == (theirs / "unet" / "config.json").read_text()


def test_it_is_not_trained_itself_and_the_sentence_says_how_to_start_from_it(run, photos, tmp_path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    with pytest.raises(AlphabarError, match=r"is an imported run: .* start from it with --from"):
        alphabar.train(copy, data=photos, device="cpu")


def trained(run: Path, photos: Path, into: Path, *more: str) -> Path:
    alphabar.train("folder", data=photos, run=into, from_run=run, overrides=[*TRAINING, *more], device="cpu")
    return into


@pytest.mark.heavy
def test_a_run_that_started_from_imported_weights_resumes_bit_for_bit(run, photos, tmp_path) -> None:
    """The layout of cifar10-32 fine-tuned on pictures, whole, and in two sessions."""
    whole, halves = (trained(run, photos, tmp_path / name) for name in ("whole", "halves"))
    first = json.loads((whole / "checkpoints" / "step-00000006" / "state.json").read_text())
    assert first["initialised_from"]["step"] == 0 and first["config"]["network"]["norm_groups"] == 8
    for step in (4, 6):  # as if the second run had been killed behind step 2
        shutil.rmtree(halves / "checkpoints" / f"step-{step:08d}", ignore_errors=True)
    newest = checkpoint.latest(halves / "checkpoints")
    assert newest is not None and newest.state["step"] == 2
    trained(run, photos, halves)
    a, b = (checkpoint.latest(path / "checkpoints") for path in (whole, halves))
    for name in a.names():
        one, other = a.tensors(name), b.tensors(name)
        assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one), name
    start, end = load_model(run).tensors(), load_model(whole, "raw").tensors()
    assert start.keys() == end.keys() and not torch.equal(start["conv_in.weight"], end["conv_in.weight"])
    assert all(float((end[key] - start[key]).abs().max()) < 0.1 for key in start)


def test_the_origin_and_the_licence_travel_with_what_is_trained_from_it(run, theirs, photos, tmp_path) -> None:
    path = trained(run, photos, tmp_path / "run", "training.steps=2")
    origin = checkpoint.latest(path / "checkpoints").state["initialised_from"]
    assert origin["imported"]["source"] == str(theirs) and origin["imported"]["licence"] == "apache-2.0"
    alphabar.export(path, tmp_path / "small")
    state = checkpoint.latest(tmp_path / "small" / "checkpoints").state
    assert state["started_from"]["licence"] == "apache-2.0"


def test_the_settings_of_an_imported_run_are_a_config_like_any_other(run) -> None:
    config = c.parse(json.loads((run / "config.json").read_text()))
    assert config.network.downsample_padding == "same" and config.data.image_size == (32, 32)
