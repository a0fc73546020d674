"""Serves the page on this machine, until Ctrl-C."""

import importlib.util
import os
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alphabar.errors import AlphabarError

HOST = "127.0.0.1"
PORTS = (7860, 7959)
"""The first free one of these is taken if none is named."""
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SHARE": "False",
    "GRADIO_ALLOWED_PATHS": "",
    "GRADIO_RUN_HISTORY": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
"""The environment of Gradio: it reports nothing and serves no other folder, whatever the user's environment says."""


def check_gradio() -> None:
    """AlphabarError without Gradio."""
    if importlib.util.find_spec("gradio") is None:
        raise AlphabarError("The page needs Gradio; install it with `pip install 'alphabar[app]'`.")


@contextmanager
def served(
    runs: Sequence[Path], port: int | None = None, host: str = HOST, device: str = "auto"
) -> Iterator[tuple[str, Any]]:
    """The page of these runs and the bundled models, while the block lasts: its address and Gradio's blocks.

    Uploads and results lie in a temporary folder, which is removed at the end. AlphabarError for a path that is no
    run, or a port that is taken.
    """
    from alphabar.app.offered import Models, offered

    models = Models(offered(runs), device)
    check_gradio()
    with tempfile.TemporaryDirectory(prefix="alphabar-app-") as folder, _environment(Path(folder) / "gradio"):
        from alphabar.app.page import look, page
        from alphabar.app.shelf import Shelf

        blocks = page(models, Shelf(Path(folder) / "made"))
        address = _launched(blocks, port, host, look())
        try:
            yield address, blocks
        finally:
            blocks.close(verbose=False)


@contextmanager
def _environment(folder: Path) -> Iterator[None]:
    """QUIET, and a folder of our own for Gradio's files; as it was before at the end."""
    ours = {**QUIET, "GRADIO_TEMP_DIR": str(folder)}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _launched(blocks: Any, port: int | None, host: str, look: dict[str, Any]) -> str:
    from starlette.middleware import Middleware

    from alphabar.app.guard import Guard
    from alphabar.app.uploads import LARGEST

    closed = {"middleware": [Middleware(Guard)], "docs_url": None, "redoc_url": None, "openapi_url": None}
    try:
        _, address, _ = blocks.launch(
            server_name=host, server_port=port, share=False, prevent_thread_lock=True, quiet=True, show_error=True,
            max_file_size=LARGEST, allowed_paths=[], ssr_mode=False, pwa=False, mcp_server=False, run_history=False,
            enable_monitoring=False, footer_links=[], state_session_capacity=200, app_kwargs=closed, **look,
        )  # fmt: skip
    except OSError as error:
        where = f"port {port}" if port is not None else f"a free port in {PORTS[0]}..{PORTS[1]}"
        raise AlphabarError(f"The page cannot be served at {host}, {where} ({error}); choose another --port.") from None
    return str(address)


def serve(
    runs: Sequence[Path], port: int | None, device: str, opens: bool, say: Callable[[str], None],
    until: threading.Event | None = None,
) -> None:  # fmt: skip
    """Serve the page until Ctrl-C, or until an event; `say` prints a line."""
    with served(runs, port, device=device) as (address, _):
        say(f"page      {address}  (Ctrl-C ends it)")
        if opens:
            webbrowser.open(address)
        try:
            (until or threading.Event()).wait()
        except KeyboardInterrupt:
            say("The page is closed.")
