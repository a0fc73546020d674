"""The model card says what the run says: data, recipe, scores of these weights, origin and licence; and no place."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import alphabar
from alphabar.interop.diffusers import licence_in
from alphabar.runs import checkpoint
from alphabar.sharing.card import card
from alphabar.sharing.facts import Facts
from alphabar.sharing.scores import Score, scores
from tiny_settings import TINY

NAME = "me/icons"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder whose name must not be published."""
    return tmp_path_factory.mktemp("home-of-somebody")


@pytest.fixture(scope="module")
def run(place) -> Path:
    """A run on pictures of one's own in two classes, with a preview, and evaluated by bits/dim."""
    random = np.random.default_rng(0)
    for kind in ("cats", "dogs"):
        (place / "photos" / kind).mkdir(parents=True)
        for k in range(6):
            Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).save(place / "photos" / kind / f"{k}.png")
    settings = [*TINY, "training.sample_every=6", "data.image_size=8", "data.name=folder"]
    own = [f"data.path={place / 'photos'}", "network.class_conditional=true"]
    alphabar.train("ddpm_digits", run=place / "run", overrides=[*settings, *own], device="cpu")
    alphabar.bits_per_dim(place / "run", split="train", count=4, device="cpu")
    return place / "run"


def written(run: Path, out: Path, **options: Any) -> str:
    """The card of a run."""
    return Path(alphabar.push(run, f"hf:{NAME}", out=out, **options)).read_text(encoding="utf-8")


def head(text: str) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    _, block, _ = text.split("---\n", 2)
    found: dict[str, Any] = yaml.safe_load(block)
    return found


def test_a_card_says_what_the_run_says(run, tmp_path) -> None:
    text = written(run, tmp_path / "out", licence="cc-by-4.0")
    model = alphabar.load(run, device="cpu")
    assert "The author's own images: 12 images, sha256 of the pixels and labels as the network sees them " in text
    assert model.loaded.facts.fingerprint in text and "2 classes: cats, dogs" in text
    assert "6 steps, 48 images seen" in text and "| diffusion.schedule | cosine |" in text
    assert "alphabar pull hf:me/icons model" in text and 'alphabar.load("hf:me/icons")' in text
    assert "Samples of the model at step 6, made while it was trained." in text
    assert "Licence of these weights: cc-by-4.0." in text and licence_in(tmp_path / "out") == "cc-by-4.0"
    about = head(text)
    assert (about["license"], about["library_name"]) == ("cc-by-4.0", "alphabar") and "datasets" not in about


def test_scores_have_their_interval_unit_and_way(run, tmp_path) -> None:
    row = json.loads((run / "evaluations.jsonl").read_text().splitlines()[-1])
    text = written(run, tmp_path / "out")
    (line,) = [line for line in text.splitlines() if line.startswith("| bits/dim ")]
    assert "4 images, variational bound, 20 of 20 steps, decoder exact" in line and "bits per dimension" in line
    assert re.search(r"\d…\d", line) and "They were measured before the weights were rounded to float16." in text
    (result,) = head(text)["model-index"][0]["results"]
    (metric,) = result["metrics"]
    assert metric["value"] == row["bits_per_dim"]["total"]["value"] and result["dataset"]["split"] == "train"
    assert "None were measured on these weights." in written(run, tmp_path / "raw", weights="raw")
    assert "None were measured on these weights." in written(run, tmp_path / "four", step=4)


def test_no_path_of_the_machine_is_published(run, place, tmp_path) -> None:
    written(run, tmp_path / "out", to=None)
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            assert not re.search(rb"home-of-somebody|/photos", path.read_bytes()), path
    assert set(Image.open(tmp_path / "out" / "samples.png").info) <= {"Software"}


def test_the_picture_is_sampled_from_what_is_published_if_there_is_no_preview(run, tmp_path) -> None:
    text = written(run, tmp_path / "out", step=4)
    assert "16 samples, seeds 0-15, by" in text
    assert Image.open(tmp_path / "out" / "samples.png").size[0] > 4 * 8


def test_a_licence_that_is_not_stated_is_not_invented(run, tmp_path) -> None:
    text = written(run, tmp_path / "out")
    assert "Licence of these weights: not stated." in text and "license" not in head(text)


def test_the_licence_and_the_origin_of_start_weights_travel_through_the_hub(run, place, tmp_path) -> None:
    written(run, tmp_path / "published", licence="cc-by-4.0")
    alphabar.train(
        "ddpm_digits", run=tmp_path / "next", device="cpu", from_run=tmp_path / "published",
        overrides=[*TINY, f"data.path={place / 'photos'}", "data.name=folder", "data.image_size=8"],
    )  # fmt: skip
    text = Path(alphabar.push(tmp_path / "next", "hf:me/next", out=tmp_path / "out")).read_text(encoding="utf-8")
    assert "started from the weights of hf:me/icons (format alphabar), whose licence is cc-by-4.0." in text
    assert (head(text)["license"], head(text)["base_model"]) == ("cc-by-4.0", "me/icons")


