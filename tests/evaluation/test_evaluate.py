"""`alphabar evaluate`: one row that says exactly what was measured, for runs, folders and .npz files."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from alphabar import cli, data, images
from alphabar.metrics import Extractor
from alphabar.training import loop
from ranks import commanded

FASHION = ["--features", "fashion-cnn"]


def call(monkeypatch, *args: object) -> int:
    monkeypatch.setattr("sys.argv", ["alphabar", *map(str, args)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return int(caught.value.code or 0)


def row(monkeypatch, capsys, *args: object) -> dict:
    assert call(monkeypatch, "evaluate", *args) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return json.loads(out)


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory) -> Path:
    """The features of the digits, extracted by the first test that wants them and not by each."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache(shared_cache, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))
    return shared_cache / "alphabar"


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "run"
    loop.train(tiny(), path, torch.device("cpu"), Console(quiet=True))
    return path


@pytest.fixture(scope="module")
def noise(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("noise") / "noise.npz"
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (60, 1, 8, 8), dtype=np.uint8))
    images.save_npz(path, pixels)
    return path


@pytest.mark.heavy
def test_a_run_becomes_a_row_that_says_what_was_measured(trained, monkeypatch, capsys, cache) -> None:
    found = row(monkeypatch, capsys, trained, "--count", 40, *FASHION, "--sampler", "ddim", "--steps", 3, "--eta", 1)
    assert (found["n_fake"], found["n_real"], found["n_held_out"]) == (40, 1797, None)
    about = found["images"]
    assert (about["step"], about["weights"], about["sampler"], about["nfe"]) == (6, "ema-0.995", "ddim", 3)
    assert about["seeds"] == "0-39" and about["eta"] == 1.0 and "round" in about["rounding"]
    assert len(about["weights_sha256"]) == len(found["extractor"]["weights_sha256"]) == 64
    reference = found["reference"]
    assert reference["name"] == "digits" and reference["split"] == "train" and reference["resize"] == "none"
    assert reference["fingerprint"] == data.load("digits").fingerprint()
    assert found["extractor"]["name"] == "fashion-cnn" and "32x32" in found["extractor"]["resize"]
    assert found["versions"]["torch"] == torch.__version__
    assert ["fewer than 10,000" in warning for warning in found["warnings"]] == [True, True]
    for name, entry in found["metrics"].items():
        assert name.endswith("-fashion-cnn")
        if name.startswith("FD"):  # 40 images say nothing of 128 x 128 covariances
            assert entry["interval"] is None and entry["no_interval"].startswith("40 generated images are too few")
        else:
            low, high = entry["interval"]
            assert low <= high
        floor = entry["floor"]["halves"]
        as_many = name.split("-")[0] in ("precision", "recall", "density", "coverage")
        assert (floor["n_real"], floor["n_fake"]) == (40 if as_many else 898, 40)
        assert entry["n_real"] == (40 if as_many else 1797)
    assert "classes" not in str(found["metrics"])  # of garments, in digits
    assert (
        found["metrics"]["FD-fashion-cnn"]["value"] > 3 * found["metrics"]["FD-fashion-cnn"]["floor"]["halves"]["value"]
    )
    kept = [json.loads(line) for line in (trained / "evaluations.jsonl").read_text().splitlines()]
    assert kept == [found]
    with Image.open(Path(about["path"]) / "neighbours.png") as picture:
        assert picture.width > 600


@pytest.mark.heavy
def test_what_was_drawn_and_extracted_is_not_made_again(trained, monkeypatch, capsys) -> None:
    args = [trained, "--count", 12, "--metrics", "fd", *FASHION]
    first = row(monkeypatch, capsys, *args)

    def forbidden(*args):
        raise AssertionError("made again")

    monkeypatch.setattr("alphabar.sampling.pipeline.Pipeline.steps", forbidden)
    monkeypatch.setattr(Extractor, "__call__", lambda self, x: None if len(x) == 1 else forbidden())
    second = row(monkeypatch, capsys, *args)
    assert second["metrics"] == first["metrics"]


