"""What is written about the project in several files agrees: versions, extras, the tools of CI and pre-commit."""

import re
import tomllib
from pathlib import Path

import pytest

import alphabar

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
REQUIREMENT = re.compile(r"([\w-]+)(?:>=|==)([\d.]+)")


def bounds(requirements: list[str]) -> dict[str, str]:
    """The lower bound of each requirement; a reference to an extra of alphabar itself has none."""
    found = {text: REQUIREMENT.fullmatch(text) for text in requirements if not text.startswith("alphabar[")}
    assert all(found.values()), f"without a lower bound: {[text for text, match in found.items() if not match]}"
    return {match[1]: match[2] for match in found.values() if match}


def constraints(name: str) -> dict[str, str]:
    """The version of each package in a file of constraints."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def named_extras(text: str) -> set[str]:
    """The extras in each `alphabar[a,b]` or `.[a,b]` of a text."""
    lists = re.findall(r"""(?:alphabar|["'\s]\.)\[([a-z][a-z0-9,-]*)\]""", text)
    return {extra for names in lists for extra in names.split(",")}


def test_the_oldest_versions_that_ci_installs_are_the_lower_bounds() -> None:
    used = [*PROJECT["dependencies"], *(text for extra, texts in EXTRAS.items() if extra != "dev" for text in texts)]
    assert constraints(".github/constraints-oldest.txt") == bounds(used)


def test_the_versions_that_we_develop_with_are_within_the_bounds() -> None:
    def number(version: str) -> tuple[int, ...]:
        return tuple(int(part) for part in version.split("."))

    everything = bounds([*PROJECT["dependencies"], *(text for texts in EXTRAS.values() for text in texts)])
    pinned = constraints("constraints.txt")
    assert set(everything) - {"torch"} <= set(pinned), "the Makefile alone chooses the version of torch"
    for name in pinned.keys() & everything.keys():
        assert number(pinned[name]) >= number(everything[name]), name


def test_the_citation_is_of_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.*)$", citation, re.M) == [alphabar.__version__]


def test_pre_commit_runs_the_ruff_of_make_lint() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"ruff-pre-commit\n\s+rev: v(\S+)", hooks) == [constraints("constraints.txt")["ruff"]]


def test_ci_runs_every_python_that_is_claimed() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    tested = set(re.findall(r'"(3\.\d+)"', workflow))
    claimed = {text.rpartition(" ")[2] for text in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", text)}
    assert claimed <= tested
    assert PROJECT["requires-python"].removeprefix(">=") in claimed & tested


PLACES = [
    *sorted((ROOT / "src").rglob("*.py")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / ".github").rglob("*.yml")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", ".github/constraints-oldest.txt")),
]


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_refers_to_extras_that_exist(extra: str) -> None:
    assert named_extras(" ".join(EXTRAS[extra])) <= set(EXTRAS)


def test_every_extra_that_a_sentence_or_a_script_names_exists() -> None:
    named = {path: named_extras(path.read_text(encoding="utf-8")) for path in PLACES}
    assert {extra for extras in named.values() for extra in extras} >= {"evaluation", "test", "dev"}
    assert not {path: extras - set(EXTRAS) for path, extras in named.items() if extras - set(EXTRAS)}