def test_an_imported_file_is_named_without_its_path(run, place, tmp_path) -> None:
    alphabar.export(run, place / "mine.safetensors", to="safetensors")
    alphabar.import_run(place / "mine.safetensors", tmp_path / "imported")
    text = written(tmp_path / "imported", tmp_path / "out")
    assert "They are the weights of mine.safetensors" in text and "/mine" not in text
    state = checkpoint.latest(tmp_path / "out" / "checkpoints")
    assert state is not None and state.state["imported"]["source"] == "mine.safetensors"
    assert not any(b"home-of-somebody" in path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())


# ---- texts that come from outside --------------------------------------------------------------------------------

HOSTILE = '](javascript:x) <script> | `x` \n---\nlicense: "mit" ![x](y) \x1b[31m \u202e'


def plain() -> Facts:
    score = Score(
        "FID", 3.17, (3.0, 3.3), "the estimate", "features", "50,000 images", "50,000 real images", "train", "cifar10"
    )
    return Facts(
        shape=(3, 32, 32), classes=(), parameters=35_746_307, data="cifar10", is_own_data=False, count=50_000,
        fingerprint="f" * 64, settings={}, step=1, images=1, seconds=59.0, weights="ema-0.9999", dtype="float32",
        sampling="ddpm", steps_per_image=1000, scores=(score,), origin=None, is_imported=False,
    )  # fmt: skip


def test_what_others_wrote_is_text_and_nothing_else() -> None:
    score = replace(plain().scores[0], name=HOSTILE, how=HOSTILE, against=HOSTILE, unit=HOSTILE, interval_of=HOSTILE)
    origin = {"source": HOSTILE, "format": HOSTILE, "licence": HOSTILE}
    bad = replace(plain(), classes=(HOSTILE,), data=HOSTILE, scores=(score,), origin=origin, sampling=HOSTILE)
    text = card(NAME, bad, None, ("samples.png", HOSTILE), None)
    body = text.split("---\n", 2)[2]
    for mark in ("](javascript", "<script", "![x]", "\x1b", "\u202e"):
        assert not re.search(r"(?<!\\)" + re.escape(mark), body), mark
    assert "license" not in head(text) and not re.search(r"^license", text, re.MULTILINE)
    assert head(text)["model-index"][0]["results"][0]["task"]["name"] == HOSTILE


def test_a_published_data_set_and_its_scores_are_in_the_head() -> None:
    text = card(NAME, plain(), "mit", ("samples.png", "x"), None)
    about = head(text)
    assert about["datasets"] == ["uoft-cs/cifar10"] and about["tags"][:2] == ["alphabar", "diffusion"]
    (result,) = about["model-index"][0]["results"]
    assert result["metrics"] == [
        {"type": "fid", "name": "FID (features)", "value": 3.17, "confidence": [3.0, 3.3]}
    ] and result["dataset"] == {"name": "cifar10", "type": "uoft-cs/cifar10", "split": "train"}  # fmt: skip


def row(**changes: Any) -> dict[str, Any]:
    about = {"weights_sha256": "a", "sampler": "ddim", "eta": 0.0, "nfe": 50, "path": "/home/x/out"}
    entry = {"value": 3.0, "interval": None, "no_interval": "too few images"}
    extractor = {"name": "inception", "dim": 2048, "weights_sha256": "0" * 64}
    reference = {"path": "/home/x/photos", "split": "train", "n": 10}
    return {"metrics": {"FID": entry}, "images": about, "extractor": extractor, "n_fake": 10, "n_real": 10,
            "reference": reference} | changes  # fmt: skip


def test_only_the_newest_scores_of_these_weights_count_and_their_reference_has_no_path() -> None:
    newer = row(metrics={"FID": {"value": 2.0, "interval": [1.0, 3.0], "interval_of": "the estimate"}})
    (found,) = scores([row(), newer], "a")
    assert (found.value, found.interval, found.split) == (2.0, (1.0, 3.0), "train")
    assert found.against == "10 real images of other data, split train" and "/home" not in repr(found)
    assert head(card(NAME, replace(plain(), scores=(found,)), None, ("x.png", "x"), None))["model-index"][0]["results"][
        0
    ]["dataset"] == {"name": "10 real images of other data, split train", "type": "other", "split": "train"}
    assert found.how == "10 images, ddim, η = 0, 50 network calls per image" and "inception, 2048" in found.unit
    assert scores([row()], "b") == []


@pytest.mark.parametrize(
    "change", [{"metrics": 3}, {"images": None}, {"metrics": {"x": {}}}, {"n_fake": "x"}, {"extractor": []}]
)
def test_a_damaged_row_is_passed_over(change) -> None:
    assert scores([row(**change), {"bits_per_dim": 3}, {}], "a") == []


def test_the_limits_of_an_evaluation_are_said_and_a_path_in_them_is_not() -> None:
    found = scores([row(warnings=["only 10 images: far too few", "the weights in /home/x are old"])], "a")
    text = card(NAME, replace(plain(), scores=tuple(found)), None, ("samples.png", "x"), None)
    assert "- Warning: only 10 images: far too few." in text and "/home" not in text
    assert "- FID: no interval: too few images." in text