def test_a_folder_of_samples_knows_where_it_comes_from(trained, tmp_path, monkeypatch, capsys) -> None:
    assert call(monkeypatch, "sample", trained, "--seeds", "5-9,20", "--out", tmp_path / "out") == 0
    capsys.readouterr()
    found = row(monkeypatch, capsys, tmp_path / "out", "--reference", "digits", "--metrics", "fd", *FASHION)
    drawn = row(monkeypatch, capsys, trained, "--seeds", "5-9,20", "--metrics", "fd", *FASHION)
    assert found["n_fake"] == 6 and found["images"]["seeds"] == "5-9,20" and found["images"]["step"] == 6
    assert found["metrics"] == drawn["metrics"]
    assert not (tmp_path / "out" / "evaluations.jsonl").exists()


@pytest.mark.heavy
def test_the_same_images_score_the_same_in_every_container(tmp_path, noise, monkeypatch, capsys) -> None:
    with np.load(noise) as file:
        pixels = file["arr_0"]
    (tmp_path / "folder").mkdir()
    for k, image in enumerate(pixels):
        Image.fromarray(image[..., 0]).save(tmp_path / "folder" / f"{k:03d}.png")
    args = ["--reference", "digits", "--metrics", "fd,pr,classes", *FASHION, "--out", tmp_path / "out"]
    first, second = (row(monkeypatch, capsys, place, *args) for place in (noise, tmp_path / "folder"))
    assert first["metrics"] == second["metrics"]
    assert len((tmp_path / "out" / "evaluations.jsonl").read_text().splitlines()) == 2
    assert (tmp_path / "out" / "neighbours.png").exists()


def test_statistics_are_written_and_read_in_the_layout_of_pytorch_fid(tmp_path, noise, monkeypatch, capsys) -> None:
    file = tmp_path / "digits.npz"
    images.save_npz(tmp_path / "images.npz", data.load("digits").images)
    args = [*FASHION, "--metrics", "fd"]
    row(monkeypatch, capsys, tmp_path / "images.npz", "--reference", noise, *args, "--statistics", file)
    with np.load(file) as arrays:
        assert arrays["mu"].shape == (128,) and arrays["sigma"].shape == (128, 128)
        assert arrays["sigma"].dtype == np.float64 and str(arrays["extractor"]) == "fashion-cnn"
        np.savez(tmp_path / "bare.npz", mu=arrays["mu"], sigma=arrays["sigma"])
    direct = row(monkeypatch, capsys, noise, "--reference", "digits", *args)
    own, bare = (row(monkeypatch, capsys, noise, "--reference", f, *args) for f in (file, tmp_path / "bare.npz"))
    value = direct["metrics"]["FD-fashion-cnn"]["value"]
    assert own["metrics"]["FD-fashion-cnn"]["value"] == pytest.approx(value, rel=1e-7)
    assert bare["metrics"]["FD-fashion-cnn"]["value"] == pytest.approx(value, rel=1e-7)
    assert own["reference"]["sha256"] != bare["reference"]["sha256"]
    assert own["n_real"] == 1797 and bare["n_real"] is None
    assert any("does not say which extractor" in warning for warning in bare["warnings"])
    assert own["metrics"]["FD-fashion-cnn"]["floor"] == {}


def test_a_batch_of_guided_diffusion_gives_its_statistics_to_fd_and_its_images_to_the_rest(
    tmp_path, noise, monkeypatch, capsys
) -> None:
    """Its reference files hold mu and sigma of the whole data set beside ten thousand of its images."""
    row(
        monkeypatch,
        capsys,
        noise,
        "--reference",
        "digits",
        *FASHION,
        "--metrics",
        "fd",
        "--statistics",
        tmp_path / "s.npz",
    )
    with np.load(tmp_path / "s.npz") as s, np.load(noise) as n:
        np.savez(tmp_path / "batch.npz", arr_0=n["arr_0"][::-1][:30], mu=s["mu"], sigma=s["sigma"])
    found = row(monkeypatch, capsys, noise, "--reference", tmp_path / "batch.npz", *FASHION, "--metrics", "fd,pr")
    assert found["metrics"]["FD-fashion-cnn"]["value"] == pytest.approx(0, abs=1e-6)  # the statistics are its own
    assert found["metrics"]["recall-fashion-cnn"]["value"] == 1  # and the images are among its own


