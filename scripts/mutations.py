"""Do the tests still find faults in the mathematics? Each mutation of mutations.toml must fail one of `make test`.

    python scripts/mutations.py                    # all of them; ten minutes on two cores
    python scripts/mutations.py decoder samplers   # those whose module or reason holds one of these words
    python scripts/mutations.py --list

A mutation is a fault made by hand: a sign, a step off by one, β for β̃, a missing root. The package is copied to a
temporary folder, one text of it is replaced, and the test files that should notice run on the copy, without what is
heavy. It is killed if a test fails, and survives if all pass: then a test is missing. Where an old text does not stand
exactly once in its module the script stops before it runs anything, and the list must be brought up to date. First the
same tests run on the package as it is, since a test that always fails kills everything (--trust leaves this out).

Exit status: 0 if all are killed, 1 if one survives, 2 if the list or a test is broken.

Every run is a fork of this process, which has imported torch but nothing of alphabar: that saves most of the time.
"""

import argparse
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "alphabar"
LIMIT = 900  # seconds for the tests of one mutation; a fault that makes them run for ever is noticed, too


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


def place(mutation: Mutation, package: Path) -> Path:
    """The file that holds the old text; leaves unless it stands exactly once in the module, file or package, and all
    test files exist."""
    file = package / f"{mutation.module}.py"
    files = [file] if file.exists() else sorted((package / mutation.module).rglob("*.py"))
    counts = {path: path.read_text(encoding="utf-8").count(mutation.old) for path in files}
    if sum(counts.values()) != 1:
        stop(f"{mutation.module}: the old text stands {sum(counts.values())} times, not once: {mutation.old}")
    for test in mutation.tests:
        if not (ROOT / "tests" / test).is_file():
            stop(f"{mutation.module}: there is no test file tests/{test}")
    return next(path for path, count in counts.items() if count)


def stop(sentence: str) -> None:
    """Leave with exit status 2."""
    print(sentence, file=sys.stderr, flush=True)
    sys.exit(2)


class Run:
    """The tests on the package in `source`, in a process of their own, up to the first that fails."""

    def __init__(self, tests: Sequence[str], source: Path, limit: int) -> None:
        self.output = tempfile.TemporaryFile(mode="w+", encoding="utf-8")  # noqa: SIM115
        self.begun = time.monotonic()
        self.process = os.fork()
        if self.process == 0:
            signal.alarm(limit)
            os._exit(_tested(tests, source, self.output.fileno()))

    def verdict(self, status: int) -> Verdict:
        """What the exit status and the output of the ended process say."""
        seconds = time.monotonic() - self.begun
        if os.WIFSIGNALED(status):
            return Verdict(f"signal {os.WTERMSIG(status)} (14: no end)", seconds)
        if os.WEXITSTATUS(status) == 0:
            return Verdict(None, seconds)
        self.output.seek(0)
        said = self.output.read()
        failed = re.search(r"^(?:FAILED|ERROR) (?:tests/)?(.+?)(?: - .*)?$", said, re.MULTILINE)
        if failed is None:
            stop(f"pytest ended with {os.WEXITSTATUS(status)} and named no test:\n{said[-2000:]}")
        assert failed is not None
        return Verdict(failed[1], seconds)


def _tested(tests: Sequence[str], source: Path, output: int) -> int:
    """pytest's exit status; in the child."""
    import pytest

    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(ROOT)
    os.environ["PYTHONPATH"] = str(source)
    sys.path.insert(0, str(source))
    options = ["-x", "-q", "-m", "not heavy", "--tb=no", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    code = int(pytest.main([*options, *(f"tests/{test}" for test in tests)]))
    sys.stdout.flush()
    return code


def tried(mutations: Sequence[Mutation], jobs: int) -> Iterator[tuple[Mutation, Verdict]]:
    """Each mutation in a copy of the package of its own, `jobs` at a time, in the order in which they end."""
    waiting, running = list(mutations), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            mutation, folder = waiting.pop(0), tempfile.TemporaryDirectory(prefix="mutation-")
            package = Path(folder.name) / "alphabar"
            shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
            path = place(mutation, package)
            path.write_text(path.read_text(encoding="utf-8").replace(mutation.old, mutation.new), encoding="utf-8")
            run = Run(mutation.tests, Path(folder.name), LIMIT)
            running[run.process] = (mutation, folder, run)
        process, status = os.wait()
        mutation, folder, run = running.pop(process)
        folder.cleanup()
        yield mutation, run.verdict(status)


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
    if not options.list:
        preload()
        if not options.trust:
            check_without_mutation(mutations)
        survivors = [report(*row) for row in tried(mutations, options.jobs)].count(True)
        print(f"{len(mutations) - survivors} of {len(mutations)} killed")
        sys.exit(survivors > 0)


def preload() -> None:
    """Import what the tests import, but for alphabar, and keep torch to one thread."""
    os.environ |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1"}
    import hypothesis  # noqa: F401
    import numpy  # noqa: F401
    import pytest  # noqa: F401
    import torch

    torch.set_num_threads(1)


def check_without_mutation(mutations: Sequence[Mutation]) -> None:
    """Leave unless the tests of these mutations pass on the package as it is."""
    tests = sorted({test for mutation in mutations for test in mutation.tests})
    run = Run(tests, ROOT / "src", limit=0)  # 0: none
    if (killer := run.verdict(os.waitpid(run.process, 0)[1]).killer) is not None:
        stop(f"Without any mutation a test fails: {killer}")


def report(mutation: Mutation, verdict: Verdict) -> bool:
    """Print a line of the table; returns whether the mutation survived."""
    end = "SURVIVED" if verdict.killer is None else f"killed by {verdict.killer}"
    print(f"{mutation.module:<28} {mutation.why}\n{'':<28} {end} ({verdict.seconds:.0f} s)", flush=True)
    return verdict.killer is None


if __name__ == "__main__":
    main()
