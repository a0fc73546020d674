"""What is read of a run is checked for its type where it is read, and what is no checkpoint is not taken for one."""

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from rich.console import Console
from safetensors.torch import load_file, save_file

from alphabar import build, files, films
from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.runs import checkpoint, previews
from alphabar.runs.model import load_model
from alphabar.runs.run import Run, described, read_best
from alphabar.sampling import folder as folders
from alphabar.sampling.pipeline import Pipeline
from alphabar.sampling.to_folder import Plan, fill
from alphabar.training import loop
from alphabar.training.state import TrainState
from spoiled_runs import newest, sentence, signed, state
from tiny_settings import TINY

CPU = torch.device("cpu")
Unusable = Callable[[Path], object]
UNUSABLE: dict[str, Unusable] = {
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
    "a link to itself": lambda path: path.symlink_to(path),
    "empty": Path.touch,
}
"""What lies in place of a file."""


def replaced(path: Path, make: Unusable) -> None:
    path.unlink()
    make(path)


# ---- what a checkpoint is ---------------------------------------------------------------------------------------

NO_CHECKPOINTS: dict[str, Callable[[Path], object]] = {
    "a file": lambda folder: (folder / "step-00000009").write_text("mine"),
    "a link to nothing": lambda folder: (folder / "step-00000009").symlink_to("nothing"),
    "a digit more": lambda folder: shutil.copytree(folder / "step-00000006", folder / "step-000000009"),
    "digits of another script": lambda folder: shutil.copytree(folder / "step-00000006", folder / "step-0000000٩"),
    "a copy": lambda folder: shutil.copytree(folder / "step-00000006", folder / "step-00000009 copy"),
    "few digits": lambda folder: shutil.copytree(folder / "step-00000006", folder / "step-9"),
}


@pytest.mark.parametrize("make", NO_CHECKPOINTS.values(), ids=NO_CHECKPOINTS)
def test_what_is_not_named_and_made_like_a_checkpoint_is_passed_over(run: Path, make, quiet) -> None:
    make(run / "checkpoints")
    assert load_model(run).step == 6
    assert loop.train(c.load("ddpm_digits", TINY), run, CPU, quiet)


@pytest.mark.parametrize("step", [6.0, "6", True, None, [6], -6, "/../../../../x"])
def test_the_step_is_the_whole_number_in_the_name(run: Path, step: object) -> None:
    state(newest(run), lambda content: content.update(step=step))
    assert "does not state the step of its folder" in sentence(lambda: load_model(run))


@pytest.mark.heavy
def test_each_corrupt_checkpoint_gets_a_name_of_its_own(run: Path, quiet) -> None:
    for content in (b"first", b"second", b"third"):
        (newest(run) / "network.safetensors").write_bytes(content)
        loop.train(c.load("ddpm_digits", TINY), run, CPU, quiet)
    names = ["corrupt-step-00000006", "corrupt-step-00000006-2", "corrupt-step-00000006-3"]
    kept = [(run / "checkpoints" / name / "network.safetensors").read_bytes() for name in names]
    assert kept == [b"first", b"second", b"third"]


