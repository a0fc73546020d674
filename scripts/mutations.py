"""Do the tests still find faults in the mathematics? Each mutation of mutations.toml must fail one of `make test`.

    python scripts/mutations.py                 # all of them; 15 minutes on two cores
    python scripts/mutations.py decoder samplers    # those whose module holds one of these words
    python scripts/mutations.py --list

A mutation is a fault made by hand: a sign, a step off by one, β for β̃, a missing root. The package is copied to a
temporary folder, one text of it is replaced, and the test files that should notice run on the copy, without what is
heavy. It is killed if a test fails, and survives if all pass: then a test is missing. Where an old text does not stand
exactly once in its module the script stops before it runs anything, and the list must be brought up to date. First the
same tests run on the package as it is, since a test that always fails kills everything (--trust leaves this out).

Exit status: 0 if all are killed, 1 if one survives, 2 if the list or a test is broken.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "alphabar"
LIMIT = 600  # seconds for the tests of one mutation; a fault that makes them run for ever is noticed, too


@dataclass(frozen=True)
class Mutation:
    """One fault: in `module`, `old` becomes `new`; `tests` are the files below tests/ that should notice."""

    module: str
    old: str
    new: str
    why: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """How a run of tests ended: the first that failed (None if all passed), and how long it took."""

    killer: str | None
    seconds: float


def read(path: Path) -> list[Mutation]:
    """The mutations in a TOML file."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["mutation"]
    return [Mutation(**{**row, "tests": tuple(row["tests"])}) for row in rows]


def files_of(module: str, package: Path) -> list[Path]:
    """The file module.py, or all files of the package module/."""
    file = package / f"{module}.py"
    return [file] if file.exists() else sorted((package / module).rglob("*.py"))


def place(mutation: Mutation, package: Path) -> Path:
    """The file that holds the old text; SystemExit unless it stands there exactly once, and in no other of the module.

    SystemExit, too, if a test file does not exist.
    """
    counts = {path: path.read_text(encoding="utf-8").count(mutation.old) for path in files_of(mutation.module, package)}
    if sum(counts.values()) != 1:
        stop(f"{mutation.module}: the old text stands {sum(counts.values())} times, not once: {mutation.old}")
    for test in mutation.tests:
        if not (ROOT / "tests" / test).is_file():
            stop(f"{mutation.module}: there is no test file tests/{test}")
    return next(path for path, count in counts.items() if count)


def stop(sentence: str) -> None:
    """Leave with exit status 2."""
    print(sentence, file=sys.stderr)
    sys.exit(2)


def run(tests: Iterable[str], source: Path, limit: float | None = LIMIT) -> Verdict:
    """The tests on the package in `source`, up to the first that fails, or for `limit` seconds."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not heavy", "--tb=no"]
    environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    begun = time.monotonic()
    try:
        done = subprocess.run(
            [*command, *(f"tests/{test}" for test in tests)],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=limit, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Verdict(f"no end within {limit} s", time.monotonic() - begun)
    seconds = time.monotonic() - begun
    if done.returncode == 0:
        return Verdict(None, seconds)
    failed = re.search(r"^(?:FAILED|ERROR) (?:tests/)?(.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
    if failed is None:
        stop(f"pytest ended with {done.returncode} and named no test:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    assert failed is not None
    return Verdict(failed[1], seconds)


def tried(mutation: Mutation) -> Verdict:
    """The verdict on one mutation, in a copy of the package of its own."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        package = Path(folder) / "alphabar"
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        path = place(mutation, package)
        path.write_text(path.read_text(encoding="utf-8").replace(mutation.old, mutation.new), encoding="utf-8")
        return run(mutation.tests, Path(folder))


def main() -> None:
    """Run the mutations that were asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only mutations whose module or reason holds one of these")
    parser.add_argument("--list", action="store_true", help="print the mutations, and run nothing")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--trust", action="store_true", help="do not run the tests without a mutation first")
    options = parser.parse_args()
    mutations = [
        mutation
        for mutation in read(ROOT / "scripts" / "mutations.toml")
        if not options.words or any(word in f"{mutation.module} {mutation.why}" for word in options.words)
    ]
    for mutation in mutations:
        path = place(mutation, PACKAGE)
        if options.list:
            print(f"{path.relative_to(PACKAGE)}: {mutation.why}")
    if options.list:
        return
    tests = sorted({test for mutation in mutations for test in mutation.tests})
    if not options.trust and (broken := run(tests, ROOT / "src", limit=None)).killer is not None:
        stop(f"Without any mutation a test fails: {broken.killer}")
    with ThreadPoolExecutor(options.jobs) as pool:
        survivors = sum([report(*row) for row in zip(mutations, pool.map(tried, mutations), strict=True)])
    print(f"{len(mutations) - survivors} of {len(mutations)} killed")
    sys.exit(survivors > 0)


def report(mutation: Mutation, verdict: Verdict) -> bool:
    """Print a line of the table; returns whether the mutation survived."""
    end = "SURVIVED" if verdict.killer is None else f"killed by {verdict.killer}"
    print(f"{mutation.module:<28} {mutation.why}\n{'':<28} {end} ({verdict.seconds:.0f} s)", flush=True)
    return verdict.killer is None


if __name__ == "__main__":
    main()