def test_copies_of_training_images_are_found_out(tmp_path, monkeypatch, capsys) -> None:
    """Of a folder with train/ and test/; half of the digits stand for what a model has memorised."""
    digits = data.load("digits").images[:400]
    for split, part in (("train", digits[:200]), ("test", digits[200:])):
        (tmp_path / "real" / split).mkdir(parents=True)
        for k, image in enumerate(part):
            images.save_png(tmp_path / "real" / split / f"{k:03d}.png", image)
    images.save_npz(tmp_path / "copies.npz", digits[:100])
    images.save_npz(tmp_path / "fresh.npz", data.load("digits").images[600:700])
    args = ["--reference", tmp_path / "real", *FASHION, "--metrics", "memorisation,fd"]
    copies, fresh = (row(monkeypatch, capsys, tmp_path / f"{name}.npz", *args) for name in ("copies", "fresh"))
    assert copies["n_held_out"] == 200
    found, honest = (r["metrics"]["memorisation-fashion-cnn"] for r in (copies, fresh))
    assert found["value"] > 0.95 and found["p"] < 1e-6
    assert honest["p"] > 0.01 and honest["interval"][0] < 0.5 < honest["interval"][1]
    floors = copies["metrics"]["FD-fashion-cnn"]["floor"]
    assert (floors["held_out"]["n_real"], floors["held_out"]["n_fake"], floors["halves"]["n_real"]) == (200, 100, 100)


def test_a_folder_that_is_sorted_by_class_gives_a_random_part_of_itself(tmp_path, monkeypatch, capsys) -> None:
    digits = data.load("digits")
    by_class = digits.images[digits.labels.argsort()]
    images.save_npz(tmp_path / "sorted.npz", by_class[:1790])
    args = [tmp_path / "sorted.npz", "--reference", "digits", "--metrics", "fd", *FASHION]
    part, whole = (row(monkeypatch, capsys, *args, "--count", n) for n in (400, 1790))
    first = row(monkeypatch, capsys, *sorted_first(tmp_path, by_class[:400]), *args[1:])
    assert part["metrics"]["FD-fashion-cnn"]["value"] < 0.2 * first["metrics"]["FD-fashion-cnn"]["value"]
    assert whole["metrics"]["FD-fashion-cnn"]["value"] < part["metrics"]["FD-fashion-cnn"]["value"]


def sorted_first(folder: Path, some: torch.Tensor) -> list[Path]:
    images.save_npz(folder / "first.npz", some)
    return [folder / "first.npz"]


@pytest.mark.heavy
def test_one_class_is_compared_with_itself_alone(tiny, tmp_path, monkeypatch, capsys) -> None:
    run = tmp_path / "run"
    loop.train(tiny("network.class_conditional=true"), run, torch.device("cpu"), Console(quiet=True))
    found = row(monkeypatch, capsys, run, "--count", 12, "--class", 3, "--metrics", "fd", *FASHION)
    assert found["n_real"] == int((data.load("digits").labels == 3).sum())
    assert found["reference"]["class"] == 3 and found["reference"]["is_what_was_trained_on"]
    other = row(
        monkeypatch, capsys, run, "--count", 12, "--class", 3, "--reference", "digits", "--metrics", "fd", *FASHION
    )
    assert any("class 3 alone" in warning for warning in other["warnings"])