def test_a_corrupt_checkpoint_that_cannot_be_renamed_is_a_sentence(run: Path, quiet, monkeypatch) -> None:
    (newest(run) / "network.safetensors").write_bytes(b"")

    def fails(self: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(AlphabarError, match=r"step-00000006 is corrupt and cannot be renamed \(Permission denied\)"):
        loop.train(c.load("ddpm_digits", TINY), run, CPU, quiet)


# ---- settings and best.json -------------------------------------------------------------------------------------

UNSUITABLE: dict[str, Callable[[dict[str, Any]], object]] = {
    "no config": lambda s: s.pop("config"),
    "a list": lambda s: s.update(config=[]),
    "a text": lambda s: s.update(config="x" * 100_000),
    "a thousand sections": lambda s: s["config"].update({f"x{k}": {} for k in range(1000)}),
    "no facts": lambda s: s.pop("image_facts"),
    "empty facts": lambda s: s.update(image_facts={}),
    "facts in a list": lambda s: s.update(image_facts=[1]),
    "names that are numbers": lambda s: s["image_facts"].update(class_names=[1, 2]),
    "a shape of two": lambda s: s["image_facts"].update(shape=[8, 8]),
}


@pytest.mark.parametrize("change", UNSUITABLE.values(), ids=UNSUITABLE)
def test_settings_that_do_not_fit_are_one_short_sentence(run: Path, change) -> None:
    state(newest(run), change)
    said = sentence(lambda: load_model(run))
    assert "step-00000006 do not fit this version of alphabar (" in said
    assert len(said) - len(str(run)) < 400 and "pydantic" not in said


GOOD = {"step": 6, "metric": "fd", "value": 1.5, "how": {"count": 3}}
BAD = [
    {"step": True},
    {"step": "6"},
    {"step": 6.0},
    {"metric": ["fd"]},
    {"value": "x"},
    {"value": True},
    {"value": None},
]
BAD += [{"how": 3}, {"more": 1}]


@pytest.mark.parametrize("change", BAD, ids=str)
def test_a_best_of_other_types_is_none(run: Path, change: dict[str, object]) -> None:
    (run / "best.json").write_text(json.dumps(GOOD))
    assert read_best(Run(run)) is not None
    (run / "best.json").write_text(json.dumps(GOOD | change))
    assert read_best(Run(run)) is None
    assert "holds no checkpoint of step best" in sentence(lambda: load_model(run, step="best"))


# ---- weights ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("overrides", [[], ["network.class_conditional=true", "network.preset=iddpm"]], ids=str)
def test_the_sizes_of_a_network_are_those_of_the_network(overrides: list[str]) -> None:
    config = c.load("ddpm_digits", [*TINY, *overrides])
    facts = c.ImageFacts(shape=(1, 8, 8), class_names=("a", "b"), fingerprint="")
    sizes, weights = build.network_sizes(config, facts), build.network(config, facts).state_dict()
    assert {key: (w.shape, w.dtype) for key, w in sizes.items()} == {k: (w.shape, w.dtype) for k, w in weights.items()}
    assert all(size.is_meta for size in sizes.values()) and not any(w.is_meta for w in weights.values())


@pytest.mark.heavy
def test_a_model_with_classes_is_loaded_without_pytorchs_compiler() -> None:
    """It takes seconds to import, and is imported for a random number without a value."""
    code = "import sys; from alphabar.runs.model import load_model; load_model('fashion-mnist')"
    code += "; print('sympy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "False"


def test_more_blocks_than_weights_are_refused_before_the_network_is_built(run: Path, monkeypatch) -> None:
    state(newest(run), lambda s: s["config"]["network"].update(num_blocks=64, channel_mult=[1, 1, 1]))
    monkeypatch.setattr(build, "network", None)
    assert "are too few for 192 blocks" in sentence(lambda: load_model(run))


def test_a_header_larger_than_any_list_of_tensors_is_not_read(run: Path) -> None:
    path = newest(run) / "ema-0.995.safetensors"
    path.write_bytes((9 << 20).to_bytes(8, "little") + b"{" + b" " * ((9 << 20) - 2) + b"}")
    signed(newest(run))
    assert "claims a header of 9,437,184 bytes" in sentence(lambda: load_model(run))


# ---- what a training restores -----------------------------------------------------------------------------------

BY_IMPORTANCE = [*TINY, "diffusion.variance=learned_range", "diffusion.objective=vlb"]
BY_IMPORTANCE += ["diffusion.timestep_sampler=loss_second_moment"]


def restored(path: Path, overrides: list[str]) -> None:
    saved = checkpoint.read(path).verify()
    TrainState(c.load("ddpm_digits", overrides), described(saved)[1], CPU).restore(saved)


COUNTS: dict[str, Callable[[dict[str, torch.Tensor]], object]] = {
    "fractions": lambda t: t.update(count=t["count"].double()),
    "32 bits": lambda t: t.update(count=t["count"].int()),
    "negative": lambda t: t["count"].fill_(-1),
    "too large": lambda t: t["count"].fill_(11),
    "histories of whole numbers": lambda t: t.update(history=t["history"].long()),
    "one more": lambda t: t.update(count=torch.zeros(22, dtype=torch.int64)),
    "none": lambda t: t.pop("count"),
}


@pytest.fixture(scope="module")
def weighed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that samples timesteps by importance."""
    path = tmp_path_factory.mktemp("weighed") / "run"
    loop.train(c.load("ddpm_digits", [*BY_IMPORTANCE, "training.steps=2"]), path, CPU, Console(quiet=True))
    return path


@pytest.mark.parametrize("change", COUNTS.values(), ids=COUNTS)
def test_the_history_of_losses_is_restored_only_if_it_is_one(weighed: Path, tmp_path: Path, change) -> None:
    run = shutil.copytree(weighed, tmp_path / "run")
    path = run / "checkpoints" / "step-00000002" / "timestep_sampler.safetensors"
    restored(path.parent, BY_IMPORTANCE)
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    signed(path.parent)
    with pytest.raises(ValueError, match=r"count|history") as caught:
        restored(path.parent, BY_IMPORTANCE)
    assert "alphabar" in type(caught.value).__module__
    path.unlink()
    signed(path.parent)
    with pytest.raises(AlphabarError, match=r"does not list timestep_sampler.safetensors"):
        restored(path.parent, BY_IMPORTANCE)


SCALE = {"scale": 65536.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 2000, "_growth_tracker": 3}
SCALES: list[object] = [[1], {"scale": 1.0}, 7, SCALE | {"more": 1}, SCALE | {"scale": "x"}, SCALE | {"scale": 0}]
SCALES += [SCALE | {"growth_interval": 1.5}, SCALE | {"_growth_tracker": -1}, SCALE | {"scale": True}]


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_the_scale_of_the_loss_is_restored_only_if_it_is_one(trained: Path, scale: object) -> None:
    saved = checkpoint.read(newest(trained))
    half = TrainState(c.load("ddpm_digits", [*TINY, "training.precision=fp16"]), described(saved)[1], CPU)
    half.restore(replace(saved, state=saved.state | {"loss_scale": SCALE}))
    assert half.scaler.state_dict() == SCALE
    with pytest.raises(AlphabarError, match=r"is damaged .*loss_scale.*; move it elsewhere to resume from an older"):
        half.restore(replace(saved, state=saved.state | {"loss_scale": scale}))


# ---- folders of samples, previews and films ---------------------------------------------------------------------


@pytest.fixture
def sampled(run: Path) -> Plan:
    """Three images, sampled to a folder."""
    pipeline = Pipeline.of(load_model(run))
    plan = Plan.of(pipeline, pipeline.job(range(3)))
    fill(plan)
    assert folders.read(plan.folder) is not None
    return plan


@pytest.mark.parametrize("make", UNUSABLE.values(), ids=UNUSABLE)
@pytest.mark.parametrize("name", ["seed-000000.png", "seed-000002.png", "settings.json"])
def test_a_folder_of_samples_is_whole_or_a_sentence(sampled: Plan, name: str, make: Unusable) -> None:
    """And never taken for a folder of any images, of which grid.png would be one."""
    replaced(sampled.folder / name, make)
    if name == "settings.json":
        sentence(lambda: fill(sampled))
        if make is Path.touch:  # no JSON: another program's
            assert folders.read(sampled.folder) is None
            return
    assert name in sentence(lambda: folders.read(sampled.folder))


@pytest.mark.parametrize("seed", ["x", [1], None, 1.0, True, {}, -1, 10**18], ids=str)
def test_the_seed_in_an_image_is_the_whole_number_in_its_name(sampled: Plan, seed: object) -> None:
    path = sampled.folder / "seed-000001.png"
    with Image.open(path) as picture:
        about, copy = json.loads(picture.text["alphabar"]) | {"seed": seed}, picture.copy()  # type: ignore[attr-defined]
    info = PngInfo()
    info.add_text("alphabar", json.dumps(about))
    copy.save(path, pnginfo=info)
    assert "seed-000001.png is not an image that was sampled" in sentence(lambda: folders.read(sampled.folder))


@pytest.mark.parametrize("make", UNUSABLE.values(), ids=UNUSABLE)
def test_a_preview_or_a_film_that_is_none_is_not_waited_for(tmp_path: Path, make: Unusable) -> None:
    for name in ("step-00000001.png", "film.gif", "film.webp", "film.mp4"):
        make(tmp_path / name)
    assert not previews.is_whole(tmp_path / "step-00000001.png")
    assert all(films.comment_of(tmp_path / f"film.{suffix}") is None for suffix in ("gif", "webp", "mp4"))


# ---- leftovers and locks ----------------------------------------------------------------------------------------


def test_a_resume_removes_what_a_killed_process_left_anywhere_in_the_run(run: Path, quiet) -> None:
    places = [run, run / "checkpoints", run / "samples"]
    for place in places:
        (place / ".0123456789abcdef.tmp").write_bytes(b"half")
        (place / ".mine.tmp").write_bytes(b"whole")
    loop.train(c.load("ddpm_digits", TINY), run, CPU, quiet)
    assert [path.name for place in places for path in place.glob(".*.tmp")] == [".mine.tmp"] * 3


def test_a_file_is_written_although_a_sweep_comes_at_the_worst_moment(tmp_path: Path, monkeypatch) -> None:
    lock, sweeps = fcntl.flock, iter([True])

    def late(file: Any, how: int) -> None:
        if next(sweeps, False):
            files.sweep(tmp_path)
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with files.atomic_file(tmp_path / "whole") as file:
        file.write(b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_locks_files_are_written_and_none_is_swept(tmp_path, run, monkeypatch, quiet, number) -> None:
    def fails(file: Any, how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fails)
    (tmp_path / ".0123456789abcdef.tmp").write_bytes(b"perhaps another's")
    files.sweep(tmp_path)
    with files.atomic_file(tmp_path / "whole") as file:
        file.write(b"1")
    assert (tmp_path / "whole").exists() and (tmp_path / ".0123456789abcdef.tmp").exists()
    with pytest.raises(AlphabarError, match="on a file system without locks"):
        loop.train(c.load("ddpm_digits", TINY), run, CPU, quiet)


def test_a_sentence_repeats_no_control_sequence_of_a_header(run: Path) -> None:
    path = newest(run) / "ema-0.995.safetensors"
    text = json.dumps({"a": {"dtype": "\x1b[31m\n\x1c" * 99, "shape": [1], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
    signed(newest(run))
    said = sentence(lambda: load_model(run))
    assert "is corrupt" in said and said.isprintable() and len(said) - len(str(run)) < 400


def test_a_checkpoint_that_is_removed_while_it_is_read_is_read_to_its_end(run: Path, monkeypatch) -> None:
    """A training that prunes at each step would otherwise be quicker than any reader."""
    expected, sizes = load_model(run).tensors(), build.network_sizes

    def prunes(*about: Any) -> dict[str, torch.Tensor]:
        shutil.rmtree(newest(run))
        return sizes(*about)

    monkeypatch.setattr(build, "network_sizes", prunes)
    model = load_model(run)
    assert model.step == 6 and not newest(run).exists()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in model.tensors().items())
