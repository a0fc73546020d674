"""A lossy file: smaller, checked exactly in what it holds, and it says that its images are not the originals."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_compress import COLOURED, SETTINGS, changed, pictures, same

import alphabar
from alphabar import cli
from alphabar.api.compress import loss_of
from alphabar.coding import container
from alphabar.coding.stack import UNREPEATABLE
from alphabar.errors import AlphabarError

pytest.importorskip("constriction", reason="needs the extra `compression`")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("lossy") / "run"
    alphabar.train("ddpm_digits", run=path, overrides=SETTINGS, device="cpu")
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Random noise, which no model knows."""
    return pictures(tmp_path / "in", count=6, side=6)


@pytest.fixture
def file(model: Path, source: Path, tmp_path: Path) -> Path:
    return alphabar.compress(model, source, tmp_path / "x.abar", steps=6, lossy=60).file


def read(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.rglob("*.png"))]).astype(float)


@pytest.mark.parametrize("noise", [12, 60, 1e9])
def test_the_error_is_what_the_file_says_whatever_the_images_and_the_level(model, source, noise, tmp_path) -> None:
    result = alphabar.compress(model, source, tmp_path / "x.abar", steps=6, lossy=noise)
    alphabar.decompress(tmp_path / "x.abar", tmp_path / "out")
    shown, originals = read(tmp_path / "out"), read(source)
    assert shown.shape == originals.shape
    rmse = np.sqrt(((shown - originals) ** 2).mean())
    assert result.lossy.rmse == loss_of(result.file).rmse == pytest.approx(rmse, rel=1e-9)
    assert result.lossy.psnr == pytest.approx(20 * np.log10(255 / rmse))
    assert result.lossy.noise <= noise


def test_more_noise_makes_a_smaller_file(model: Path, source: Path, tmp_path: Path) -> None:
    sizes = [
        alphabar.compress(model, source, tmp_path / "x.abar", steps=6, lossy=noise).payload
        for noise in (None, 12, 60, 200)
    ]
    assert sizes == sorted(sizes, reverse=True)


def test_the_same_file_gives_the_same_images(file: Path, tmp_path: Path) -> None:
    for fill in ("mean", "sample"):
        for name in ("a", "b"):
            alphabar.decompress(file, tmp_path / fill / name, fill=fill)
        assert same(tmp_path / fill / "a", tmp_path / fill / "b")
    assert not same(tmp_path / "mean" / "a", tmp_path / "sample" / "a")


def test_a_stack_with_one_other_bit_decodes_nothing(file: Path, tmp_path: Path) -> None:
    header, words = container.unpacked(file.read_bytes(), "x")
    for place in (0, len(words) // 2, len(words) - 2):
        other = words.copy()
        other[place] ^= 1
        file.write_bytes(container.packed(header, other))
        with pytest.raises(AlphabarError, match=UNREPEATABLE[:30]):
            alphabar.decompress(file, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.png"))


def test_every_flipped_byte_is_noticed(file: Path) -> None:
    raw = file.read_bytes()
    for place in range(len(raw)):
        wrong = bytearray(raw)
        wrong[place] ^= 1 << place % 8
        with pytest.raises(AlphabarError):
            container.unpacked(bytes(wrong), "x")


def test_a_level_that_the_chain_does_not_have_is_refused(file: Path, tmp_path: Path) -> None:
    header, _ = container.unpacked(file.read_bytes(), "x")
    other = header.lossy.model_copy(update={"level": 7})
    with pytest.raises(AlphabarError, match="no such level"):
        alphabar.decompress(changed(file, lossy=other), tmp_path / "out")


def test_another_level_than_that_which_was_coded_decodes_nothing(file: Path, tmp_path: Path) -> None:
    header, _ = container.unpacked(file.read_bytes(), "x")
    other = header.lossy.model_copy(update={"level": header.lossy.level + 1})
    with pytest.raises(AlphabarError):
        alphabar.decompress(changed(file, lossy=other), tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.png"))


def test_a_file_of_other_pixels_than_8_bit_grey_is_refused(model: Path, tmp_path: Path) -> None:
    Image.fromarray(COLOURED).save(tmp_path / "a.png")
    with pytest.raises(AlphabarError, match="in colour"):
        alphabar.compress(model, tmp_path / "a.png", tmp_path / "x.abar", lossy=20)


@pytest.mark.parametrize("noise", [0, 0.001, float("nan"), -1])
def test_less_noise_than_the_first_step_leaves_is_refused(model: Path, source: Path, noise, tmp_path: Path) -> None:
    with pytest.raises(AlphabarError, match="--lossy must be at least"):
        alphabar.compress(model, source, tmp_path / "x.abar", steps=6, lossy=noise)


def test_a_file_without_loss_has_nothing_to_fill_in(model: Path, source: Path, file: Path, tmp_path: Path) -> None:
    exact = alphabar.compress(model, source, tmp_path / "y.abar", steps=4)
    assert exact.lossy is None and loss_of(exact.file) is None
    with pytest.raises(AlphabarError, match="is not lossy"):
        alphabar.decompress(exact.file, tmp_path / "out", fill="sample")
    with pytest.raises(AlphabarError, match="fill"):
        alphabar.decompress(file, tmp_path / "out", fill="median")


def test_images_that_are_coded_together_or_not_have_their_own_noise(model: Path, source: Path, tmp_path: Path) -> None:
    """y depends on the number of an image, not on its batch."""
    pixels = []
    for size in (1, 4):
        alphabar.compress(model, source, tmp_path / "x.abar", steps=6, lossy=60, batch_size=size)
        header, _ = container.unpacked((tmp_path / "x.abar").read_bytes(), "x")
        pixels.append(header.pixels)
    assert pixels[0] == pixels[1]


def test_the_commands_say_that_the_images_are_not_the_originals(model, source, tmp_path, capsys, monkeypatch) -> None:
    def call(*args: object) -> str:
        monkeypatch.setattr("sys.argv", ["alphabar", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code
        return capsys.readouterr().out

    said = call("compress", model, source, tmp_path / "x.abar", "--steps", 6, "--lossy", 60)
    assert "lossy " in said and "PSNR" in said
    said = call("decompress", tmp_path / "x.abar", tmp_path / "out")
    assert "not the originals" in said and "PSNR" in said
    said = call("decompress", tmp_path / "x.abar", tmp_path / "out", "--fill", "sample")
    assert "samples fill in the rest" in said