@pytest.mark.heavy
def test_data_that_changed_since_are_told(tiny, tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "photos").mkdir()
    for k in range(14):
        images.save_png(tmp_path / "photos" / f"{k}.png", torch.full((1, 8, 8), 9 * k, dtype=torch.uint8))
    run = tmp_path / "run"
    config = tiny("data.name=folder", f"data.path={tmp_path / 'photos'}")
    loop.train(config, run, torch.device("cpu"), Console(quiet=True))
    args = [run, "--count", 12, "--metrics", "fd", *FASHION]
    assert not any("other images" in w for w in row(monkeypatch, capsys, *args)["warnings"])
    (tmp_path / "photos" / "3.png").unlink()
    assert any("other images" in w for w in row(monkeypatch, capsys, *args)["warnings"])


@pytest.mark.heavy
def test_a_folder_that_another_version_drew_is_gone_on_with(trained, monkeypatch, capsys) -> None:
    args = [trained, "--count", 11, "--metrics", "fd", *FASHION, "--sampler", "ddpm"]
    folder = Path(row(monkeypatch, capsys, *args)["images"]["path"])
    settings = json.loads((folder / "settings.json").read_text())
    (folder / "settings.json").write_text(json.dumps(settings | {"alphabar": "0.0.9"}))
    assert row(monkeypatch, capsys, *args)["n_fake"] == 11


@pytest.mark.parametrize("settings", ["[]", "null", "{}", "{"])
def test_a_folder_with_a_settings_file_of_another_kind_is_a_folder(settings, tmp_path, monkeypatch, capsys) -> None:
    for k in range(12):
        images.save_png(tmp_path / f"seed-{k:06d}.png", torch.full((1, 8, 8), 9 * k, dtype=torch.uint8))
    (tmp_path / "settings.json").write_text(settings)
    assert row(monkeypatch, capsys, tmp_path, "--reference", "digits", "--metrics", "fd", *FASHION)["n_fake"] == 12


@pytest.mark.heavy
def test_two_processes_share_the_work_and_find_the_same(tmp_path, noise, monkeypatch, capsys) -> None:
    pixels = torch.from_numpy(np.random.default_rng(3).integers(0, 256, (2300, 1, 8, 8), dtype=np.uint8))
    images.save_npz(tmp_path / "many.npz", pixels)
    args = ["evaluate", tmp_path / "many.npz", "--reference", "digits", "--metrics", "fd,classes", *FASHION]
    with monkeypatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        assert commanded(2, tmp_path / "said", *args) == [0, 0]
    alone = row(monkeypatch, capsys, *args[1:])
    lines = [line for line in (tmp_path / "said").read_text().splitlines() if line.startswith("{")]
    assert len(lines) == 1  # only one of them talks
    together = json.loads(lines[0])
    assert together["metrics"] == alone["metrics"]
    assert len(list((tmp_path / "cache").rglob("0*.safetensors"))) == 3 + 2


@pytest.mark.heavy
def test_two_processes_draw_what_one_would(trained, tmp_path, monkeypatch) -> None:
    args = ["sample", trained, "--seeds", "0-9", "--batch-size", "3", "--out"]
    assert call(monkeypatch, *args, tmp_path / "one") == 0
    assert commanded(2, tmp_path / "said", *args, tmp_path / "two") == [0, 0]
    for path in sorted((tmp_path / "one").glob("seed-*.png")):
        one, two = (np.asarray(Image.open(tmp_path / folder / path.name)).astype(int) for folder in ("one", "two"))
        assert np.abs(one - two).max() <= 1
    assert (tmp_path / "two" / "film.gif").exists() and (tmp_path / "two" / "grid.png").exists()


