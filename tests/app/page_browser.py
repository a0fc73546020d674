"""Chromium, headless: a picture of a page, and the hosts that it asked for."""

import json
import re
import shutil
import subprocess
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1280,900", "--virtual-time-budget=20000", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip


def looked_at(address: str, folder: Path) -> tuple[Path, set[str]]:
    """The screenshot of the page, and the hosts of the requests that the page made."""
    assert CHROMIUM is not None
    picture, log = folder / "page.png", folder / "net.json"
    words = [
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={folder / 'profile'}",
        f"--log-net-log={log}",
        f"--screenshot={picture}",
    ]
    subprocess.run([*words, address], capture_output=True, timeout=180, check=True)
    requests = [event["params"] for event in json.loads(log.read_text())["events"] if "url" in event.get("params", {})]
    own = [each["url"] for each in requests if each.get("initiator", "").startswith(address)]  # not Chromium's own
    hosts = {match[1] for url in own if (match := re.match(r"(?:https?|wss?)://([^/:]+)", url))}
    return picture, hosts
