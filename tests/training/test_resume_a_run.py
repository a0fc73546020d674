"""A run is resumed by its own name; its settings are compared before images are read, and change on purpose only."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import alphabar
from alphabar import data
from alphabar.runs.model import load_model
from tiny_settings import TINY


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("resumed") / "run"
    alphabar.train("ddpm_digits", run=path, overrides=[*TINY, "training.sample_every=0"], device="cpu")
    return path


@pytest.fixture
def run(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def changed(run: Path) -> list[str]:
    return json.loads((run / "environment.jsonl").read_text().splitlines()[-1])["changed"]


@pytest.mark.parametrize("named", ["", "config.json", "checkpoints/step-00000006"])
def test_a_run_is_resumed_by_its_name_with_its_own_settings(run, named) -> None:
    again = alphabar.train(run / named, overrides={"training.steps": 8}, device="cpu")
    model = load_model(run)
    assert again.path == run and again.finished and model.step == 8
    assert model.config.network.channels == 8 and changed(run) == []


def test_only_the_newest_checkpoint_is_resumed_from(run) -> None:
    with pytest.raises(alphabar.AlphabarError, match=r"newest checkpoint, step-00000006, and not from step-00000002"):
        alphabar.train(run / "checkpoints" / "step-00000002")


def test_a_run_is_not_resumed_in_another_place(run, tmp_path) -> None:
    with pytest.raises(alphabar.AlphabarError, match=r"which is resumed where it is; leave --run .* out"):
        alphabar.train(run, run=tmp_path / "other")


def test_settings_are_compared_before_an_image_is_read(run, monkeypatch) -> None:
    monkeypatch.setattr(data, "load", lambda *_: pytest.fail("images were read"))
    with pytest.raises(
        alphabar.AlphabarError, match=r"other settings \(training\.seed: 0 -> 1\).* --allow training\.seed"
    ):
        alphabar.train(run, overrides={"training.seed": 1})
    with pytest.raises(
        alphabar.AlphabarError, match=r"other settings \(network\.channels: 8 -> 16\); restore them to re"
    ):
        alphabar.train(run, overrides={"network.channels": 16})


def test_a_rehearsal_looks_at_the_run_too(run) -> None:
    from alphabar.api.train import rehearsed

    assert any("nothing was written" in line for line in rehearsed(run))
    for settings in (["training.seed=1"], [*TINY, "network.channels=16"]):
        with pytest.raises(alphabar.AlphabarError, match="other settings"):
            rehearsed("ddpm_digits", overrides=settings, run=run)


def test_a_refused_setting_is_refused_before_torch_is_imported(run) -> None:
    code = (
        "import sys, alphabar\n"
        f"try: alphabar.train({str(run)!r}, overrides=['training.batch_size=2'])\n"
        "except alphabar.AlphabarError as error: print(error, 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "training.batch_size: 8 -> 2" in said and said.endswith("False\n")


def test_a_change_that_is_allowed_is_recorded_and_need_not_be_allowed_again(run, capfd) -> None:
    overrides = {"training.batch_size": 4, "optimizer.weight_decay": 0.1, "training.steps": 6}
    allow = ["training.batch_size", "optimizer.weight_decay"]
    alphabar.train(run, overrides=overrides, allow=allow, device="cpu")  # it is over, so that no checkpoint is written
    assert changed(run) == ["optimizer.weight_decay: 0.0 -> 0.1", "training.batch_size: 8 -> 4"]
    alphabar.train(run, overrides={"training.steps": 8}, device="cpu")
    assert "changed setting training.batch_size: 8 -> 4" in capfd.readouterr().err
    assert load_model(run).config.training.batch_size == 4 and load_model(run).step == 8
    with pytest.raises(alphabar.AlphabarError, match="other settings"):
        alphabar.train(run, overrides={"training.batch_size": 8}, device="cpu")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("network.channels", "cannot be granted: the checkpoint"),
        ("training.ema_rates", "cannot be granted: the checkpoint"),
        ("optimizer.learningrate", r"no setting 'optimizer\.learningrate'; did you mean 'optimizer\.learning_rate'"),
        ("", "There is no setting ''"),
    ],
)
def test_what_a_checkpoint_depends_on_cannot_be_allowed(run, key, words) -> None:
    with pytest.raises(alphabar.AlphabarError, match=words):
        alphabar.train(run, allow=[key])


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 9999, b'{"training": {"steps": "x"}}', b"\xff"])
def test_a_run_whose_settings_are_damaged_is_one_sentence(run, content) -> None:
    (run / "config.json").write_bytes(content)
    with pytest.raises(alphabar.AlphabarError, match=r"The settings in .*config\.json (cannot|do not)") as caught:
        alphabar.train(run)
    assert len(caught.value.args) == 1
    assert alphabar.train("ddpm_digits", run=run, overrides=TINY, device="cpu").finished
