"""Films keep their frames, their times and what they are of, in every format; and a run can be seen as it trained."""

import json
import os
import shutil
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from alphabar import cli, films, images
from alphabar.errors import AlphabarError
from alphabar.files import outputs
from alphabar.runs.model import load_model
from alphabar.runs.previews import previews
from alphabar.sampling.folder import film_path
from alphabar.sampling.pipeline import Pipeline
from alphabar.sampling.to_folder import Plan, sample_to_folder
from alphabar.training import loop

CPU = torch.device("cpu")
READABLE = [name for name in films.FORMATS if name != "mp4"]
FFMPEG = shutil.which("ffmpeg")


def levels(channels: int, *values: int) -> list[torch.Tensor]:
    return [torch.full((channels, 8, 6), level, dtype=torch.uint8) for level in values]


def noise(channels: int, count: int = 3) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (channels, 9, 7), dtype=torch.uint8, generator=generator) for _ in range(count)]


def read(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """The frames of a film, (H, W, 3), and the milliseconds of each."""
    frames, times = [], []
    with Image.open(path) as picture:
        for k in range(picture.n_frames):
            picture.seek(k)
            frames.append(np.asarray(picture.convert("RGB")))
            times.append(picture.info["duration"])
    return frames, times


def rgb(frame: torch.Tensor) -> np.ndarray:
    return frame[:3].expand(3, -1, -1).permute(1, 2, 0).numpy()


FAKE = """#!{python}
import json, sys
frames = sys.stdin.buffer.read().split(b"\\x89PNG")[1:]
place = sys.argv[-1].removeprefix("file:")
if {status}:
    open(place, "wb").write(b"half a film")
    sys.exit("Unknown encoder 'x'")
open(place, "wb").write(json.dumps([len(frames), sys.argv]).encode())
"""


@pytest.fixture
def fake_ffmpeg(tmp_path, monkeypatch):
    """A program of that name, alone on the PATH, which writes down what it was told; or fails."""

    def made(status: int = 0) -> None:
        program = tmp_path / "bin" / "ffmpeg"
        program.parent.mkdir(exist_ok=True)
        program.write_text(FAKE.format(python=sys.executable, status=status))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(program.parent))

    made()
    return made


