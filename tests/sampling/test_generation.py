"""Image k depends on seed k alone, and is told and kept truthfully."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import alphabar
from alphabar import seeds as seed_lists
from alphabar.diffusion import SAMPLERS
from alphabar.errors import AlphabarError
from alphabar.runs.model import LoadedModel, load_model
from alphabar.sampling import folder as folders
from alphabar.sampling import parts
from alphabar.sampling.job import Job
from alphabar.sampling.pipeline import Pipeline
from alphabar.sampling.to_folder import Plan, sample_to_folder
from alphabar.training import loop

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "run"
    loop.train(tiny("network.class_conditional=true", "training.steps=30"), path, CPU, Console(quiet=True))
    return path


@pytest.mark.parametrize("sizes", [(20,), pytest.param((1, 3), marks=pytest.mark.heavy)], ids=["20", "1 and 3"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_images_do_not_depend_on_the_batch_nor_on_their_neighbours(trained, name: str, sizes) -> None:
    model = load_model(trained)
    changes = {"sampler": name, "steps": 10}
    changes |= {"eta": 1.0} if "eta" in parts.options_of(name) else {}  # plain DDIM would use noise at the start only

    def sampled(seeds: list[int], size: int) -> torch.Tensor:
        pipeline = Pipeline.of(model, changes | {"batch_size": size})
        return pipeline.images(pipeline.job(seeds))

    seeds = [*range(31), 99]  # 2,048 pixels, to see one in a thousand
    reference = sampled(seeds, 32)
    for size in sizes:
        again = sampled(seeds, size)
        assert (again.int() - reference.int()).abs().max() <= 1  # kernels differ in the last bit of a float
        assert (again != reference).float().mean() < 1e-3
    alone = sampled([99], 1)
    assert (alone[0].int() - reference[-1].int()).abs().max() <= 1
    assert (reference[0] != reference[1]).any()


def test_classes_go_round_with_the_seed_or_are_the_one_asked_for(trained) -> None:
    model = load_model(trained)
    assert Pipeline.of(model).job([0, 9, 10, 23]).labels == (0, 9, 0, 3)
    assert Pipeline.of(model, label=7).job([0, 9]).labels == (7, 7)
    with pytest.raises(AlphabarError, match="needs a class for every image"):
        Pipeline.of(model, label="none")
    unconditional = with_classes(model, ())
    assert Pipeline.of(unconditional).job([0, 9]).labels is None
    for label in ("each", 0):
        with pytest.raises(AlphabarError, match=r"no classes|no class 0"):
            Pipeline.of(unconditional, label=label)


def test_a_conditional_model_draws_what_it_is_told(trained) -> None:
    model = load_model(trained)
    pipelines = [Pipeline.of(model, label=k) for k in (0, 1)]
    assert not torch.equal(*(pipeline.images(pipeline.job([5])) for pipeline in pipelines))


@pytest.mark.parametrize(
    ("names", "text", "words"),
    [((), "3", "has no classes"), ("abc", "3", r"classes are 0 a, 1 b, 2 c"), ("abc", "-1", "no class -1")],
)
def test_a_class_that_is_not_there_is_refused(trained, names: str, text: str, words: str) -> None:
    with pytest.raises(AlphabarError, match=words):
        with_classes(load_model(trained), tuple(names)).label(text)


def test_a_class_has_a_number_and_a_name(trained) -> None:
    model = with_classes(load_model(trained), ("dogs", "mice", "cats"))
    assert [model.label(text) for text in ("dogs", "2", "mice", None)] == [0, 2, 1, "each"]
    assert with_classes(model, ()).label(None) == "none"


def with_classes(model: LoadedModel, names: tuple[str, ...]) -> LoadedModel:
    return replace(model, facts=model.facts.model_copy(update={"class_names": names}))


def test_seeds_are_numbers_and_ranges() -> None:
    assert seed_lists.parsed("0-3, 100,7-7") == [0, 1, 2, 3, 100, 7]
    assert seed_lists.listed([0, 1, 2, 3, 100, 7]) == "0-3,100,7"


def test_derived_seeds_depend_on_the_whole_key_and_fit_a_generator() -> None:
    derived = [seed_lists.derived(*key) for key in [(0, 1), (1, 0), (0, "1"), (0, 11), ("0/1",), (0, 1, 0)]]
    assert derived[0] == derived[2] and len(set(derived)) >= 4 and all(0 <= seed < 2**63 for seed in derived)
    assert seed_lists.derived(0, 1) == seed_lists.derived(0, 1)


@pytest.mark.parametrize("text", ["", "a", "3-1", "-4", "1,,2", "1.5", "4294967296", "1-2-3"])
def test_other_texts_are_not_seeds(text: str) -> None:
    with pytest.raises(AlphabarError, match="seed"):
        seed_lists.parsed(text)


def test_weights_are_chosen_by_name(trained) -> None:
    ema, raw, named = (load_model(trained, w).denoiser.network.state_dict() for w in ("ema", "raw", "ema-0.995"))
    assert all(torch.equal(ema[key], named[key]) for key in ema)
    assert not all(torch.equal(ema[key], raw[key]) for key in ema)
    with pytest.raises(AlphabarError, match=r"no weights 'ema-0\.5'; choose one of: ema, raw, ema-0\.995"):
        load_model(trained, "ema-0.5")


def test_a_checkpoint_alone_is_enough_and_any_kept_step_can_be_had(trained) -> None:
    assert load_model(trained / "checkpoints" / "step-00000028").step == 28
    assert load_model(trained, step=26).step == 26
    with pytest.raises(AlphabarError, match="no checkpoint of step 3; there are: 26, 28, 30"):
        load_model(trained, step=3)


def plan(trained: Path, out: Path, seeds: list[int], **changes: object) -> Plan:
    pipeline = Pipeline.of(load_model(trained), changes)
    return Plan.of(pipeline, pipeline.job(seeds), out)


def test_a_drawing_says_how_it_was_made(trained, tmp_path) -> None:
    job = plan(trained, tmp_path / "out", [3, 14], steps=20)
    drawn = sample_to_folder(job, film="gif")
    folders.save_overview(job.folder, drawn, job.job, job.settings)

    settings = job.settings
    assert settings["weights_sha256"] == load_model(trained).sha256 and settings["steps"] == 20
    with Image.open(tmp_path / "out" / "seed-000014.png") as png:
        assert json.loads(png.text["alphabar"]) == settings | {"seed": 14, "class": 4, "name": "4"}
        assert np.array_equal(np.asarray(png), drawn[1, 0].numpy())
    told = json.loads((tmp_path / "out" / "settings.json").read_text())
    assert told == settings | {"seeds": [3, 14], "classes": [3, 4]}
    with np.load(tmp_path / "out" / "samples.npz") as arrays:
        assert arrays["arr_0"].shape == (2, 8, 8, 1) and arrays["arr_0"].dtype == np.uint8
        assert arrays["arr_1"].tolist() == [3, 4]
    with Image.open(tmp_path / "out" / "film.gif") as gif:
        assert gif.n_frames == 20
        width, height = gif.size
    assert width > 2 * height - 16  # x_t beside x̂_0
    assert (tmp_path / "out" / "grid.png").exists()


@pytest.mark.parametrize(
    ("spec", "rows"),
    [("4", [1, 7, 14, 20]), ("2,3", [1, 10, 11, 15, 20]), ("ddim5", [1, 5, 9, 13, 17]), ("t:2,20", [2, 20])],
)
def test_a_respacing_is_written_as_improved_diffusion_does(trained, tmp_path, spec, rows) -> None:
    job = plan(trained, tmp_path / "out", [0], steps=spec, sampler="ddpm")
    assert job.pipeline.denoiser.schedule.timesteps[1:].tolist() == rows
    assert job.settings["steps"] == len(rows)
    assert job.settings["spacing"] == (spec if not spec.isdecimal() else "uniform")
    assert sample_to_folder(job).shape == (1, 1, 8, 8)


def test_only_what_is_missing_is_drawn(trained, tmp_path, drawn_seeds) -> None:
    whole = sample_to_folder(plan(trained, tmp_path / "whole", [*range(6)]))
    drawn_seeds.clear()
    sample_to_folder(plan(trained, tmp_path / "out", [0, 2, 5]))
    (tmp_path / "out" / "seed-000002.png").write_bytes((tmp_path / "out" / "seed-000002.png").read_bytes()[:-30])
    (tmp_path / "out" / "seed-000005.png").write_bytes((tmp_path / "out" / "seed-000000.png").read_bytes())
    again = sample_to_folder(plan(trained, tmp_path / "out", [*range(6)]))
    assert drawn_seeds == [0, 2, 5, 1, 2, 3, 4, 5]  # a torn file and one of another seed are no images of the job
    assert (again.int() - whole.int()).abs().max() <= 1
    sample_to_folder(plan(trained, tmp_path / "out", [*range(6)]))
    assert len(drawn_seeds) == 8


def test_the_film_is_of_the_first_images_of_the_last_command(trained, tmp_path, drawn_seeds) -> None:
    for seeds in ([0, 1], [2, 3], [0, 1], [0, 1]):
        sample_to_folder(plan(trained, tmp_path / "out", seeds), film="gif")
    assert drawn_seeds == [0, 1, 2, 3, 0, 1]
    with Image.open(tmp_path / "out" / "film.gif") as gif:
        assert gif.info["comment"] == b"alphabar: a film of seeds 0, 1"


def test_a_run_that_was_moved_is_the_same_run_and_other_weights_are_not(trained, tmp_path) -> None:
    sample_to_folder(plan(trained, tmp_path / "out", [0]))
    moved = shutil.copytree(trained, tmp_path / "elsewhere")
    sample_to_folder(plan(moved, tmp_path / "out", [0, 1]))
    other = plan(moved, tmp_path / "out", [0])
    with pytest.raises(AlphabarError, match="sampled with another weights_sha256"):
        folders.make(other.folder, other.settings | {"weights_sha256": "0" * 64})


@pytest.mark.parametrize("steps", [1, 7, 60, 61, 1000])
def test_a_film_has_a_bounded_number_of_frames_and_always_the_last(steps: int) -> None:
    from alphabar.diffusion import Step

    film, x = folders.Film(steps, Job((0,), None, (1, 2, 2))), torch.zeros(1, 1, 2, 2)
    for t in range(steps - 1, -1, -1):
        film.watch(Step(t, x + (1 if t == 0 else 0), x))
    assert min(steps, 30) <= len(film.frames) <= 60
    assert film.frames[-1].max() == 255


def test_a_folder_never_mixes_images_of_different_settings(tmp_path) -> None:
    folders.make(tmp_path / "out", {"steps": 3, "eta": 0.0})
    folders.make(tmp_path / "out", {"steps": 3, "eta": 0.0})
    with pytest.raises(AlphabarError, match="sampled with another steps"):
        folders.make(tmp_path / "out", {"steps": 4, "eta": 0.0})


def test_a_long_chain_is_not_kept_in_memory(trained) -> None:
    """A job hands out one step at a time: what was yielded before is gone unless the caller keeps it."""
    import gc
    import weakref

    from alphabar.diffusion import EPS, FIXED_SMALL, Denoiser, linear

    denoiser = Denoiser(lambda x, time: torch.zeros_like(x), linear(100), EPS, FIXED_SMALL)
    pipeline = Pipeline.of(replace(load_model(trained), denoiser=denoiser), {"sampler": "ddpm"})
    pipeline = replace(pipeline, denoiser=denoiser, label="none")
    seen = []
    for step in pipeline.steps(pipeline.job([0])):
        seen.append(weakref.ref(step))
        gc.collect(0)
        assert sum(ref() is not None for ref in seen) <= 2
    assert len(seen) == 100


@pytest.mark.parametrize("seeds", ["0-4294967295", "0-999999,1000000"])
def test_too_many_images_are_a_sentence(seeds: str) -> None:
    with pytest.raises(AlphabarError, match=r"at most 1,000,000"):
        seed_lists.parsed(seeds)
    with pytest.raises(AlphabarError, match=r"at most 1,000,000"):
        Job(range(5_000_000_000), None, (1, 8, 8))


def test_a_folder_of_other_files_is_left_alone(trained, tmp_path) -> None:
    """Samples among somebody's training images would be trained on."""
    (tmp_path / "photo.png").write_bytes(b"mine")
    with pytest.raises(AlphabarError, match="holds other files than samples"):
        sample_to_folder(plan(trained, tmp_path, [0]))
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_images_that_are_sampled_again_for_a_film_are_not_written_again(trained, tmp_path) -> None:
    """As after a kill between the images of the first batch and their film."""
    first = alphabar.sample(trained, 4, out=tmp_path / "out")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("seed-*.png")}
    (tmp_path / "out" / "film.gif").unlink()
    again = alphabar.sample(trained, 4, out=tmp_path / "out")
    assert (tmp_path / "out" / "film.gif").exists() and torch.equal(first.tensor, again.tensor)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("seed-*.png")} == before
