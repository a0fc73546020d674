"""The bundled models: small, whole, able, and laid out as runs of one's own."""

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import alphabar
from alphabar import images
from alphabar.api.compress import coding_pipeline
from alphabar.cli import main
from alphabar.diffusion import variational_bound
from alphabar.errors import AlphabarError
from alphabar.metrics import EXTRACTORS
from alphabar.runs import bundled
from alphabar.runs.model import load_model
from alphabar.runs.run import home
from alphabar.sampling.pipeline import Pipeline

MB = 10**6
OFFERED = "use a bundled model: emoji, fashion-mnist or fashion-mnist-likelihood"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.mark.parametrize("name", bundled.names())
def test_it_is_small_and_its_weights_are_half_as_long(name: str, elsewhere) -> None:
    model = load_model(name)
    parameters = sum(p.numel() for p in model.denoiser.network.parameters())
    assert parameters <= 1_500_000
    (weights,) = (bundled.MODELS / name).rglob("*.safetensors")
    assert 2 * parameters < weights.stat().st_size <= 3 * MB
    assert not list(elsewhere.iterdir())  # from Python nothing is copied


def test_all_data_and_weights_that_ship_are_below_six_megabytes() -> None:
    package = Path(alphabar.__file__).parent
    files = [p for p in package.rglob("*") if p.is_file() and "__pycache__" not in p.parts and p.suffix != ".py"]
    assert sum(p.stat().st_size for p in files) < 6 * MB


@pytest.mark.parametrize("unconditional", [False, True])
def test_fashion_mnist_draws_garments_that_a_classifier_knows(unconditional: bool) -> None:
    """By the recipe's own sampler: of the classes asked for; and of many classes, if none is."""
    model = load_model("fashion-mnist")
    pipeline = Pipeline.of(model, label="none" if unconditional else "each")
    *_, last = pipeline.steps(pipeline.job(range(40)))
    _, logits = EXTRACTORS["fashion-cnn"](None, torch.device("cpu"))(images.to_uint8(last.x))
    told, sure = logits.argmax(1), logits.softmax(1).amax(1)
    if unconditional:
        assert len(told.unique()) >= 8
    else:
        assert (told == torch.arange(40) % 10).float().mean() >= 0.8
    assert sure.median() > 0.9


def test_it_is_read_in_place_and_what_it_makes_goes_to_runs(elsewhere, monkeypatch, capsys) -> None:
    command(monkeypatch, "sample", "fashion-mnist", "--num", "1", "--steps", "2", "--film", "none")
    (made,) = (elsewhere / "runs" / "fashion-mnist").iterdir()
    assert made.name == "generated" and "runs/fashion-mnist/generated" in capsys.readouterr().out
    command(monkeypatch, "export", "fashion-mnist", "again")
    assert load_model("again").step == load_model("fashion-mnist").step


def command(monkeypatch, *words: str) -> None:
    monkeypatch.setattr("sys.argv", ["alphabar", *words])
    with contextlib.suppress(SystemExit):
        main()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["film", "fashion-mnist"], "A film needs two preview grids, and"),
        (["plot", "vlb", "fashion-mnist"], "holds no terms of the bound; `alphabar evaluate fashion-mnist --bpd`"),
        (["sample", "fashion-mnist", "--num", "1", "--class", "Nope"], "There is no class Nope"),
        (["sample", "fashion_mnist"], f"There is no run at fashion_mnist.* {OFFERED}"),
    ],
)
def test_every_command_knows_it_and_a_mistake_leaves_nothing(
    elsewhere, monkeypatch, capsys, words: list[str], sentence: str
) -> None:
    command(monkeypatch, *words)
    said = capsys.readouterr().err
    assert said.startswith("alphabar: ") and re.search(sentence, said)
    assert not (elsewhere / "runs").exists()


def test_what_the_user_has_comes_first(elsewhere) -> None:
    (elsewhere / "fashion-mnist").mkdir()
    assert bundled.located(Path("fashion-mnist")) == bundled.outputs(Path("fashion-mnist")) == Path("fashion-mnist")
    with pytest.raises(
        AlphabarError, match=r"fashion-mnist holds no checkpoint.* hides the bundled model fashion-mnist"
    ):
        load_model("fashion-mnist")
    with pytest.raises(AlphabarError, match=f"There is no run at photos.* {OFFERED}"):
        load_model("photos")


def test_its_results_do_not_mix_with_those_of_a_run_of_ones_own(elsewhere) -> None:
    assert home(Path("fashion-mnist")) == Path("runs/fashion-mnist")
    (elsewhere / "runs" / "fashion-mnist").mkdir(parents=True)
    (elsewhere / "runs" / "fashion-mnist" / "config.json").touch()
    with pytest.raises(AlphabarError, match="is a training run; rename it"):
        home(Path("fashion-mnist"))


def test_emoji_are_coloured_shapes_on_white() -> None:
    """By the recipe's own sampler, of each class: most corners are white, and the middle of most has a colour."""
    pipeline = Pipeline.of(load_model("emoji"), label="each")
    *_, last = pipeline.steps(pipeline.job(range(36)))
    pictures = images.to_uint8(last.x).float()
    corners = pictures[:, :, :2, :2].amin((1, 2, 3))
    saturation = (pictures.amax(1) - pictures.amin(1))[:, 8:24, 8:24].mean((1, 2))
    assert (corners > 220).float().mean() > 0.7 and (saturation > 25).float().mean() > 0.6


def test_the_likelihood_model_needs_fewer_bits_for_garments_than_png() -> None:
    """Garments of the other model, on black and without their padding; and noise costs it more than to store it."""
    pipeline = Pipeline.of(load_model("fashion-mnist"), {"steps": 20}, label="each")
    *_, last = pipeline.steps(pipeline.job(range(20)))
    garments = images.to_uint8(last.x)[:, :, 2:-2, 2:-2]
    garments[garments < 8] = 0
    noise = torch.randint(0, 256, (4, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    denoiser = coding_pipeline(load_model("fashion-mnist-likelihood"), steps=25).denoiser

    def bits(pictures: torch.Tensor) -> float:
        def noise(t: int) -> torch.Tensor:
            return torch.randn(pictures.shape, generator=torch.Generator().manual_seed(t))

        return float(variational_bound(denoiser, images.to_signed(pictures), noise=noise).total.mean())

    png = 0
    for garment in garments:
        images.to_pil(garment).save(file := io.BytesIO(), "PNG", optimize=True)
        png += 8 * file.tell() / garments.numel()
    assert bits(garments) < 0.75 * png
    assert bits(noise) > 8