@pytest.fixture
def no_ffmpeg(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("name", READABLE)
def test_a_film_has_its_frames_and_holds_the_last(name: str, channels: int, tmp_path) -> None:
    frames = levels(channels, 0, 80, 255)
    films.save(tmp_path / f"a.{name}", frames, seconds=3, hold=2)
    shown, times = read(tmp_path / f"a.{name}")
    assert times == [1000, 1000, 3000]
    assert [frame.shape for frame in shown] == [(8, 6 * (2 if channels == 2 else 1), 3)] * 3
    assert [int(frame.min()) for frame in shown] == [int(frame.max()) for frame in shown] == [0, 80, 255]
    with Image.open(tmp_path / f"a.{name}") as picture:
        assert picture.info["loop"] == 0


@pytest.mark.parametrize(("name", "channels"), [("gif", 1), ("webp", 1), ("webp", 3)])
def test_a_lossless_film_keeps_every_pixel(name: str, channels: int, tmp_path) -> None:
    films.save(tmp_path / f"a.{name}", noise(channels))
    for shown, frame in zip(read(tmp_path / f"a.{name}")[0], noise(channels), strict=True):
        assert np.array_equal(shown, rgb(frame))


@pytest.mark.parametrize("name", READABLE)
def test_a_film_of_many_frames_keeps_its_length_and_its_end(name: str, tmp_path) -> None:
    films.save(tmp_path / f"a.{name}", levels(1, *(k % 256 for k in range(1000))), seconds=2, hold=1)
    shown, times = read(tmp_path / f"a.{name}")
    assert len(shown) == 100 and sum(times) == 3000
    assert shown[-1][0, 0, 0] == 999 % 256


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", films.FORMATS)
def test_a_film_knows_what_it_is_of(name: str, count: int, tmp_path, fake_ffmpeg) -> None:
    path = tmp_path / f"a.{name.upper()}"
    assert films.comment_of(path) is None
    films.save(path, levels(3, *range(count)), comment="seeds 0, 1, 4294967295")
    assert films.comment_of(path) == "seeds 0, 1, 4294967295"
    films.save(path, levels(3, *range(count)), comment="seeds 0, 1")
    assert films.comment_of(path) == "seeds 0, 1"
    path.write_bytes(path.read_bytes()[:10])
    assert films.comment_of(path) is None


def test_ffmpeg_is_given_every_frame_in_even_sizes_and_their_times(tmp_path, fake_ffmpeg, monkeypatch) -> None:
    sizes = []
    whole = films._even
    monkeypatch.setattr(films, "_even", lambda picture: sizes.append((made := whole(picture)).size) or made)
    films.save(tmp_path / "a:b.mp4", noise(3, 5), seconds=4, hold=1.5, comment="seeds 7")
    count, told = json.loads((tmp_path / "a:b.mp4").read_bytes().partition(b"\0\0\0")[0])
    assert count == 5 and sizes == [(8, 10)] * 5
    assert told[told.index("-framerate") + 1] == "1000/800"
    assert "stop_duration=1.5" in told[told.index("-vf") + 1]
    assert told[told.index("-pix_fmt") + 1] == "yuv420p" and "comment=alphabar: a film of seeds 7" in told
    assert (whole(images.to_pil(noise(1)[0])).size, images.to_pil(noise(1)[0]).size) == ((8, 10), (7, 9))


def test_a_failing_ffmpeg_is_a_sentence_and_leaves_nothing(tmp_path, fake_ffmpeg) -> None:
    fake_ffmpeg(status=1)
    (tmp_path / "out").mkdir()
    old = outputs.mark(outputs.FILM).encode()
    (tmp_path / "out" / "a.mp4").write_bytes(old)
    with pytest.raises(AlphabarError, match=r"ffmpeg could not write the film \(Unknown encoder 'x'\)"):
        films.save(tmp_path / "out" / "a.mp4", noise(3))
    assert (tmp_path / "out" / "a.mp4").read_bytes() == old
    assert os.listdir(tmp_path / "out") == ["a.mp4"]  # noqa: PTH208 (hidden files included)


@pytest.mark.skipif(FFMPEG is None, reason="the program ffmpeg is not here")
def test_the_real_ffmpeg_makes_a_film_of_the_right_length(tmp_path) -> None:
    import subprocess

    films.save(tmp_path / "a.mp4", noise(3, 4), seconds=6, hold=1.5, comment="seeds 0")
    said = subprocess.run([FFMPEG, "-i", tmp_path / "a.mp4"], capture_output=True, text=True, check=False).stderr
    assert "Duration: 00:00:07.50" in said and "8x10" in said and "yuv420p" in said and "seeds 0" in said
    assert films.comment_of(tmp_path / "a.mp4") == "seeds 0"


def test_what_cannot_be_filmed_is_a_sentence_and_leaves_nothing(tmp_path, no_ffmpeg) -> None:
    mistakes = {
        r"\.gif, \.webp or \.mp4 file; got .*a\.avi": ("a.avi", noise(1), {}),
        r"\.gif, \.webp or \.mp4 file; got .*film": ("film", noise(1), {}),
        r"ffmpeg, which is not on the PATH.*\.gif or \.webp": ("a.mp4", noise(1), {}),
        r"at least one frame; got 0": ("a.gif", [], {}),
        r"0\.1 to 600 seconds; got 0\.": ("a.gif", noise(1), {"seconds": 0}),
        r"0\.1 to 600 seconds; got nan": ("a.gif", noise(1), {"seconds": float("nan")}),
        r"16,384 pixels; .*at most 16,383": ("a.webp", [torch.zeros(1, 1, 16384, dtype=torch.uint8)], {}),
        r"Cannot write .*missing": ("missing/a.gif", noise(1), {}),
    }
    for words, (name, frames, options) in mistakes.items():
        with pytest.raises(AlphabarError, match=words):
            films.save(tmp_path / name, frames, **options)
    assert not list(tmp_path.iterdir())


def test_the_largest_webp_is_written(tmp_path) -> None:
    films.save(tmp_path / "a.webp", [torch.zeros(1, 1, 16383, dtype=torch.uint8)] * 2)
    assert (tmp_path / "a.webp").exists()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_titles_stand_above_the_frames_and_leave_them_as_they_are(channels: int) -> None:
    frames = [torch.full((channels, 20, width), 70, dtype=torch.uint8) for width in (300, 300)]
    short, long = films.titled(frames, ["step 9", "step 10,000"])
    assert short.shape == long.shape and short.shape[2] == 300
    for made, frame in ((short, frames[0]), (long, frames[1])):
        assert torch.equal(made[:3, -20:], frame[:3])
        title = made[:3, :-20]
        assert title.max() > 200 and title.min() == 0 and (title > 200).any(dim=(0, 1)).float().mean() < 0.5
    assert not torch.equal(short, long)


def test_a_title_wider_than_its_frame_is_not_cut() -> None:
    (made,) = films.titled([torch.full((1, 4, 4), 70, dtype=torch.uint8)], ["step 1,000,000"])
    assert made.shape[2] > 60 and (made[:, -4:] == 70).sum() == 16
    assert (made[0, :-6, 0] == 0).all() and (made[0, :-6, -1] == 0).all()


# ---- the film of a drawing ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("film") / "run"
    loop.train(tiny("training.sample_every=2", "sampling.steps=5"), path, CPU, Console(quiet=True))
    return path


def plan(trained: Path, out: Path, seeds: list[int], **changes: object) -> Plan:
    pipeline = Pipeline.of(load_model(trained), changes)
    return Plan.of(pipeline, pipeline.job(seeds), out)


@pytest.mark.parametrize("name", films.FORMATS)
def test_what_is_filmed_is_not_drawn_again(name: str, trained, tmp_path, drawn_seeds, fake_ffmpeg) -> None:
    for seeds in ([0, 1], [0, 1], [0, 1, 2], [0, 1]):
        sample_to_folder(plan(trained, tmp_path / "out", seeds), film=name)
    assert drawn_seeds == [0, 1, 0, 1, 2, 0, 1]
    assert films.comment_of(film_path(tmp_path / "out", name)) == "seeds 0, 1"


def test_a_film_in_another_format_is_another_film(trained, tmp_path, drawn_seeds) -> None:
    for name in ("gif", "webp", "webp", "gif"):
        sample_to_folder(plan(trained, tmp_path / "out", [0, 1]), film=name)
    assert drawn_seeds == [0, 1, 0, 1]
    assert len(read(tmp_path / "out" / "film.webp")[0]) == 5


def test_a_kill_before_the_film_leaves_it_to_be_made_and_after_it_does_not(
    trained, tmp_path, drawn_seeds, monkeypatch
) -> None:
    save = films.save

    def killed(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(films, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        sample_to_folder(plan(trained, tmp_path / "out", [0, 1, 2], batch_size=2), film="gif")
    assert sorted(path.name for path in (tmp_path / "out").glob("seed-*")) == ["seed-000000.png", "seed-000001.png"]
    monkeypatch.setattr(films, "save", save)
    for _ in range(2):
        sample_to_folder(plan(trained, tmp_path / "out", [0, 1, 2], batch_size=2), film="gif")
    assert drawn_seeds == [0, 1, 0, 1, 2]  # a film is of the first batch at most
    assert films.comment_of(tmp_path / "out" / "film.gif") == "seeds 0, 1"


def test_an_image_that_was_lost_is_drawn_and_the_film_is_left_alone(trained, tmp_path, drawn_seeds) -> None:
    sample_to_folder(plan(trained, tmp_path / "out", [0, 1, 2]), film="gif")
    before = (tmp_path / "out" / "film.gif").read_bytes()
    (tmp_path / "out" / "seed-000000.png").unlink()
    sample_to_folder(plan(trained, tmp_path / "out", [0, 1, 2]), film="gif")
    assert drawn_seeds == [0, 1, 2, 0]
    assert (tmp_path / "out" / "film.gif").read_bytes() == before


# ---- the commands -------------------------------------------------------------------------------------------------


@pytest.fixture
def call(monkeypatch):
    """The exit status of a command, run in this process."""

    def called(*args: object) -> int:
        monkeypatch.setattr(sys, "argv", ["alphabar", *map(str, args)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return int(caught.value.code or 0)

    return called


@pytest.mark.parametrize("name", ["gif", "webp", "mp4", "none"])
def test_sample_films_as_it_is_told(name: str, trained, tmp_path, call, capsys, fake_ffmpeg) -> None:
    assert call("sample", trained, "--num", 2, "--out", tmp_path / "out", "--film", name) == 0
    films = [path.name for path in (tmp_path / "out").glob("film.*")]
    assert films == ([] if name == "none" else [f"film.{name}"])
    assert ("film" in capsys.readouterr().out.replace(str(tmp_path), "")) == (name != "none")


def test_sample_refuses_a_film_before_it_draws(trained, tmp_path, call, capsys, no_ffmpeg) -> None:
    for name, words in (("wepb", "did you mean 'webp'"), ("mp4", "ffmpeg, which is not on the PATH")):
        assert call("sample", trained, "--num", 2, "--out", tmp_path / "out", "--film", name) == 2
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", READABLE)
def test_the_film_of_a_run_shows_its_previews_in_the_order_of_their_steps(
    name: str, trained, tmp_path, call, capsys
) -> None:
    out = tmp_path / "new" / f"training.{name}"
    assert call("film", trained, "--out", out, "--seconds", 3) == 0
    assert capsys.readouterr().out == f"film      {out}  (3 grids, steps 2 to 6)\n"
    shown, times = read(out)
    assert times == [1000, 1000, 2500] and films.comment_of(out) == "training steps 2, 4, 6"
    for step, frame in zip((2, 4, 6), shown, strict=True):
        grid = np.asarray(Image.open(trained / "samples" / f"step-{step:08d}.png").convert("RGB"))
        assert np.array_equal(frame[-grid.shape[0] :], grid)
        assert frame[: -grid.shape[0]].max() > 200  # its title
    assert call("film", trained) == 0 and (trained / "film.gif").exists()
    (trained / "film.gif").unlink()


def test_steps_are_put_in_order_as_numbers(trained, tmp_path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    (run / "samples" / "step-00000006.png").rename(run / "samples" / "step-100000000.png")
    (run / "samples" / "step-notes.png").write_text("not a preview")
    assert previews(run).steps == [2, 4, 100000000]
    assert len({frame.shape for frame in previews(run).frames}) == 1


def test_a_run_that_cannot_be_filmed_is_a_sentence(trained, tiny, tmp_path, call, capsys) -> None:
    def copy(name: str) -> Path:
        return shutil.copytree(trained, tmp_path / name)

    (none := copy("none")) and shutil.rmtree(none / "samples")
    one, sizes, broken = copy("one"), copy("sizes"), copy("broken")
    for step in (2, 4):
        (one / "samples" / f"step-{step:08d}.png").unlink()
    images.save_png(sizes / "samples" / "step-00000004.png", torch.zeros(1, 5, 7, dtype=torch.uint8))
    torn = broken / "samples" / "step-00000004.png"
    torn.write_bytes(torn.read_bytes()[:-40])
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.gif").mkdir()
    mistakes = {
        "There is no run at": ["film", tmp_path / "nowhere"],
        "alphabar train": ["film", tmp_path],
        "holds none; a run makes one every training.sample_every steps": ["film", none],
        "holds only that of step 6; ": ["film", one],
        "step 4": ["film", sizes],
        "7x5, and that of step 6": ["film", sizes],
        f"{torn} cannot be read": ["film", broken],
        "is a .gif, .webp or .mp4 file": ["film", trained, "--out", tmp_path / "a.avi"],
        "0.1 to 600 seconds; got 1000": ["film", trained, "--out", tmp_path / "a.gif", "--seconds", 1000],
        "file": ["film", trained, "--out", tmp_path / "file" / "a.gif"],
        "folder.gif": ["film", trained, "--out", tmp_path / "folder.gif"],
    }
    for words, args in mistakes.items():
        assert call(*args) == 2
        said = capsys.readouterr().err
        assert said.startswith("alphabar: ") and said.count("\n") == 1 and words in said, said
    assert not list(tmp_path.rglob("*.tmp")) and not (tmp_path / "a.gif").exists()
    assert not any((run / "film.gif").exists() for run in (none, one, sizes, broken))