MISTAKES: dict[str, tuple[list[str], list[str]]] = {
    "unknown metric": (["{noise}", "--reference", "digits", "--metrics", "fdi"], ["'fdi'", "did you mean 'fd'"]),
    "unknown extractor": (["{noise}", "--reference", "digits", "--features", "incption"], ["did you mean 'inception'"]),
    "no inception": (["{noise}", "--reference", "digits", "--features", "inception"], ["data fetch inception"]),
    "wrong weights": (
        ["{noise}", "--reference", "digits", "--features", "inception", "--extractor-weights", "{noise}"], ["sha256"]
    ),
    "no reference": (["{noise}", *FASHION], ["--reference"]),
    "unknown reference": (["{noise}", "--reference", "digit", *FASHION], ["'digit'", "digits"]),
    "missing subject": (["{tmp}/nothing", "--reference", "digits", *FASHION], ["{tmp}/nothing"]),
    "sizes that differ": (["{noise}", "--reference", "{large}", *FASHION], ["{large}", "12x12", "8x8", "--resize"]),
    "more than there are": (["{noise}", "--reference", "digits", "--count", "61", *FASHION], ["60", "61"]),
    "drawing from a file": (["{noise}", "--reference", "digits", "--steps", "3", *FASHION], ["no run", "steps"]),
    "count and seeds": (["{run}", "--count", "5", "--seeds", "0-3", *FASHION], ["--count", "--seeds"]),
    "memorisation without held-out": (
        ["{run}", "--count", "5", "--metrics", "memorisation", *FASHION], ["memorisation", "held-out"]
    ),
    "statistics and kid": (["{noise}", "--reference", "{stats}", "--metrics", "kid", *FASHION], ["kid", "statistics"]),
    "statistics of another size": (["{noise}", "--reference", "{stats}", "--metrics", "fd", *FASHION], ["128", "3"]),
    "statistics that are none": (["{noise}", "--reference", "{broken}", *FASHION], ["mu", "sigma"]),
    "colour for a grey extractor": (["{colour}", "--reference", "{colour}", *FASHION], ["grey", "efficientnet-lite0"]),
    "step that is not there": (["{run}", "--step", "5", *FASHION], ["no checkpoint of step 5"]),
    "a best that is not there": (["{run}", "--step", "best", *FASHION], ["no checkpoint of step best"]),
    "a size for a run's own data": (["{run}", "--resize", "crop", *FASHION], ["--resize", "--reference"]),
    "seeds twice": (["{run}", "--seeds", "0-9,3", *FASHION], ["Seed 3", "twice"]),
    "too few for a metric": (["{run}", "--count", "5", "--metrics", "is", *FASHION], ["'is'", "10"]),
    "one image": (["{run}", "--seeds", "7", *FASHION], ["at least 3 evaluated images", "there is 1"]),
    "statistics nowhere": (
        ["{noise}", "--reference", "digits", "--statistics", "{noise}/x.npz", *FASHION], ["{noise}"]
    ),
    "statistics of another kind": (["{noise}", "--reference", "digits", "--statistics", "x.txt", *FASHION], [".npz"]),
    "out that cannot be": (["{noise}", "--reference", "digits", "--out", "{noise}/out", *FASHION], ["{noise}"]),
    "sigma that is no covariance": (["{noise}", "--reference", "{negative}", *FASHION], ["no covariance"]),
    "sigma that is not symmetric": (["{noise}", "--reference", "{lopsided}", *FASHION], ["symmetric"]),
    "sigma with a NaN": (["{noise}", "--reference", "{nan}", *FASHION], ["{nan}", "NaN"]),
    "statistics without numbers": (["{noise}", "--reference", "{words}", *FASHION], ["{words}", "numbers"]),
    "statistics of nothing": (["{noise}", "--reference", "{empty}", *FASHION], ["{empty}", "(0,)"]),
    "statistics of a scalar": (["{noise}", "--reference", "{scalar}", *FASHION], ["{scalar}", "()"]),
    "mu without sigma": (["{noise}", "--reference", "{lonely}", *FASHION], ["{lonely}", "mu and sigma"]),
    "complex statistics": (["{noise}", "--reference", "{complex}", *FASHION], ["{complex}"]),
    "n below 1": (["{noise}", "--reference", "{negative_n}", *FASHION], ["{negative_n}", "-3"]),
    "count without end": (["{run}", "--count", "9" * 11, *FASHION], ["--count", "at most 1,000,000"]),
    "count larger than any number": (["{run}", "--count", "9" * 30, *FASHION], ["--count", "at most 1,000,000"]),
    "n that is no number": (["{noise}", "--reference", "{many}", *FASHION], ["{many}"]),
    "a pipe": (["{noise}", "--reference", "{pipe}", *FASHION], ["{pipe}"]),
    "held-out of another size": (
        ["{noise}", "--reference", "{mixed}", *FASHION], ["{mixed}/test", "9x9", "8x8", "--resize"]
    ),
    "split": (["{noise}", "--reference", "digits", "--split", "test", *FASHION], ["test", "train"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory, noise) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    images.save_npz(folder / "large.npz", torch.zeros(9, 1, 12, 12, dtype=torch.uint8))
    images.save_npz(folder / "colour.npz", torch.zeros(9, 3, 8, 8, dtype=torch.uint8))
    np.savez(folder / "stats.npz", mu=np.zeros(3), sigma=np.eye(3))
    np.savez(folder / "broken.npz", mu=np.zeros(3), sigma=np.eye(2))
    good = {"mu": np.zeros(128), "sigma": np.eye(128)}
    np.savez(folder / "negative.npz", **good | {"sigma": -np.eye(128)})
    np.savez(folder / "lopsided.npz", **good | {"sigma": np.eye(128) + np.eye(128, k=3)})
    np.savez(folder / "nan.npz", **good | {"mu": np.full(128, np.nan)})
    np.savez(folder / "words.npz", **good | {"mu": np.array(["x"] * 128)})
    np.savez(folder / "empty.npz", mu=np.zeros(0), sigma=np.zeros((0, 0)))
    np.savez(folder / "scalar.npz", mu=np.array(1.0), sigma=np.array(1.0))
    np.savez(folder / "lonely.npz", mu=np.zeros(128))
    np.savez(folder / "complex.npz", **good | {"mu": np.zeros(128, complex)})
    np.savez(folder / "negative_n.npz", **good, n=np.array(-3))
    np.savez(folder / "many.npz", **good, n=np.arange(3))
    os.mkfifo(folder / "pipe.npz")
    for split, side in (("train", 8), ("test", 9)):
        (folder / "mixed.npz" / split).mkdir(parents=True)
        for k in range(12):
            images.save_png(
                folder / "mixed.npz" / split / f"{k}.png", torch.full((1, side, side), k, dtype=torch.uint8)
            )
    return {path.stem: path for path in folder.iterdir()} | {"noise": noise}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_before_any_image_is_drawn(
    mistake, trained, files, tmp_path, monkeypatch, capsys
) -> None:
    def forbidden(*args):
        raise AssertionError("an image was drawn")

    monkeypatch.setattr("alphabar.sampling.pipeline.Pipeline.steps", forbidden)
    places = files | {"run": trained, "tmp": tmp_path}
    args, words = MISTAKES[mistake]
    assert call(monkeypatch, "evaluate", *(arg.format(**places) for arg in args)) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said and said.startswith("alphabar: ") and said.count("\n") == 1
    for word in words:
        assert word.format(**places) in said


def test_fetching_an_unknown_thing_is_a_sentence(monkeypatch, capsys) -> None:
    assert call(monkeypatch, "data", "fetch", "inceptoin") == 2
    assert "did you mean 'inception'" in capsys.readouterr().err


def test_inception_is_fetched_checked_and_kept_only_if_it_is_the_published_file(monkeypatch, capsys, cache) -> None:
    monkeypatch.setattr("alphabar.data.download._chunks", lambda url, label: iter([b"an error page"]))
    assert call(monkeypatch, "data", "fetch", "inception") == 2
    assert "6726825d" in capsys.readouterr().err
    assert not list(cache.rglob("*.pth"))
