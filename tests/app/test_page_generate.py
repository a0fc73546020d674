"""The Generate tab shows what `Model.sample` samples, while it is sampled."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from alphabar.app import forms, generated, live
from alphabar.app.generate import Generate
from alphabar.app.generated import EACH, NONE, Album, Request, Sampled
from alphabar.app.watched import watched
from alphabar.errors import AlphabarError
from alphabar.sampling.pipeline import Pipeline


@pytest.fixture
def does(models, shelf) -> Generate:
    return Generate(models, shelf, Album())


def request_of(does: Generate, label: str = EACH, seeds: str = "0-3", **values: Any) -> Request:
    return Request.of(does.models.model("digits"), "digits", label, seeds, values)


def last(steps: Iterator[tuple[str, Any]]) -> Any:
    *_, (_, result) = steps
    return result


@pytest.mark.parametrize(
    ("label", "same", "values"),
    [(EACH, None, {}), ("7", 7, {"sampler": "ddim", "eta": "0.5", "steps": "4"}), (NONE, "none", {"steps": "3"}),
     ("2", "2", {"guidance": "2", "guidance_interval": "1-30"})],
)  # fmt: skip
def test_the_images_are_those_of_python(does, label, same, values) -> None:
    wanted = request_of(does, label, **values)
    images = last(does.sample(wanted))
    expected = does.models.model("digits").sample(seeds="0-3", label=same, **forms.given(values))
    assert torch.equal(images.tensor, expected.tensor) and images.settings == expected.settings


def test_frames_come_while_the_chain_runs_and_leave_no_files(does, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(generated, "EVERY", 0.0)
    frames = [text for text, _ in does.sample(request_of(does, steps="4"))]
    assert len(frames) == 1 + 4 + 1
    for k, frame in enumerate(frames[1:-1], 1):
        assert f"step {k} of 4" in frame and frame.count("data:image/png;base64,") == 2
        assert f'value="{k / 4:.4f}"' in frame
    assert not list(tmp_path.rglob("*.*"))


def test_closing_the_frames_ends_the_chain(does, monkeypatch) -> None:
    monkeypatch.setattr(generated, "EVERY", 0.0)
    seen: list[int] = []
    steps = Pipeline.steps

    def counted(self: Pipeline, job: Any) -> Iterator[Any]:
        for step in steps(self, job):
            seen.append(step.t)
            yield step

    monkeypatch.setattr(Pipeline, "steps", counted)
    frames = does.sample(request_of(does, steps="20"))
    for _ in range(4):
        next(frames)
    frames.close()
    assert len(seen) == 3


def test_work_in_a_thread_ends_at_the_next_network_call_once_it_is_closed(does) -> None:
    model = does.models.model("digits")
    ended: list[str] = []

    def work(model: Any) -> None:
        try:
            model.sample(64, sampler="ddpm", steps=40, batch_size=1)
        except BaseException as error:
            ended.append(type(error).__name__)
            raise

    pulses = watched(model, work)
    assert next(pulses).result is None
    pulses.close()
    for _ in range(100):
        time.sleep(0 if ended else 0.05)
    assert ended == ["StoppedError"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"seeds": "0-64"}, "at most 64 images at a time; got 65 seeds"),
        ({"seeds": "a"}, "is not a list of seeds"),
        ({"seeds": ""}, "is not a list of seeds"),
        ({"label": "shoe"}, "There is no class shoe"),
        ({"steps": "41"}, "must be set to 1..40"),
        ({"sampler": "ddm"}, "ddpm"),
        ({"sampler": "ddpm", "eta": "1"}, "eta is an option of"),
        ({"guidance": "x"}, "Guidance is a number"),
        ({"label": NONE, "guidance": "2"}, "have no class"),
    ],
)
def test_a_mistake_in_the_form_is_a_sentence(does, values, said) -> None:
    with pytest.raises(AlphabarError, match=said):
        list(does.sample(request_of(does, **values)))


def test_an_image_is_downloaded_with_its_settings(does) -> None:
    wanted = request_of(does, "3")
    images = last(does.sample(wanted))
    with Image.open(does.png(wanted, 2)) as picture:
        assert picture.size == (8, 8) and '"seed": 2' in picture.info["alphabar"]
        assert np.array_equal(np.array(picture), images.tensor[2, 0].numpy())


def test_images_that_were_forgotten_are_sampled_again(does, monkeypatch) -> None:
    monkeypatch.setattr(generated, "_KEPT", 0)
    first, second = request_of(does, steps="3"), request_of(does, steps="4")
    images = last(does.sample(first))
    last(does.sample(second))
    assert first not in does.album._kept
    assert torch.equal(does.images(first).tensor, images.tensor)


def test_an_image_becomes_a_film_variations_and_a_way_to_another_one(does) -> None:
    wanted = request_of(does)
    last(does.sample(wanted))
    with Image.open(last(does.film(wanted, 1))) as film:
        assert film.format == "GIF" and film.n_frames == 5
    assert isinstance(last(does.vary(wanted, 1, 0.5)), Image.Image)
    assert last(does.interpolate(wanted, 1, 9, 0.5)).width > last(does.vary(wanted, 1, 0.5)).width
    for work in (does.film(None, 0), does.vary(None, 0, 0.5), does.interpolate(None, 0, 1, 0.5)):
        with pytest.raises(AlphabarError, match="There are no images yet"):
            next(work)


def test_titles_name_seed_and_class(does) -> None:
    images = last(does.sample(request_of(does, "7", "5")))
    assert isinstance(images, Sampled) and images.title(0) == "seed 5, 7"
    assert images.shown()[0][0].size == (128, 128)


def test_what_people_write_is_text_in_the_page() -> None:
    assert "<b>" not in live.bar("<b>") + live.message("<b>")
