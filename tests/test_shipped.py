"""The models that ship: small, whole, able, and laid out as runs of one's own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import alphabar
from alphabar import build, drawing, generation, images, shipped
from alphabar.errors import AlphabarError
from alphabar.metrics import EXTRACTORS
from alphabar.model import load_model

MB = 10**6


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.mark.parametrize("name", shipped.names())
def test_it_is_small_and_its_weights_are_half_as_long(name: str, elsewhere) -> None:
    model = load_model(name)
    parameters = sum(p.numel() for p in model.denoiser.network.parameters())
    assert parameters <= 1_500_000
    (weights,) = (shipped.MODELS / name).rglob("*.safetensors")
    assert 2 * parameters < weights.stat().st_size <= 3 * MB
    assert not list(elsewhere.iterdir())  # from Python nothing is copied


def test_all_that_ships_is_below_six_megabytes() -> None:
    package = Path(alphabar.__file__).parent
    assert sum(p.stat().st_size for p in package.rglob("*") if p.is_file() and "__pycache__" not in p.parts) < 6 * MB


@pytest.mark.parametrize("unconditional", [False, True])
def test_fashion_mnist_draws_garments_that_a_classifier_knows(unconditional: bool) -> None:
    """By the recipe's own sampler: of the classes asked for; and of many classes, if none is."""
    model = load_model("fashion-mnist")
    denoiser, sampler = build.respaced(model.denoiser, model.config.sampling), build.sampler(model.config.sampling)
    job = generation.job(range(40), model.facts.shape, 0 if unconditional else 10)
    *_, last = generation.draw(denoiser, sampler, job, 40)
    _, logits = EXTRACTORS["fashion-cnn"](None, torch.device("cpu"))(images.to_uint8(last.x))
    told, sure = logits.argmax(1), logits.softmax(1).amax(1)
    if unconditional:
        assert len(told.unique()) >= 8
    else:
        assert (told == torch.arange(40) % 10).float().mean() >= 0.8
    assert sure.median() > 0.9


def test_the_command_line_lays_out_a_copy_once(elsewhere, capsys) -> None:
    for _ in range(2):
        assert shipped.laid_out("fashion-mnist") == Path("runs/fashion-mnist")
    assert capsys.readouterr().err.count("ships with alphabar") == 1
    assert load_model("runs/fashion-mnist").sha256 == load_model("fashion-mnist").sha256
    assert [path.name for path in (elsewhere / "runs").iterdir()] == ["fashion-mnist"]
    model = load_model("runs/fashion-mnist")
    plan = drawing.planned(Path("runs/fashion-mnist"), model, model.config.sampling, [0], None, None)
    assert plan.folder.is_relative_to("runs/fashion-mnist/generated")


def test_what_the_user_has_comes_first(elsewhere) -> None:
    (elsewhere / "fashion-mnist").mkdir()
    assert shipped.laid_out("fashion-mnist") == Path("fashion-mnist") == shipped.found(Path("fashion-mnist"))
    assert shipped.laid_out("photos") == Path("photos")
    with pytest.raises(AlphabarError, match=r"There is no run at photos; .* fashion-mnist ships with alphabar"):
        load_model("photos")


def test_another_model_under_the_name_is_not_taken_for_it(elsewhere) -> None:
    other = elsewhere / "runs" / "fashion-mnist" / "checkpoints" / "step-00000001"
    other.mkdir(parents=True)
    with pytest.raises(AlphabarError, match="is not the model fashion-mnist of this alphabar; rename that folder"):
        shipped.laid_out("fashion-mnist")
    shutil.rmtree(elsewhere / "runs")
    shipped.laid_out("fashion-mnist")
    manifest = next(Path("runs/fashion-mnist").rglob("manifest.json"))
    manifest.write_text(manifest.read_text() + " ")
    with pytest.raises(AlphabarError, match="rename that folder"):
        shipped.laid_out("fashion-mnist")


def test_a_folder_that_cannot_be_written_is_a_sentence(elsewhere) -> None:
    (elsewhere / "runs").write_text("a file")
    with pytest.raises(AlphabarError, match="cannot be copied to runs/fashion-mnist"):
        shipped.laid_out("fashion-mnist")
