"""`alphabar compress` and `decompress`: the pixels come back exactly, or a sentence says why not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import alphabar
from alphabar import cli
from alphabar.coding import container
from alphabar.errors import AlphabarError

pytest.importorskip("constriction", reason="needs the extra `compression`")

SETTINGS = {
    "network.channels": 8, "network.channel_mult": [1, 1], "network.attention_resolutions": [],
    "network.class_conditional": True, "network.label_dropout": 0.2, "diffusion.steps": 20, "training.steps": 4,
    "training.sample_every": 0, "training.batch_size": 4, "sampling.num": 4, "sampling.steps": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("compress") / "run"
    alphabar.train("ddpm_digits", run=path, overrides=SETTINGS, device="cpu")
    return path


def pictures(folder: Path, count: int = 5, side: int = 8, seed: int = 0) -> Path:
    generator = np.random.default_rng(seed)
    (folder / "below").mkdir(parents=True)
    for k in range(count):
        pixels = generator.integers(0, 256, (side, side), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / ("below" if k % 2 else "") / f"{k}.png")
    return folder


def same(folder: Path, others: Path) -> bool:
    """Whether two folders hold the same images under the same names."""
    names = [sorted(str(path.relative_to(each)) for path in each.rglob("*.png")) for each in (folder, others)]
    return names[0] == names[1] and all(
        np.array_equal(np.asarray(Image.open(folder / name)), np.asarray(Image.open(others / name)))
        for name in names[0]
    )


@pytest.mark.parametrize("side", [8, 5])
@pytest.mark.parametrize("options", [{}, {"steps": 20}, {"label": 3}, {"steps": "t:1,4,9", "batch_size": 2}])
def test_images_come_back_exactly(run: Path, side: int, options: dict[str, object], tmp_path: Path) -> None:
    source = pictures(tmp_path / "in", side=side)
    result = alphabar.compress(run, source, tmp_path / "x.abar", **({"steps": 6} | options))
    assert result.count == 5
    assert result.size == (tmp_path / "x.abar").stat().st_size
    alphabar.decompress(tmp_path / "x.abar", tmp_path / "out")
    assert same(source, tmp_path / "out")


@pytest.mark.parametrize("level", [0, 255])
def test_a_single_flat_image_comes_back(run: Path, level: int, tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), level, dtype=np.uint8)).save(tmp_path / "a.png")
    alphabar.compress(run, tmp_path / "a.png", tmp_path / "x.abar", steps=5)
    assert [path.name for path in alphabar.decompress(tmp_path / "x.abar", tmp_path / "out")] == ["a.png"]
    assert (np.asarray(Image.open(tmp_path / "out" / "a.png")) == level).all()


def test_the_first_batches_are_as_small_as_the_stack_demands(run: Path, tmp_path: Path) -> None:
    alphabar.compress(run, pictures(tmp_path / "in", 40), tmp_path / "x.abar", steps=5)
    header, _ = container.unpacked((tmp_path / "x.abar").read_bytes(), "x")
    assert header.batches[0] < header.batches[-1]
    assert sum(header.batches) == 40


def test_the_same_images_make_the_same_file(run: Path, tmp_path: Path) -> None:
    source = pictures(tmp_path / "in")
    for name in ("x.abar", "y.abar"):
        alphabar.compress(run, source, tmp_path / name, steps=5)
    assert (tmp_path / "x.abar").read_bytes() == (tmp_path / "y.abar").read_bytes()


def test_a_file_is_decoded_with_its_own_number_of_threads(run: Path, tmp_path: Path, monkeypatch) -> None:
    source = pictures(tmp_path / "in")
    alphabar.compress(run, source, tmp_path / "x.abar", steps=5)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        alphabar.decompress(tmp_path / "x.abar", tmp_path / "out")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert same(source, tmp_path / "out")


def changed(path: Path, **changes: object) -> Path:
    """The file with another header, and a checksum that is right again."""
    header, words = container.unpacked(path.read_bytes(), str(path))
    path.write_bytes(container.packed(header.model_copy(update=changes), words))
    return path


@pytest.fixture
def file(run: Path, tmp_path: Path) -> Path:
    alphabar.compress(run, pictures(tmp_path / "in"), tmp_path / "x.abar", steps=5)
    return tmp_path / "x.abar"


def test_a_machine_that_computes_otherwise_decodes_nothing(file: Path, tmp_path: Path) -> None:
    with pytest.raises(AlphabarError, match=r"computes the network otherwise.*It was"):
        alphabar.decompress(changed(file, probe="1" * 64), tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*"))


def test_a_stack_of_other_images_decodes_nothing(file: Path, tmp_path: Path) -> None:
    header, words = container.unpacked(file.read_bytes(), "x")
    words[len(words) // 2] ^= 1
    file.write_bytes(container.packed(header, words))
    with pytest.raises(AlphabarError, match="cannot be decoded here"):
        alphabar.decompress(file, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*"))


def test_other_weights_decode_nothing(file: Path, tmp_path: Path) -> None:
    with pytest.raises(AlphabarError, match="other weights"):
        alphabar.decompress(file, tmp_path / "out", model="fashion-mnist")


@pytest.mark.parametrize("name", ["../a.png", "/tmp/a.png", "..", "a/../../b.png", "", "a//b.png"])
def test_no_name_leads_out_of_the_folder(file: Path, name: str, tmp_path: Path) -> None:
    header, _ = container.unpacked(file.read_bytes(), "x")
    with pytest.raises(AlphabarError):
        alphabar.decompress(changed(file, names=[name, *header.names[1:]]), tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.png"))


def test_a_run_that_was_moved_is_named(file: Path, run: Path, tmp_path: Path) -> None:
    changed(file, run=str(tmp_path / "gone"))
    with pytest.raises(AlphabarError, match="Name it with --model"):
        alphabar.decompress(file, tmp_path / "out")
    alphabar.decompress(file, tmp_path / "out", model=run)
    assert same(tmp_path / "in", tmp_path / "out")


def test_a_run_that_is_named_is_read_at_the_step_and_with_the_weights_of_the_file(run: Path, tmp_path: Path) -> None:
    source = pictures(tmp_path / "in")
    alphabar.compress(alphabar.load(run, weights="raw"), source, tmp_path / "x.abar", steps=5)
    alphabar.decompress(tmp_path / "x.abar", tmp_path / "out", model=run)
    assert same(source, tmp_path / "out")


def test_a_file_does_not_make_the_program_fetch_a_model(file: Path, tmp_path: Path) -> None:
    with pytest.raises(AlphabarError, match="which is no run"):
        alphabar.decompress(changed(file, run="hf:owner/name"), tmp_path / "out")


def test_a_picture_of_the_user_is_not_replaced(file: Path, tmp_path: Path) -> None:
    mine = tmp_path / "out" / "0.png"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    with pytest.raises(AlphabarError, match=r"holds 0\.png, which is no decompressed image"):
        alphabar.decompress(file, mine.parent)
    assert mine.read_bytes() == b"mine"


COLOURED = np.dstack([np.full((8, 8), level, dtype=np.uint8) for level in (1, 2, 3)])
TRANSPARENT = np.dstack([np.full((8, 8), level, dtype=np.uint8) for level in (9, 9, 9, 100)])


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (COLOURED, "in colour"),
        (TRANSPARENT, "transparent"),
        (np.full((8, 8), 999, dtype=np.uint16), "more than 8 bits"),
        (np.zeros((9, 8), dtype=np.uint8), "up to 8x8"),
    ],
)
def test_what_would_not_come_back_exactly_is_refused(run: Path, pixels, said: str, tmp_path: Path) -> None:
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with pytest.raises(AlphabarError, match=said):
        alphabar.compress(run, tmp_path / "a.png", tmp_path / "x.abar")
    assert not (tmp_path / "x.abar").exists()


def test_a_picture_of_which_only_a_part_is_read_is_refused(run: Path, tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((8, 8), level, dtype=np.uint8)) for level in (7, 8)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "a.ppm").write_bytes(b"P6 8 8 65535\n" + bytes(8 * 8 * 6))
    for name, said in (("a.gif", "only the first of several frames"), ("a.ppm", "more than 8 bits per colour")):
        with pytest.raises(AlphabarError, match=rf"{name} would not come back exactly: {said}"):
            alphabar.compress(run, tmp_path / name, tmp_path / "x.abar")


def test_the_commands_say_what_they_made(run: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    source = pictures(tmp_path / "in")
    with pytest.raises(SystemExit) as end:
        monkeypatch.setattr(
            "sys.argv", ["alphabar", "compress", str(run), str(source), str(tmp_path / "x.abar"), "--steps", "5"]
        )
        cli.main()
    assert not end.value.code
    assert "5 images in" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        monkeypatch.setattr("sys.argv", ["alphabar", "decompress", str(tmp_path / "x.abar"), str(tmp_path / "out")])
        cli.main()
    assert not end.value.code
    assert same(source, tmp_path / "out")
