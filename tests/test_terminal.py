"""What comes from outside reaches the terminal as text on one line: never as a command to it, never as markup."""

import ast
import io
import os
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphabar import cli, terminal
from alphabar.cli import mistakes
from command_tree import commands
from test_layers import ROOT

HOSTILE = {
    "escape": "\x1b[31mred\x1b[0m",
    "a title": "\x1b]0;owned\x07",
    "C1": "\x9b31mred",
    "newline": "one\nalphabar: two",
    "carriage return": "one\rtwo",
    "bidi": "abc\u202egnp.exe",
    "isolate": "\u2066abc\u2069",
    "line separator": "one\u2028two",
    "delete": "ab\x7f",
    "surrogate": "caf\udce9",
    "markup": "[b]x[/b]",
    "broken markup": "photos [/b]",
    "markup with a link": "[link=http:x]y[/link]",
    "emoji code": ":warning:",
}


DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
WORST = ["escape", "newline", "surrogate", "markup", "broken markup"]


def is_clean(text: str) -> bool:
    """Whether a line holds nothing but characters that are only seen."""
    return not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in DIRECTIONS for c in text)


def mistake(monkeypatch, capsys, *words: str) -> str:
    """What a command with a mistake says: one clean line on stderr alone, with status 2."""
    monkeypatch.setattr(sys, "argv", ["alphabar", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr()
    assert (end.value.code, said.out) == (2, "")
    assert said.err.startswith("alphabar: ") and said.err.endswith("\n") and is_clean(said.err[:-1])
    return said.err


@given(st.text(st.characters(codec=None)))
@settings(deadline=None, max_examples=100)
def test_every_text_becomes_one_clean_line_and_is_said_once(text: str) -> None:
    shown = terminal.printable(text)
    assert is_clean(shown) and terminal.printable(shown) == shown
    if is_clean(text):
        assert shown == text


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_line_reaches_a_terminal_of_any_encoding(name: str, encoding: str, monkeypatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", stream)
    terminal.say(f"é {HOSTILE[name]}")
    said = stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert said.endswith("\n") and is_clean(said[:-1])
    if "[" in HOSTILE[name] and "\x1b" not in HOSTILE[name]:
        assert HOSTILE[name].isascii() <= (HOSTILE[name] in said)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_console_prints_text_and_tables_as_they_are(name: str, monkeypatch) -> None:
    from rich.table import Table
    from rich.text import Text

    monkeypatch.setattr(sys, "stdout", stream := io.StringIO())
    table = Table(title=HOSTILE[name])
    table.add_column(HOSTILE[name])
    table.add_row(HOSTILE[name])
    table.add_row(Text(HOSTILE[name]))
    console = terminal.console()
    console.print(table)
    console.print(HOSTILE[name], soft_wrap=True)
    assert all(is_clean(line) for line in stream.getvalue().split("\n"))
    if "markup" in name or "emoji" in name:
        assert stream.getvalue().count(HOSTILE[name]) == 5


def test_a_bar_shows_its_label_as_text(monkeypatch) -> None:
    from alphabar.terminal import progress

    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    monkeypatch.setattr(progress, "LINE_EVERY", -1.0)
    with progress.progress("[/b] \x1b[31m", 2) as advance:
        advance(1)
    assert stream.getvalue().startswith("[/b] \\u001b[31m  1/2")


def test_nothing_else_writes_to_the_terminal() -> None:
    for path in ROOT.rglob("*.py"):
        if path == ROOT / "terminal" / "lines.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in ("print", "Console", "typer.echo", "typer.secho", "rich.print"), (
                    f"{path}:{node.lineno}"
                )
                assert not name.startswith(("sys.stdout.write", "sys.stderr.write")), f"{path}:{node.lineno}"


# ---- every command -----------------------------------------------------------------------------------------------

PATHS = {
    "train": ["{}.toml"], "sample": ["{}"], "film": ["{}"], "evaluate": ["{}"], "export": ["{}", "out"],
    "interpolate": ["{}", "0", "1"], "inpaint": ["{}", "0", "left"], "encode": ["{}", "0"], "decode": ["{}", "x"],
    "launch": ["-n", "2", "{}"], "data pack": ["{}", "out"], "import": ["{}", "--run", "out"],
    "compress": ["{}", "x", "x.abar"], "decompress": ["{}", "x"],
    "push": ["{}", "hf:owner/name"], "pull": ["{}", "out"], "upscale": ["{}", "x"], "app": ["{}"],
    "vary": ["{}", "0"], "recipes": ["{}"], "settings": ["{}"], "data fetch": ["{}"], "data inspect": ["{}"],
    "plot variances": ["--schedule", "{}"], "plot schedules": ["--out", "{}"], "plot forward": ["--data", "{}"],
    "plot vlb": ["{}"], "plot rate-distortion": ["{}"], "plot gradient-noise": ["{}"], "plot skipped": ["{}"],
    "plot lossy": ["{}"], "plot steps": ["{}"], "plot loss": ["{}"], "plot progressive": ["{}"], "plot shared": ["{}"],
    "plot scaling": ["{}"],
}  # fmt: skip
WITHOUT = {"", "doctor", "data", "plot", "data list", "plot list"}
"""Commands that name nothing."""


def test_every_command_that_names_something_is_here() -> None:
    assert {command.removeprefix("alphabar").strip() for command in commands()} == {*PATHS} | WITHOUT


@pytest.mark.parametrize("name", WORST)
@pytest.mark.parametrize("command", PATHS)
def test_a_hostile_name_is_one_clean_line_and_status_2(command: str, name: str, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word.format(HOSTILE[name]) for word in PATHS[command]]
    said = mistake(monkeypatch, capsys, *command.split(), *words)
    if "markup" in name:
        assert HOSTILE[name] in said


USAGES = [
    ["--x{}"], ["{}"], ["sample"], ["sample", "x", "--num", "{}"], ["sample", "x", "--{}", "3"], ["data", "{}"],
    ["plot", "{}"], ["sample", "x", "y{}"], ["sample", "x", "--seeds"],
]  # fmt: skip
SETTINGS = ["training.batch_size={}", "{}=3", "training.{}=3", "data.name={}", "data.channels={}"]


@pytest.mark.parametrize("name", WORST)
@pytest.mark.parametrize("args", [*USAGES, *(["train", "ddpm_digits", setting] for setting in SETTINGS)])
def test_a_mistake_of_usage_or_in_a_setting_is_one_too(args: list[str], name: str, monkeypatch, capsys) -> None:
    mistake(monkeypatch, capsys, *(arg.format(HOSTILE[name]) for arg in args))


@pytest.mark.parametrize(
    "args", [["sample", "caf\udce9 é [b]"], ["settings"], ["recipes"], ["--help"], ["data", "inspect", "{}"]]
)
def test_a_terminal_without_unicode_gets_everything(args: list[str], tmp_path) -> None:
    (folder := tmp_path / os.fsdecode(b"caf\xe9 \xc3\xa9 [b]\n")).mkdir()
    env = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    words = [os.fsencode(arg.format(folder)) for arg in args]
    done = subprocess.run([sys.executable, "-m", "alphabar", *words], capture_output=True, env=env, check=False)
    assert done.returncode == (2 if args[0] in ("sample", "data") else 0)
    assert done.stderr.decode("ascii").count("\n") == (done.returncode == 2)


# ---- the words of this command -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "sentence", "said"),
    [
        ("evaluate", "set data.image_size=32 and data.resize=crop.", "set --image-size 32 and --resize crop."),
        ("evaluate", "It has no 'test' split: its images are all in data.split=train.",
         "It has no 'test' split: its images are all in --split train."),
        ("sample", "so sampling.steps must lie in 1..20; got 21.", "so --steps must lie in 1..20; got 21."),
        ("sample", "[sampling] The eta of ddim must lie in [0, 1].", "The eta of ddim must lie in [0, 1]."),
        ("sample", "[sampling] eta is an option of ddim.", "--eta is an option of ddim."),
        ("sample", "sampling.guidance_scale is -1.", "--guidance is -1."),
        ("plot forward", "data.root must be a folder.", "--data-root must be a folder."),
        ("vary", "set data.image_size.", "set data.image_size."),
        ("train", "set data.image_size=32.", "set data.image_size=32."),
        ("export", "sampling.eta is 2.", "sampling.eta is 2."),
    ],
)  # fmt: skip
def test_a_sentence_names_the_options_of_this_command(command: str, sentence: str, said: str) -> None:
    assert mistakes.in_options(sentence, cli._options(command.split())) == said


@pytest.mark.parametrize(
    ("command", "advice"),
    [("train", "training.micro_batch_size"), ("sample", "--batch-size"), ("evaluate", "--batch-size"),
     ("inpaint", "--seeds"), ("vary", "--seeds"), ("plot loss", "--count"), ("data inspect", "--image-size")],
)  # fmt: skip
def test_what_would_take_less_memory_is_an_option_of_this_command(command: str, advice: str) -> None:
    (sentence,) = mistakes.sentences(MemoryError("9 GB"), cli._options(command.split())) or ()
    assert advice in sentence
    for other in set(mistakes.LESS_MEMORY.values()):
        assert (other in sentence) == (advice in other)


def test_a_bug_is_no_sentence() -> None:
    assert mistakes.sentences(ValueError("invalid literal for int()")) is None
    assert mistakes.sentences(RuntimeError("shape mismatch")) is None
    assert mistakes.sentences(KeyError("x")) is None


def test_an_error_of_the_pure_mathematics_is_a_sentence_with_its_own_class() -> None:
    from alphabar.diffusion import rows_of

    with pytest.raises(ValueError, match="within") as caught:
        rows_of("t:1,50", 20)
    assert mistakes.sentences(caught.value) == (str(caught.value),)
    for path in (ROOT / "diffusion").rglob("*.py"):
        assert "raise ValueError(" not in path.read_text(encoding="utf-8"), path


def test_every_function_of_the_front_door_turns_those_into_alphabar_errors(monkeypatch) -> None:
    import alphabar
    from alphabar.diffusion.errors import DiffusionError

    for name in alphabar.__all__:
        function = getattr(alphabar, name)
        if callable(function) and not isinstance(function, type):
            assert getattr(function, "__wrapped__", None) is not None, name

    def broken(*_: object, **__: object) -> None:
        raise DiffusionError("A sentence.")

    monkeypatch.setattr("alphabar.api.model.load_model", broken)
    with pytest.raises(alphabar.AlphabarError, match=r"^A sentence\.$"):
        alphabar.load("fashion-mnist")
