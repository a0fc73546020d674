"""`make gpu`: the tests of tests/gpu on CUDA, the gain of each switch, and the speed table, as one JSON.

It takes at most eight minutes.

    python -m benchmarks.gpu [--json FILE]

Its status is 1 if a test failed, or if there is no CUDA device, so that none was run on one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch

ROOT = Path(__file__).parents[1]
TESTS, SPEED, SWITCHES = 180, 190, 100
"""The most seconds of each part."""
ENVIRONMENT = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}  # cuBLAS adds in one order, for the test of a resumed run


def ran(command: list[str], seconds: float, **environment: str) -> str | None:
    """Run a command of Python's from the root, its output on stderr; what went wrong, or None."""
    try:
        status = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=sys.stderr,
            timeout=seconds,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired:
        return f"it was stopped after {seconds:.0f} seconds"
    return f"its exit status was {status}" if status else None


def tests(select: str, seconds: float = TESTS) -> dict[str, Any]:
    """How many of the tests of tests/gpu whose names fit `select` passed, failed and were skipped, and which failed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = ["pytest", "-p", "no:cacheprovider", "tests/gpu", "-k", select, f"--junitxml={report}"]
        problem = ran(command, seconds, **ENVIRONMENT)
        if not report.exists():
            return {"passed": 0, "failed": 0, "skipped": 0, "problem": problem}
        cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [
        str(case.get("name")) for case in cases if case.find("failure") is not None or case.find("error") is not None
    ]
    skipped = sum(case.find("skipped") is not None for case in cases)
    return {
        "passed": len(cases) - len(failed) - skipped,
        "failed": len(failed),
        "skipped": skipped,
        "failures": failed,
    }


def speed(device: str, *options: str, seconds: float = SPEED) -> Any:
    """What `python -m benchmarks.speed` writes in so many seconds, or a sentence that says why that is nothing."""
    return written("benchmarks.speed", "rows", seconds, "--device", device, *options, "--json")


def switches(device: str, *options: str, seconds: float = SWITCHES) -> Any:
    """What `python -m benchmarks.gpu_switches` writes in so many seconds, or a sentence."""
    return written("benchmarks.gpu_switches", "switches", seconds, "--device", device, *options)


def written(module: str, what: str, seconds: float, *options: str) -> Any:
    """The JSON that a benchmark writes into the file that is its last argument."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        problem = ran([module, *options, str(file)], seconds)
        try:
            return json.loads(file.read_text())
        except (OSError, ValueError):
            return f"{module} wrote no {what} ({problem})."


def machine() -> dict[str, Any]:
    """The device, and what drives it."""
    has_cuda = torch.cuda.is_available()
    return {
        "device": torch.cuda.get_device_name() if has_cuda else None,
        "capability": list(torch.cuda.get_device_capability()) if has_cuda else None,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def main() -> int:
    """Print the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="a file for the JSON, too")
    file = parser.parse_args().json
    began = time.perf_counter()
    has_cuda = torch.cuda.is_available()
    found: dict[str, Any] = machine() | {"tests": tests("cuda")}
    nothing = "There is no CUDA device here, so that speed was not measured."
    found["switches"] = switches("cuda") if has_cuda else nothing
    found["speed"] = speed("cuda", "--rounds", "3") if has_cuda else nothing
    found["seconds"] = round(time.perf_counter() - began, 1)
    text = json.dumps(found, indent=2)
    print(text)
    if file is not None:
        file.write_text(text + "\n")
    return int(not has_cuda or bool(found["tests"]["failed"]) or not found["tests"]["passed"])


if __name__ == "__main__":
    sys.exit(main())
