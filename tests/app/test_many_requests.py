"""The command serves many at once in bounded memory, and ends at Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from page_client import form

pytestmark = pytest.mark.heavy

REQUESTS = 200
MOST = 150 * 2**20
"""Bytes by which the memory may grow."""


@pytest.fixture
def command(run, tmp_path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    words = [sys.executable, "-m", "alphabar", "app", str(run), "--no-browser", "--device", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("page      http://127.0.0.1:"), line
            yield process, line.split()[1].rstrip("/")
        finally:
            process.kill()


def memory(process: subprocess.Popen[str]) -> int:
    """Resident bytes."""
    pages = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def asked(address: str, k: int) -> str:
    """How request k ended: done, full, or another message of the server."""
    session = f"request{k}"
    with httpx.Client(base_url=address, timeout=300) as http:
        config = http.get("/config").json()
        event = next(each["id"] for each in config["dependencies"] if each["api_name"] == "generate")
        data = form(seeds=f"{k}-{k + 15}") + [None] * 4
        body = {"data": data[: len(form())], "fn_index": event, "session_hash": session}
        joined = http.post("/gradio_api/queue/join", json=body)
        if joined.status_code != 200:
            return "full" if "full" in joined.text else joined.text
        with http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
            for line in stream.iter_lines():
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                if message.get("msg") == "process_completed":
                    return "done" if message["success"] else str(message["output"])
    return "cut off"


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_two_hundred_requests_at_once_leave_memory_bounded(command, tmp_path) -> None:
    from alphabar.app.page import WAITING

    process, address = command
    assert [asked(address, k) for k in range(10)] == ["done"] * 10
    before = memory(process)
    with ThreadPoolExecutor(REQUESTS) as pool:
        ends = Counter(pool.map(lambda k: asked(address, k), range(1000, 1000 + REQUESTS)))
    after = memory(process)
    assert set(ends) <= {"done", "full"} and ends["done"] >= WAITING, ends
    print(f"{dict(ends)}, {before >> 20} -> {after >> 20} MiB")
    assert after - before < MOST, f"{before:,} -> {after:,}"
    assert asked(address, 1) == "done"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert not list(tmp_path.glob("alphabar-app-*"))
