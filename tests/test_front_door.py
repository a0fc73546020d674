"""`import alphabar` offers all that the command line can do, with the same answers."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import alphabar
from alphabar import cli, data
from digits_folder import digits_folder


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> alphabar.TrainedRun:
    """Class-conditional with label dropout, on digits, trained by the front door itself."""
    settings = {
        "network.channels": 8, "network.channel_mult": [1, 1], "network.attention_resolutions": [],
        "network.class_conditional": True, "network.label_dropout": 0.2, "diffusion.steps": 40,
        "training.steps": 20, "training.batch_size": 16, "sampling.num": 4, "sampling.steps": 10,
    }  # fmt: skip
    return alphabar.train("ddpm_digits", run=tmp_path_factory.mktemp("door") / "run", overrides=settings, device="cpu")


@pytest.fixture(scope="module")
def model(run) -> alphabar.Model:
    return run.load(device="cpu")


@pytest.fixture
def command(monkeypatch, capsys):
    def called(*args: object) -> str:
        monkeypatch.setattr("sys.argv", ["alphabar", *map(str, args)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert not caught.value.code, capsys.readouterr().err
        return capsys.readouterr().out

    return called


def test_importing_alphabar_imports_no_torch_and_looking_at_it_neither() -> None:
    code = "import alphabar, sys; dir(alphabar); repr(alphabar); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_what_is_offered_is_what_type_checkers_are_shown() -> None:
    tree = ast.parse(Path(alphabar.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    shown = {name.name for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names}
    assert shown | {"AlphabarError", "__version__"} == set(alphabar.__all__) == set(dir(alphabar))
    for name in alphabar.__all__:
        assert getattr(alphabar, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        alphabar.lode  # noqa: B018


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        ([], {}),
        (["--class", "3", "--guidance", "2", "--sampler", "dpmpp_2m_sde", "--steps", "7"],
         {"label": 3, "guidance": 2.0, "sampler": "dpmpp_2m_sde", "steps": 7}),
        (["--class", "none", "--sampler", "ddim", "--eta", "0.5"], {"label": "none", "sampler": "ddim", "eta": 0.5}),
    ],
)  # fmt: skip
def test_sampling_in_python_equals_the_pngs_of_the_command_to_the_bit(flags, options, run, model, command, tmp_path):
    command("sample", run.path, "--seeds", "0-3", "--out", tmp_path, "--film", "none", *flags)
    pngs = torch.from_numpy(np.stack([np.array(Image.open(path)) for path in sorted(tmp_path.glob("seed-*.png"))]))
    images = model.sample(seeds=range(4), **options)
    assert torch.equal(images.tensor[:, 0], pngs) and images.tensor.dtype == torch.uint8
    assert torch.equal(model.sample(4, **options).tensor, images.tensor)
    folder = alphabar.sample(run.path, seeds="0-3", out=tmp_path / "again", film=None, **options)
    assert torch.equal(folder.tensor, images.tensor) and folder.folder == tmp_path / "again"


def test_images_are_tensors_pictures_and_files(model, command, run, tmp_path) -> None:
    images = model.sample(5, label=7, steps=5)
    assert len(images) == 5 and images.tensor.shape == (5, 1, 8, 8) and "5 of 1x8x8" in repr(images)
    assert np.array_equal(np.asarray(images.pil[3]), images.tensor[3, 0].numpy())
    assert images._repr_png_().startswith(b"\x89PNG")
    assert Image.open(images.save(tmp_path / "sheet.png")).size == images.grid().size
    arrays = np.load(images.save(tmp_path / "arrays.npz"))
    assert arrays["arr_0"].shape == (5, 8, 8, 1) and arrays["arr_1"].tolist() == [7] * 5
    folder = images.save(tmp_path / "folder")
    command("sample", run.path, "--num", 5, "--class", 7, "--steps", 5, "--out", tmp_path / "cli", "--film", "none")
    for path in (tmp_path / "cli").iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes() or path.suffix == ".npz"
    with pytest.raises(alphabar.AlphabarError, match="another steps"):
        model.sample(5, label=7, steps=6).save(folder)


def test_the_stream_is_the_reverse_process_and_ends_in_the_sample(model) -> None:
    steps = list(model.stream(3, steps=6))
    assert [step.t for step in steps] == [5, 4, 3, 2, 1, 0] and steps[0].x0.shape == (3, 1, 8, 8)
    last = ((steps[-1].x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    assert torch.equal(last, model.sample(3, steps=6).tensor)


def test_a_model_shows_what_it_is_in_a_line(model, run) -> None:
    assert repr(model).count("\n") == 0 and "10 classes" in repr(model) and "1x8x8" in repr(model)
    assert model.classes == tuple("0123456789") and model.shape == (1, 8, 8)
    assert torch.equal(model.images().images, data.load("digits").images)
    assert alphabar.load(run, device="cpu").loaded.sha256 == model.loaded.sha256


def test_edits_equal_those_of_the_command_line(model, run, command, tmp_path) -> None:
    edits = {
        "vary": (["7", "--start", "20", "--seeds", "3-5"], lambda: alphabar.vary(model, 7, start=20, seeds="3-5")),
        "interpolate": (
            ["3", "13", "--t", "10,30", "--points", "4"],
            lambda: alphabar.interpolate(model, 3, 13, t=[10, 30], points=4),
        ),
        "inpaint": (
            ["9", "left", "--steps", "8", "--resamplings", "2", "--seeds", "0-1"],
            lambda: alphabar.inpaint(model, 9, "left", steps=8, resamplings=2, seeds=[0, 1]),
        ),
    }
    for name, (args, edit) in edits.items():
        command(name, run.path, *args, "--out", tmp_path / f"{name}.png")
        picture = np.asarray(Image.open(tmp_path / f"{name}.png"))
        assert np.array_equal(np.asarray(edit().grid()), picture), name


def test_an_edit_takes_a_pillow_image_and_gives_the_results_alone(model, tmp_path) -> None:
    digit = Image.fromarray(data.load("digits").images[7, 0].numpy())
    images = alphabar.vary(model, digit, start=[10, 20], seeds=range(3), label=7)
    assert images.tensor.shape == (6, 1, 8, 8) and images.tiles.shape == (8, 1, 8, 8)
    with pytest.raises(alphabar.AlphabarError, match=r"say with --resize"):
        alphabar.vary(model, digit.resize((16, 8)), start=10, label=7)
    assert alphabar.vary(model, digit.convert("RGB").resize((9, 9)), start=10, label=7, resize="crop").tensor.ndim == 4
    with pytest.raises(alphabar.AlphabarError, match=r"a \.png, or as arrays, an \.npz"):
        images.save(tmp_path / "folder")


def test_latents_decode_to_the_images_again(model, tmp_path) -> None:
    latents = alphabar.encode(model, [3, 13], steps=40, label="none")
    assert latents.tensor.shape == (2, 1, 8, 8) and float(latents.errors.max()) < 1
    again = alphabar.decode(model, latents.save(tmp_path / "latents.safetensors"))
    assert torch.equal(again.tensor, latents.decoded.tensor)
    assert alphabar.decode(model, latents) is latents.decoded
    other = alphabar.load(model.loaded.path, weights="raw")
    with pytest.raises(alphabar.AlphabarError, match="encoded with other weights"):
        alphabar.decode(other, latents)


def test_evaluate_and_bits_per_dim_return_the_rows_of_the_command(run, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    row = alphabar.evaluate(run, count=6, metrics=["fd"], features="fashion-cnn", device="cpu", out=tmp_path)
    assert row["n_fake"] == 6 and row["metrics"]["FD-fashion-cnn"]["value"] > 0
    bits = alphabar.bits_per_dim(run, split="train", count=2, steps="4", out=tmp_path, device="cpu")
    assert bits["n"] == 2 and bits["bits_per_dim"]["total"]["value"] > 0
    assert len((tmp_path / "evaluations.jsonl").read_text().splitlines()) == 2


def test_a_run_is_trained_resumed_exported_and_looked_at(run, tmp_path) -> None:
    weights = alphabar.export(run, tmp_path / "small", overrides={"sampling.steps": 3})
    assert weights.exists() and len(alphabar.load(tmp_path / "small", device="cpu").sample(2)) == 2
    assert "fashion_mnist" in alphabar.recipes() and alphabar.settings("training")["training.batch_size"][0] == "128"
    finished = alphabar.train("ddpm_digits", run=run.path, overrides=run_settings(run), device="cpu")
    assert finished.finished and finished.load(device="cpu").loaded.step == 20
    report = alphabar.inspect(digits_folder(tmp_path))
    assert report.found == report.loaded > 0


def run_settings(run: alphabar.TrainedRun) -> dict[str, object]:
    """All settings of a run, as overrides."""
    sections = run.load(device="cpu").config.model_dump(mode="json")
    return {f"{section}.{key}": value for section, values in sections.items() for key, value in values.items()}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda model: model.sample(2, samplr="ddim"), "did you mean 'sampler'"),
        (lambda model: model.sample(2, sampler="dpmpp"), "There is no sampling.sampler 'dpmpp'"),
        (lambda model: model.sample(0), "at least 1; got 0"),
        (lambda model: model.sample(3, seeds=[1]), "Both --num and --seeds"),
        (lambda model: model.sample(seeds=[-1]), "got -1"),
        (lambda model: model.sample(2, label="boot"), "There is no class boot"),
        (lambda model: model.sample(2, steps=41), "1..40"),
        (lambda model: model.sample("4"), "got '4'"),
        (lambda model: model.sample(seeds=[]), "No seeds were given"),
        (lambda model: model.sample(seeds=["a"]), "got ['a']"),
        (lambda model: model.sample(2, steps=2.5), "got 2.5"),
        (lambda model: model.sample(2).save("digits.jpg"), "got digits.jpg"),
        (lambda model: alphabar.vary(model, np.zeros((8, 8))), "got ndarray"),
        (lambda model: alphabar.vary(model, 3, start="250,x"), "got '250,x'"),
        (lambda model: alphabar.encode(model, 3, sampler="heun"), "leave out --sampler"),
        (lambda model: alphabar.load(3), "got int"),
        (lambda model: alphabar.load("nowhere"), "There is no run at nowhere"),
        (lambda model: alphabar.train("ddpm_digit"), "did you mean 'ddpm_digits'"),
        (lambda model: alphabar.train("ddpm_digits", overrides={"training.batchsize": 3}), "did you mean 'batch_size'"),
        (lambda model: alphabar.train("ddpm_digits", overrides={"batch_size": 3}), "write section.key"),
        (lambda model: alphabar.vary(model, "none.png"), "There is no picture none.png"),
    ],
)
def test_a_mistake_is_a_sentence(call, words: str, model) -> None:
    with pytest.raises(alphabar.AlphabarError) as caught:
        call(model)
    assert words in str(caught.value)


@pytest.mark.parametrize("given", [{"weights": "raw"}, {"step": 1}, {"data": "photos"}])
def test_what_a_loaded_model_is_not_asked_any_more_is_a_sentence_and_not_ignored(given) -> None:
    model = alphabar.load("fashion-mnist", device="cpu")
    for measure in (alphabar.evaluate, alphabar.bits_per_dim):
        with pytest.raises(alphabar.AlphabarError, match=f"choose {next(iter(given))} in alphabar.load"):
            measure(model, **given)
