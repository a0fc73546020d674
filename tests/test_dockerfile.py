"""The Dockerfile fits the project: what it copies is there, and it installs what `make` installs. It is not built."""

import re
import shlex
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

if not (ROOT / "Dockerfile").is_file():
    pytest.skip("the source distribution has no Dockerfile", allow_module_level=True)

INSTRUCTIONS = [
    tuple(line.split(maxsplit=1))
    for line in (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    if line and not line.startswith("#")
]
MAKE = (ROOT / "Makefile").read_text()


def of(kind: str) -> list[str]:
    return [rest for name, rest in INSTRUCTIONS if name == kind]


def test_it_knows_only_instructions_that_there_are() -> None:
    assert {name for name, _ in INSTRUCTIONS} <= {"ARG", "FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "CMD"}


def test_what_it_copies_is_there_and_reaches_the_engine() -> None:
    copied = [source for rest in of("COPY") for source in shlex.split(rest)[:-1]]
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    kept = {line[1:] for line in lines if line[0] == "!"}
    assert lines[0] == "*" and set(copied) == kept and all((ROOT / source).exists() for source in copied)
    assert not any(fnmatch(source, line) for line in lines[1:] if line[0] != "!" for source in copied)


def test_it_copies_before_it_installs_what_the_build_reads() -> None:
    flat = [f"{name} {rest}" for name, rest in INSTRUCTIONS]
    project = next(k for k, line in enumerate(flat) if line.startswith("RUN pip install") and line.endswith(" ."))
    read = " ".join(line for line in flat[:project] if line.startswith("COPY"))
    assert all(name in read.split() for name in ("pyproject.toml", "README.md", "LICENSE", "src", "constraints.txt"))


def test_torch_is_the_one_of_the_makefile_and_held_fixed() -> None:
    (version,) = re.findall(r"^TORCH \?= (\S+)$", MAKE, re.MULTILINE)
    assert f"TORCH={version}" in of("ARG")
    assert f"torch=={version.removeprefix('torch==')}" == version
    index = re.search(r"--extra-index-url (\S+)\"", MAKE)
    assert index and f"TORCH_INDEX={index[1]}" in of("ARG")
    torch, project, _ = of("RUN")
    assert torch.startswith('pip install --quiet --extra-index-url "$TORCH_INDEX" "$TORCH"')
    assert """python -c 'import torch; print("torch==" + torch.__version__.split("+")[0])'""" in torch
    assert """python -c 'import torch; print("torch==" + torch.__version__.split("+")[0])'""" in MAKE.replace(
        "$(BIN)/", ""
    )
    assert project == "pip install --quiet -c constraints.txt -c torch.txt ."


def test_its_command_is_make_demo() -> None:
    demo = re.search(r"^demo: .*\n((?:\t.*\n)+)", MAKE, re.MULTILINE)
    assert demo
    run = re.search(r"^RUN := (\S+)$", MAKE, re.MULTILINE)
    assert run
    commands = [line.strip() for line in demo[1].splitlines() if "$(BIN)/alphabar " in line and "echo" not in line]
    plain = [line.replace("$(BIN)/", "").replace("$(RUN)", run[1]) for line in commands]
    (command,) = of("CMD")
    assert command == f'["sh", "-c", "{" && ".join(plain)}"]'


def test_what_runs_is_not_root() -> None:
    names = [name for name, _ in INSTRUCTIONS]
    assert of("USER") == ["alphabar"] and names.index("USER") > max(
        k for k, name in enumerate(names) if name in ("RUN", "COPY")
    )
