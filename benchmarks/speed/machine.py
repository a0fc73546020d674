"""What the figures are figures of: the processor, torch, and the state of the code."""

import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

FLAGS = r"avx2|avx512\w*|amx\w*"
"""Those that decide how fast a convolution is."""


def described(device: str) -> dict[str, Any]:
    path = Path("/proc/cpuinfo")
    text = path.read_text() if path.exists() else ""
    name = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    return {
        "cpu": name[1] if name else platform.processor(),
        "flags": sorted(set(re.findall(rf"\b(?:{FLAGS})\b", text))),
        "device": device,
        "threads": 1,
        "torch": installed("torch"),
        "diffusers": installed("diffusers"),
        "commit": commit(),
    }


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit() -> str | None:
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
