"""What the page's tests need: node, npm, Chromium, and an exported page; or the reason why there is none."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from page_answers import Ask, answers

from alphabar.errors import AlphabarError
from alphabar.interop import onnxruntime_web
from alphabar.runs import bundled
from alphabar.sampling.foreign import export_to
from made_once import made_once

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def node() -> str:
    """The program node, version 20 or newer."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("there is no node, which runs the page's JavaScript")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").split(".")[0]) < 20:
        pytest.skip(f"the page's tests need node 20 or newer, and this is {version.strip()}")
    return path


@pytest.fixture(scope="session")
def ask(node: str) -> Ask:
    """What the page's JavaScript answers to a list of questions."""
    return partial(answers, node)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the bundled model."""
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    try:
        onnxruntime_web.files()
    except AlphabarError as error:
        pytest.skip(str(error))
    model = bundled.MODELS / "fashion-mnist"
    return made_once(tmp_path_factory, "exported", lambda folder: export_to(model, folder / "page", "web")) / "page"


@pytest.fixture(scope="session")
def served(built: Path) -> Iterator[str]:
    """The address of the page on a plain server of static files."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(built))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="session")
def playwright(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Fetches playwright-core, and names the folder node_modules that has it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm, which fetches playwright-core")

    def fetched() -> Path:
        folder = tmp_path_factory.mktemp("npm")
        for name in ("package.json", "package-lock.json"):
            shutil.copy(onnxruntime_web.PAGE / name, folder / name)
        command = [npm, "ci", "--omit=prod", "--ignore-scripts", "--no-audit", "--no-fund"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if not (folder / "node_modules" / "playwright-core").is_dir():
            pytest.skip(f"npm could not fetch playwright-core: {run.stderr.strip().splitlines()[:1]}")
        return folder / "node_modules"

    return fetched


@pytest.fixture(scope="session")
def visit(
    node: str, playwright: Callable[[], Path], served: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What all visits of browser.mjs saw. ALPHABAR_SHOTS names a folder to keep the screenshots in."""
    chromium = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if chromium is None:
        pytest.skip(f"there is no {', '.join(CHROMIUM[:-1])} or {CHROMIUM[-1]}")
    shots = Path(os.environ.get("ALPHABAR_SHOTS") or tmp_path_factory.mktemp("shots"))

    def browsed(folder: Path) -> None:
        question = {"url": served, "chromium": chromium, "playwright": str(playwright()), "shots": str(shots)}
        command = [node, str(Path(__file__).with_name("browser.mjs"))]
        run = subprocess.run(command, input=json.dumps(question), capture_output=True, text=True, timeout=600)
        assert run.returncode == 0, run.stderr
        (folder / "seen.json").write_text(json.dumps({"url": served, **json.loads(run.stdout)}))

    seen: dict[str, Any] = json.loads((made_once(tmp_path_factory, "visit", browsed) / "seen.json").read_text())
    return seen
