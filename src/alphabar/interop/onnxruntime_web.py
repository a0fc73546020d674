"""onnxruntime-web, which computes a network in a browser: npm fetches it once, into alphabar's cache."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from alphabar.errors import AlphabarError
from alphabar.files import cache_folder

PAGE = Path(__file__).parents[1] / "assets" / "web"
"""The page's own files, and package.json and package-lock.json, which say what npm fetches for it."""
PROCESSOR = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
GRAPHICS_CARD = (
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
"""Loaded only if the visitor chooses WebGPU."""
COMMAND = ("npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund")


def files() -> Path:
    """The folder of onnxruntime-web's files that the page needs; AlphabarError if npm cannot fetch them."""
    version: str = json.loads((PAGE / "package.json").read_text(encoding="utf-8"))["dependencies"]["onnxruntime-web"]
    folder = cache_folder("onnxruntime-web") / version
    if all((folder / name).is_file() for name in PROCESSOR + GRAPHICS_CARD):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".npm-") as temporary:
            _fetch(Path(temporary), version)
            _keep(Path(temporary) / "node_modules" / "onnxruntime-web", folder)
    except OSError as error:
        raise AlphabarError(f"The cache {folder.parent} cannot be written ({error.strerror or error}).") from error
    return folder


def _fetch(folder: Path, version: str) -> None:
    """Let npm install what package-lock.json says, with its checksums, into folder/node_modules."""
    npm = shutil.which(COMMAND[0])
    if npm is None:
        raise AlphabarError(
            f"The page needs onnxruntime-web {version}, which npm fetches, and there is no npm; install Node.js "
            "(https://nodejs.org) and export again."
        )
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PAGE / name, folder / name)
    run = subprocess.run([npm, *COMMAND[1:]], cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode:
        why = next((line for line in run.stderr.splitlines() if line.strip()), f"status {run.returncode}")
        raise AlphabarError(f"npm could not fetch onnxruntime-web {version} ({why.strip()}); connect and export again.")


def _keep(package: Path, folder: Path) -> None:
    """Copy the few files that the page needs to `folder`, whole or not at all."""
    kept = package.parent / "kept"
    kept.mkdir()
    for name in PROCESSOR + GRAPHICS_CARD:
        shutil.copy(package / "dist" / name, kept / name)
    shutil.rmtree(folder, ignore_errors=True)
    kept.rename(folder)
