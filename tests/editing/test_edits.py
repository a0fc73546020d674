"""Interpolating, inpainting, varying, encoding and decoding given pictures from the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from rich.console import Console
from safetensors import safe_open
from safetensors.torch import save_file

from alphabar import cli, data
from alphabar.api.edits import plan_inpainting
from alphabar.api.model import Model
from alphabar.editing import inversion, latents, pictures
from alphabar.editing.interpolation import Interpolation, interpolation
from alphabar.errors import AlphabarError
from alphabar.runs.model import LoadedModel, load_model
from alphabar.sampling.pipeline import Pipeline
from alphabar.training import loop

CPU = torch.device("cpu")
DIGITS = data.load("digits")


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory) -> Path:
    """Class-conditional with label dropout, a learned variance, T = 40, on digits."""
    path = tmp_path_factory.mktemp("edits") / "run"
    settings = ["network.class_conditional=true", "network.label_dropout=0.2", "diffusion.steps=40"]
    settings += ["diffusion.variance=learned_range", "diffusion.objective=hybrid", "diffusion.parameterization=v"]
    loop.train(tiny(*settings, "sampling.steps=10", "training.steps=30"), path, CPU, Console(quiet=True))
    return path


@pytest.fixture(scope="module")
def model(run) -> LoadedModel:
    return load_model(run)


@pytest.fixture
def call(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    def called(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["alphabar", *map(str, args)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        said = capsys.readouterr()
        return int(caught.value.code or 0), said.out, said.err

    return called


def tiles(path: Path, columns: int) -> np.ndarray:
    """The 8×8 images of a sheet, (N, 8, 8): each pixel is 8×8 in it, the gaps are 8 wide."""
    sheet = np.asarray(Image.open(path))
    assert sheet.shape[1] == columns * 72 - 8
    return np.stack([sheet[y : y + 64 : 8, x : x + 64 : 8] for y in range(0, sheet.shape[0], 72)
                     for x in range(0, sheet.shape[1], 72)])  # fmt: skip


def digit(k: int) -> np.ndarray:
    return DIGITS.images[k, 0].numpy()


def pipeline(model: LoadedModel, **changes) -> Pipeline:
    return Pipeline.of(model, changes, "none")


def test_interpolate_draws_a_row_for_each_t_between_the_two_images(run, call, tmp_path):
    out = tmp_path / "strip.png"
    code, said, _ = call("interpolate", run, "3", "5", "--t", "10,20,40", "--points", "4", "--out", out)
    assert code == 0 and str(out) in said
    found = tiles(out, 6).reshape(3, 6, 8, 8)
    assert (found[:, 0] == digit(3)).all() and (found[:, -1] == digit(5)).all()
    assert json.loads(Image.open(out).text["alphabar"])["t"] == [10, 20, 40]
    assert (
        call("interpolate", run, "3", "5", "--t", "10,20,40", "--points", "4", "--out", tmp_path / "again.png")[0] == 0
    )
    assert (tmp_path / "again.png").read_bytes() == out.read_bytes()


def test_the_ends_of_an_interpolation_of_encoded_images_are_the_images(model):
    a, b = (pictures.picture(model, text, "none") for text in ("3", "5"))
    ddim = pipeline(model, **inversion.DETERMINISTIC, steps=40, spacing=None)
    found = interpolation(ddim, a, b, Interpolation([20], 3, "linear", "encoded")).images().tiles
    for end, picture in ((found[1], a), (found[3], b)):
        assert (end.int() - picture.pixels.int()).abs().float().mean() < 2.5
    assert (found[2].int() - a.pixels.int()).abs().float().mean() > 5


def test_an_image_that_is_hardly_noised_hardly_varies_and_one_that_is_noise_is_lost(run, call, tmp_path):
    out = tmp_path / "vary.png"
    assert call("vary", run, "7", "--start", "1,40", "--seeds", "3-5", "--out", out)[0] == 0
    found = tiles(out, 4).reshape(2, 4, 8, 8).astype(int)
    change = np.abs(found[:, 1:] - digit(7)).mean(axis=(1, 2, 3))
    assert (found[:, 0] == digit(7)).all() and change[0] < 12 < 40 < change[1]
    assert len({found[1, k].tobytes() for k in (1, 2, 3)}) == 3


def test_variations_of_a_seed_do_not_depend_on_the_other_seeds(run, call, tmp_path):
    for seeds in ("4", "3-5"):
        assert call("vary", run, "7", "--start", "20", "--seeds", seeds, "--out", tmp_path / f"{seeds}.png")[0] == 0
    alone, among = tiles(tmp_path / "4.png", 2)[1], tiles(tmp_path / "3-5.png", 4)[2]
    assert np.abs(alone.astype(int) - among).max() <= 1


@pytest.mark.parametrize("mask", ["left", "top", "centre", "file"])
def test_inpainting_leaves_the_known_pixels_as_they_are(mask, run, call, tmp_path):
    unknown = pictures.read_mask("bottom" if mask == "file" else mask, (1, 8, 8), "none").unknown[0].bool().numpy()
    if mask == "file":
        mask = tmp_path / "mask.png"
        Image.fromarray((unknown * 255).astype(np.uint8)).save(mask)
    out = tmp_path / "painted.png"
    asked = ["--steps", "10", "--resamplings", "2", "--jump-length", "3", "--seeds", "0-2"]
    assert call("inpaint", run, "9", mask, *asked, "--out", out)[0] == 0
    found = tiles(out, 5)
    assert (found[0] == digit(9)).all() and (found[1][unknown] == 128).all()
    for image in found[2:]:
        assert (image[~unknown] == digit(9)[~unknown]).all()
    assert len({image[unknown].tobytes() for image in found[2:]}) == 3


def test_inpainting_takes_about_a_hundred_network_calls_by_default(model, monkeypatch) -> None:
    calls, real = [], type(model.denoiser.network).forward
    monkeypatch.setattr(
        type(model.denoiser.network), "forward", lambda *args, **more: calls.append(0) or real(*args, **more)
    )
    edit = plan_inpainting(Model(model), 9, "left", seeds=[0])
    edit.make()
    command = {option.name: option.default for option in typer.main.get_command(cli.app).commands["inpaint"].params}
    assert len(calls) == 97 and command["resamplings"] == edit.options["resamplings"]


def test_encoded_images_come_back_and_the_error_is_said(run, call, tmp_path):
    out = tmp_path / "latents.safetensors"
    code, said, _ = call("encode", run, "3", "13", "7", "--class", "none", "--steps", "40", "--out", out)
    assert code == 0
    errors = [float(line.split("within ")[1].split(" %")[0]) for line in said.splitlines() if "within" in line]
    assert len(errors) == 3 and max(errors) < 5
    sheet = tiles(tmp_path / "latents-decoded.png", 3)
    assert (sheet[0] == digit(3)).all() and (sheet[2] == digit(7)).all()
    relative = np.linalg.norm(sheet[3].astype(float) - sheet[0]) / np.linalg.norm(sheet[0] - 127.5)
    assert 100 * relative == pytest.approx(errors[0], abs=0.5)  # of rounded pixels
    code, _, _ = call("decode", run, out, "--out", tmp_path / "back.png")
    assert code == 0 and (tiles(tmp_path / "back.png", 3) == sheet[3:]).all()


def test_what_cannot_come_back_is_refused_and_not_handed_out_as_noise(tiny, call, tmp_path):
    """ε̂ of a poor network, divided by √ᾱ_T of the cosine schedule, is anything."""
    loop.train(tiny("diffusion.steps=1000", "training.steps=3"), tmp_path / "run", CPU, Console(quiet=True))
    code, said, sentence = call("encode", tmp_path / "run", "3", "5", "--out", tmp_path / "latents.safetensors")
    if code == 0:
        assert (
            max(float(line.split("within ")[1].split(" %")[0]) for line in said.splitlines() if "within" in line) < 100
        )
    else:
        assert (
            code == 2 and "do not decode to themselves" in sentence and not (tmp_path / "latents.safetensors").exists()
        )
    loud = pipeline(model := load_model(tmp_path / "run"))
    with pytest.raises(AlphabarError, match="do not decode to themselves"):
        interpolation(loud, *both(model), Interpolation([1000], 3, "linear", "encoded")).images()


def both(model: LoadedModel) -> list[pictures.Picture]:
    return [pictures.picture(model, text, "none") for text in ("3", "5")]


def test_the_sheet_of_an_encoding_does_not_take_the_place_of_the_picture(run, call, tmp_path):
    photo = tmp_path / "photo.png"
    Image.fromarray(digit(3)).save(photo)
    before = photo.read_bytes()
    assert (
        call("encode", run, photo, "--steps", "10", "--class", "none", "--out", tmp_path / "photo.safetensors")[0] == 0
    )
    assert photo.read_bytes() == before and (tmp_path / "photo-decoded.png").exists()


def test_two_ways_of_editing_do_not_meet_in_one_file(run, call):
    for more in (
        ["--steps", "4"],
        ["--steps", "5"],
        ["--class", "5"],
        ["--class", "5", "--guidance", "2"],
        ["--eta", "1"],
    ):
        assert call("vary", run, "3", "--start", "20", "--seeds", "0-1", "--sampler", "ddim", *more)[0] == 0
    assert len(list((run / "edits").glob("vary-train-3-*.png"))) == 5


def test_the_grid_up_to_t_has_no_gap_that_a_multistep_sampler_would_stumble_over(model):
    for sampler in ("dpmpp_2m", "ddim", "heun"):
        grid = pipeline(model, sampler=sampler, steps=10)
        for t in range(1, 41):
            rows = grid.rows_up_to(t)
            assert rows[-1] == t and rows == sorted(set(rows)) and len(rows) <= max(1, -(-10 * t // 40))


def test_the_class_is_the_pictures_own_if_the_network_is_told_one(model, tiny, tmp_path):
    three, five, twin = (pictures.picture(model, text, "none") for text in ("3", "5", "13"))
    assert pictures.label_of(model, None, [three]) == int(DIGITS.labels[3])
    assert pictures.label_of(model, None, [three, twin]) == pictures.label_of(model, None, [three])
    assert pictures.label_of(model, None, [three, five]) == "none"  # this network knows images without a class
    assert pictures.label_of(model, "none", [three]) == "none" and pictures.label_of(model, "4", [three]) == 4
    loop.train(tiny("network.class_conditional=true"), tmp_path / "strict", CPU, Console(quiet=True))
    strict = load_model(tmp_path / "strict")
    with pytest.raises(AlphabarError, match="--class"):
        pictures.label_of(strict, None, [three, five])
    loop.train(tiny(), tmp_path / "free", CPU, Console(quiet=True))
    assert pictures.label_of(load_model(tmp_path / "free"), None, [three]) == "none"


def test_a_picture_of_another_size_is_resized_only_if_one_says_how(model, tmp_path):
    path = tmp_path / "wide.png"
    Image.fromarray(np.arange(16 * 24, dtype=np.uint8).reshape(16, 24)).save(path)
    with pytest.raises(AlphabarError, match=r"16x24, .* 8x8: say with --resize"):
        pictures.picture(model, str(path), "none")
    assert pictures.picture(model, str(path), "crop").pixels.shape == (1, 8, 8)


@pytest.fixture(scope="module")
def encoded(model, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("encoded") / "latents.safetensors"
    latents.save(path, torch.zeros(2, 1, 8, 8), Pipeline.of(model, {"sampler": "ddim", "steps": 4}))
    return path


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.full((1, 1, 8, 8), torch.nan), "not finite float32"),
        (torch.full((1, 1, 8, 8), torch.inf), "not finite float32"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.int64), "not finite float32"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.complex64), "not finite float32"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.float8_e4m3fn), "not finite float32"),
        (torch.zeros(0, 1, 8, 8), "of no image"),
        (torch.zeros(1, 1, 9, 8), r"are \(1, 1, 9, 8\)"),
        (torch.tensor(1.0), r"are \(\)"),
    ],
)
def test_latents_that_are_none_are_a_sentence(model, encoded, tmp_path, tensor, said):
    with safe_open(encoded, "pt") as file:
        about = file.metadata()
    save_file({"latents": tensor}, tmp_path / "other.safetensors", metadata=about)
    assert len(latents.load(encoded, model)[0]) == 2
    with pytest.raises(AlphabarError, match=said):
        latents.load(tmp_path / "other.safetensors", model)


MISTAKES = {
    "no run": (["vary", "{tmp}/none", "3"], ["no run"]),
    "no picture": (["vary", "{run}", "none.png"], ["none.png", "test:k"]),
    "no such image": (["vary", "{run}", "99999"], ["99999", "1796"]),
    "a text": (["vary", "{run}", "{tmp}/text.png"], ["text.png"]),
    "t beyond T": (["vary", "{run}", "3", "--start", "41"], ["1..40", "41"]),
    "t of words": (["interpolate", "{run}", "3", "5", "--t", "half"], ["half", "250,500"]),
    "a mix": (["interpolate", "{run}", "3", "5", "--mix", "cubic"], ["cubic", "linear"]),
    "latents": (["interpolate", "{run}", "3", "5", "--latents", "other"], ["other", "encoded"]),
    "a sampler that looks back": (["inpaint", "{run}", "3", "left", "--sampler", "dpmpp_2m"], ["dpmpp_2m", "ddpm"]),
    "a mask": (["inpaint", "{run}", "3", "middle"], ["middle", "centre"]),
    "a black mask": (["inpaint", "{run}", "3", "{tmp}/black.png"], ["black", "white"]),
    "a class": (["vary", "{run}", "3", "--class", "11"], ["11", "0, 1, 2"]),
    "no latents": (["decode", "{run}", "{tmp}/text.png"], ["text.png", "alphabar encode"]),
    "other weights": (["decode", "{run}", "{latents}", "--weights", "raw"], ["other weights"]),
    "a suffix": (["vary", "{run}", "3", "--out", "{tmp}/a.gif"], [".png", "a.gif"]),
    "guidance of none": (
        ["vary", "{run}", "3", "--class", "none", "--guidance", "2"],
        ["--guidance 2", "no class", "--class"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_and_status_2(mistake, run, call, tmp_path):
    (tmp_path / "text.png").write_text("no image")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "black.png")
    latents = tmp_path / "latents.safetensors"
    if mistake == "other weights":
        assert call("encode", run, "3", "--steps", "4", "--out", latents)[0] == 0
    args, words = MISTAKES[mistake]
    code, _, said = call(*(arg.format(run=run, tmp=tmp_path, latents=latents) for arg in args))
    assert code == 2 and "Traceback" not in said and said.count("\n") == 1, said
    for word in words:
        assert word in said, said
