"""What a command writes: never over a file that alphabar did not write, over its own inputs, or into checkpoints."""

import inspect
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
import typer
from PIL import Image

import alphabar
from alphabar import cli, images, plots
from alphabar.errors import AlphabarError
from alphabar.files import inside, outputs
from alphabar.networks.unet import UNet
from command_tree import commands

SETTINGS = {
    "network.channels": 8, "network.channel_mult": [1, 1], "network.attention_resolutions": [],
    "network.class_conditional": True, "network.label_dropout": 0.2, "diffusion.steps": 20,
    "training.steps": 4, "training.sample_every": 2, "training.batch_size": 4, "sampling.num": 4, "sampling.steps": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run with two previews, the terms of its bound, and beside it latents and an upsampler."""
    path = tmp_path_factory.mktemp("outputs") / "run"
    up = {**SETTINGS, "network.low_resolution": 4}
    alphabar.train("ddpm_digits", run=path.parent / "upsampler", overrides=up, device="cpu")
    alphabar.train("ddpm_digits", run=path, overrides=SETTINGS, device="cpu")
    alphabar.encode(path, 0, steps=2, iterations=1).save(path.parent / "latents.safetensors")
    alphabar.bits_per_dim(path, split="train", count=2, device="cpu")
    alphabar.compress(path, digit(path.parent / "digit.png"), path.parent / "digit.abar", steps=2)
    return path


def flag(option: str) -> list[str]:
    """What stands before a path on the command line: nothing before one that has its own place."""
    return [option] if option.startswith("--") else []


class WorkError(Exception):
    """The network was called."""


@pytest.fixture
def at_work(monkeypatch) -> None:
    def forward(*_: object, **__: object) -> None:
        raise WorkError

    monkeypatch.setattr(UNet, "forward", forward)


@pytest.fixture
def call(monkeypatch, capsys) -> Callable[..., tuple[int, str]]:
    """The exit status of a command and its stderr; 0 too if it went as far as the network."""

    def called(*args: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["alphabar", *map(str, args)])
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0), capsys.readouterr().err
        except WorkError:
            return 0, capsys.readouterr().err
        raise AssertionError

    return called


def digit(path: Path) -> Path:
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(path, format="PNG")
    return path


def figure(path: Path, a: int = 1) -> None:
    from alphabar.plots.style import canvas

    plots.Figure(canvas(1, 1), plots.Table({"a": [a]})).save(path)


def edit(path: Path) -> None:
    images.save_png(path, torch.zeros(1, 8, 8, dtype=torch.uint8), kind=outputs.EDIT)


def marked(kind: str) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(b"..." + outputs.mark(kind).encode())


# By command and option: its words, the name of its output, and what makes one as alphabar does.
FILES: dict[tuple[str, str], tuple[list[str], str, Callable[[Path], object]]] = {
    ("film", "--out"): (["{run}"], "a.gif", marked(outputs.FILM)),
    ("interpolate", "--out"): (["{run}", "{picture}", "0"], "a.png", edit),
    ("inpaint", "--out"): (["{run}", "{picture}", "left"], "a.png", edit),
    ("vary", "--out"): (["{run}", "{picture}"], "a.png", edit),
    ("encode", "--out"): (["{run}", "{picture}"], "a.safetensors", marked(outputs.LATENTS)),
    ("decode", "--out"): (["{run}", "{latents}"], "a.png", edit),
    ("evaluate", "--statistics"): (
        ["{run}", "--features", "fashion-cnn", "--count", "4"], "a.npz", marked(outputs.STATISTICS)
    ),
    ("compress", "out"): (["{run}", "{picture}"], "a.abar", marked(outputs.COMPRESSED)),
    ("data inspect", "--out"): (["{pictures}"], "a.png", marked(outputs.INSPECTED)),
    ("plot variances", "--out"): ([], "a.png", figure),
    ("plot schedules", "--out"): ([], "a.svg", figure),
    ("plot forward", "--out"): ([], "a.png", figure),
    ("plot vlb", "--out"): (["{run}"], "a.png", figure),
    ("plot rate-distortion", "--out"): (["{run}"], "a.png", figure),
    ("plot lossy", "--out"): (["{run}", "--split", "train"], "a.png", figure),
    ("plot gradient-noise", "--out"): (["{run}"], "a.png", figure),
    ("plot skipped", "--out"): (["{run}", "--features", "fashion-cnn"], "a.png", figure),
    ("plot steps", "--out"): (["{run}", "--features", "fashion-cnn"], "a.png", figure),
    ("plot scaling", "--out"): (["{run}"], "a.png", figure),
    ("plot loss", "--out"): (["{run}"], "a.png", figure),
    ("plot progressive", "--out"): (["{run}", "--columns", "3"], "a.png", figure),
    ("plot shared", "--out"): (["{run}", "--at", "1"], "a.png", figure),
}  # fmt: skip
FOLDERS = {
    ("train", "--run"): ["ddpm_digits"],
    ("sample", "--out"): ["{run}", "--num", "1"],
    ("evaluate", "--out"): ["{run}", "--features", "fashion-cnn", "--count", "4"],
    ("export", "out"): ["{run}"],
    ("push", "--out"): ["{run}", "hf:owner/name"],
    ("pull", "out"): ["hf:owner/name"],
    ("data pack", "out"): ["{pictures}"],
    ("decompress", "out"): ["{compressed}"],
    ("import", "--run"): ["{latents}"],
    ("upscale", "--out"): ["{upsampler}", "{picture}", "--resize", "stretch"],
}
OUTPUTS = {"--out", "--run", "--statistics"}
INPUTS = {"--data", "--data-root", "--reference", "--extractor-weights"}
"""The options that name files or folders; one that is in neither set needs a place in one of them."""


@pytest.fixture
def words(run, tmp_path) -> Callable[[list[str]], list[str]]:
    np.save(pictures := tmp_path / "pictures.npy", np.zeros((3, 8, 8), np.uint8))
    places = {
        "run": run,
        "picture": digit(tmp_path / "picture.png"),
        "pictures": pictures,
        "latents": run.parent / "latents.safetensors",
        "compressed": run.parent / "digit.abar",
        "upsampler": run.parent / "upsampler",
    }

    def filled(args: list[str]) -> list[str]:
        return [arg.format(**places) for arg in args]

    return filled


def callbacks(app: typer.Typer) -> Iterator[Callable[..., object]]:
    for command in app.registered_commands:
        assert command.callback is not None
        yield command.callback
    for group in app.registered_groups:
        yield from callbacks(group.typer_instance)


def test_every_command_that_writes_is_here() -> None:
    for callback in callbacks(cli.app):
        for name, hint in get_type_hints(callback).items():
            if (
                Path in (hint, *get_args(hint))
                and inspect.signature(callback).parameters[name].default is not inspect._empty
            ):
                assert f"--{name.replace('_', '-')}" in OUTPUTS | INPUTS, f"{callback.__name__}: {name}"
    writing = {
        (command.removeprefix("alphabar "), spelling)
        for command, names in commands().items()
        for spelling in [*(option.split()[0] for option in names["options"]), *names["arguments"]]
        if spelling in OUTPUTS | {"out"}
    }
    assert writing == {*FILES, *FOLDERS}


@pytest.mark.parametrize(("command", "option"), FILES)
def test_a_file_that_alphabar_did_not_write_is_kept(command, option, words, call, at_work, tmp_path) -> None:
    args, name, _ = FILES[command, option]
    args, out = words(args), tmp_path / name
    for content in (b"", b"mine", b"\x89PNG\r\n\x1a\nmine"):
        out.write_bytes(content)
        status, said = call(*command.split(), *args, *flag(option), out)
        assert (status, said.count("\n")) == (2, 1) and option in said.lower() and str(out) in said
        assert out.read_bytes() == content


@pytest.mark.parametrize(("command", "option"), [key for key in FILES if key[0].startswith("plot")])
def test_numbers_beside_a_figure_that_are_not_its_own_are_kept(command, option, words, call, at_work, tmp_path) -> None:
    args, name, make = FILES[command, option]
    make(tmp_path / name)
    (tmp_path / "a.csv").write_text("my,numbers\n")
    status, said = call(*command.split(), *words(args), option, tmp_path / name)
    assert status == 2 and "a.csv" in said and (tmp_path / "a.csv").read_text() == "my,numbers\n"


@pytest.mark.parametrize(("command", "option"), FILES)
def test_a_file_of_the_same_kind_that_alphabar_wrote_is_replaced(
    command, option, words, call, tmp_path, request
) -> None:
    args, name, make = FILES[command, option]
    args = words(args)
    make(tmp_path / name)
    request.getfixturevalue("at_work")
    status, said = call(*command.split(), *args, *flag(option), tmp_path / name)
    assert status == 0, said


@pytest.mark.parametrize(("command", "option"), FILES)
def test_nothing_is_written_into_the_checkpoints_of_a_run(command, option, run, words, call, at_work) -> None:
    args, name, _ = FILES[command, option]
    checkpoint = run / "checkpoints" / "step-00000004"
    before = {path: path.read_bytes() for path in run.glob("checkpoints/**/*") if path.is_file()}
    for out in (checkpoint / "network.safetensors", checkpoint / name, run / "checkpoints" / name):
        if out.suffix == Path(name).suffix:
            status, said = call(*command.split(), *words(args), *flag(option), out)
            assert (status, said.count("\n")) == (2, 1) and option in said
    assert {path: path.read_bytes() for path in run.glob("checkpoints/**/*") if path.is_file()} == before


@pytest.mark.parametrize(("command", "option"), FOLDERS)
def test_a_folder_of_other_files_and_the_checkpoints_are_left_alone(
    command, option, run, words, call, at_work, tmp_path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "evaluations.jsonl").write_text('{"mine": 1}\n')
    for out in (tmp_path / "mine", run / "checkpoints" / "new", run / "checkpoints" / "step-00000004"):
        before = {path: path.read_bytes() for path in out.glob("*") if path.is_file()}
        status, said = call(*command.split(), *words(FOLDERS[command, option]), *flag(option), out)
        assert (status, said.count("\n")) == (2, 1), said
        assert {path: path.read_bytes() for path in out.glob("*") if path.is_file()} == before
    assert not (run / "checkpoints" / "new").exists()


@pytest.mark.parametrize("name", ["grid.png", "samples.npz", "film.gif", "seed-000001.png", "settings.json"])
def test_a_file_put_into_a_folder_of_samples_is_kept(name, run, call, tmp_path, request) -> None:
    args = ["sample", run, "--steps", "2", "--out", tmp_path / "out", "--num"]
    assert call(*args, 1)[0] == 0
    assert call(*args, 1)[0] == 0  # all that it wrote itself may be replaced
    (tmp_path / "out" / name).write_bytes(b"[mine]")
    request.getfixturevalue("at_work")
    status, said = call(*args, 2)
    assert status == 2 and "--out" in said
    assert (tmp_path / "out" / name).read_bytes() == b"[mine]"


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
@pytest.mark.parametrize(
    "args",
    [
        ["vary", "{run}", "{input}"],
        ["interpolate", "{run}", "0", "{input}"], ["interpolate", "{run}", "{input}", "0"],
        ["inpaint", "{run}", "{input}", "left"], ["inpaint", "{run}", "0", "{input}"],
    ],
)  # fmt: skip
def test_an_input_is_never_the_output_even_if_alphabar_wrote_it(args, link, run, call, at_work, tmp_path) -> None:
    tile = torch.zeros(1, 8, 8, dtype=torch.uint8)
    tile[:, :4] = 255
    images.save_png(tmp_path / "edit.png", tile, kind=outputs.EDIT)
    before, out = (tmp_path / "edit.png").read_bytes(), tmp_path / "edit.png"
    if link is not None:
        link(out, out := tmp_path / "other-name.png")
    status, said = call(*(arg.format(run=run, input=tmp_path / "edit.png") for arg in args), "--out", out)
    assert (status, said.count("\n")) == (2, 1) and "reads" in said and "--out" in said
    assert (tmp_path / "edit.png").read_bytes() == before


def test_the_picture_that_encode_adds_is_none_of_its_inputs(run, call, at_work, tmp_path) -> None:
    edit(tmp_path / "a-decoded.png")
    status, said = call("encode", run, tmp_path / "a-decoded.png", "--out", tmp_path / "a.safetensors")
    assert status == 2 and "a-decoded.png" in said and not (tmp_path / "a.safetensors").exists()


def test_statistics_are_not_written_over_the_reference_nor_into_a_folder_of_images(
    run, call, at_work, tmp_path
) -> None:
    marked(outputs.STATISTICS)(tmp_path / "a.npz")
    (tmp_path / "photos").mkdir()
    for k in range(3):
        digit(tmp_path / "photos" / f"{k}.png")
    args = ["evaluate", run, "--features", "fashion-cnn", "--count", "4", "--reference"]
    status, said = call(*args, tmp_path / "a.npz", "--statistics", tmp_path / "a.npz")
    assert status == 2 and "--statistics" in said
    for subject in ([*args, tmp_path / "photos"], ["evaluate", tmp_path / "photos", "--reference", "digits"]):
        status, said = call(*subject, "--out", tmp_path / "photos")
        assert status == 2 and "--out" in said
    status, said = call("plot", "forward", "--data", tmp_path / "photos", "--out", tmp_path / "photos" / "a.png")
    assert status == 2 and "--out" in said
    assert sorted(path.name for path in (tmp_path / "photos").iterdir()) == ["0.png", "1.png", "2.png"]


def test_a_run_is_not_made_among_its_own_images(call, at_work, tmp_path) -> None:
    (tmp_path / "photos").mkdir()
    for k in range(3):
        digit(tmp_path / "photos" / f"{k}.png")
    status, said = call("train", "ddpm_digits", "--data", tmp_path / "photos", "--run", tmp_path / "photos" / "run")
    assert status == 2 and "--run" in said and not (tmp_path / "photos" / "run").exists()


def test_a_row_is_not_added_to_evaluations_of_somebody_else_but_to_ones_that_a_kill_cut(run, call, tmp_path) -> None:
    lines = tmp_path / "evaluations.jsonl"
    for theirs in ("my notes\n", '{"epoch": 1}\n', "[]"):
        lines.write_text(theirs)
        status, said = call("evaluate", run, "--bpd", "--split", "train", "--count", 2, "--out", tmp_path)
        assert status == 2 and "evaluations.jsonl" in said and lines.read_text() == theirs
    lines.write_text('{"bits_per_dim": {"tot')
    assert call("evaluate", run, "--bpd", "--split", "train", "--count", 2, "--out", tmp_path)[0] == 0
    assert len(lines.read_text().splitlines()) == 2


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/x", "a/b", "a/", "./a", "a\0b", 3, None])
def test_a_name_that_a_file_states_stays_in_its_folder(name, tmp_path) -> None:
    with pytest.raises(AlphabarError, match="is not the name of a file in"):
        inside(tmp_path, name)
    assert inside(tmp_path, "..a b") == tmp_path / "..a b"


@pytest.mark.parametrize("name", ["../../../out", "/etc/passwd", "a/../b", ".."])
def test_a_manifest_reaches_no_file_outside_its_checkpoint(name, run, tmp_path) -> None:
    import json
    import shutil

    shutil.copytree(run, tmp_path / "run")
    manifest = tmp_path / "run" / "checkpoints" / "step-00000004" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["files"][name] = "0" * 64
    manifest.write_text(json.dumps(content))
    with pytest.raises(AlphabarError, match="is not the name of a file in"):
        alphabar.load(tmp_path / "run")


def test_a_picture_of_any_name_has_an_output(run, call, at_work, tmp_path) -> None:
    for name in ("x" * 240, "画" * 80, "a\nb", "..."):
        status, said = call("vary", run, digit(tmp_path / f"{name}.png"))
        assert status == 0, said


@pytest.mark.parametrize("name", ["a.png", "a.npz"])
def test_python_replaces_no_more_than_the_command_line(name, run, tmp_path) -> None:
    samples = alphabar.load(run, device="cpu").sample(1, steps=2)
    samples.save(tmp_path / name)
    samples.save(tmp_path / name)
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(AlphabarError, match="alphabar did not write it"):
        samples.save(tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"mine"


def test_a_file_of_another_kind_is_kept(tmp_path) -> None:
    edit(tmp_path / "a.png")
    with pytest.raises(AlphabarError, match="did not write it as a figure"):
        figure(tmp_path / "a.png")
    figure(tmp_path / "b.svg")
    figure(tmp_path / "b.svg", a=2)
    assert (tmp_path / "b.csv").read_text() == "a\n2\n"


@pytest.mark.parametrize("thing", ["a fifo", "a link to nothing", "a link to itself", "a folder"])
def test_what_is_no_file_is_refused_at_once(thing, tmp_path) -> None:
    path = tmp_path / "a.png"
    if thing == "a fifo":
        os.mkfifo(path)
    elif thing == "a folder":
        path.mkdir()
    else:
        path.symlink_to("nothing" if thing == "a link to nothing" else path)
    with pytest.raises(AlphabarError, match="--out"):
        outputs.check(path, outputs.EDIT)


def test_a_checkpoint_that_was_copied_elsewhere_is_left_alone_too(run, tmp_path) -> None:
    import shutil

    shutil.copytree(run / "checkpoints" / "step-00000004", tmp_path / "copy")
    (tmp_path / "link").symlink_to(tmp_path / "copy")
    for folder in (tmp_path / "copy", tmp_path / "link", tmp_path / "copy" / "deeper"):
        with pytest.raises(AlphabarError, match="stay as they are"):
            outputs.check(folder / "a.png", outputs.EDIT)
