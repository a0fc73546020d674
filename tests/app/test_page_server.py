"""The server streams, lets jobs wait for each other, stops one at a time, and reads and sends nothing else."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from page_client import client, endpoints, form

from alphabar.app.server import served

pytestmark = pytest.mark.heavy  # the server starts in ten seconds

TARGETS = ("etc/passwd", "etc/hostname", "proc/self/environ", "root/.bashrc")
ROUTES = ("gradio_api/file=", "file=", "static/", "assets/", "theme.css/", "custom_component/", "gradio_api/stream/")


def traversals(run: Path) -> list[str]:
    """Ways to name a file that the page must not serve."""
    own = [str(run / "config.json"), str(run / "metrics.jsonl"), f"{run}/checkpoints/../config.json"]
    absolute = [*(f"/{target}" for target in TARGETS), *own, str(Path(__file__)), "/tmp"]
    up = ["../" * depth + target for target in TARGETS for depth in (1, 4, 9)]
    escaped = [path.replace("/", code).replace("..", dots)
               for path in up[2:8] for code, dots in (("%2f", ".."), ("/", "%2e%2e"), ("%252f", "..")) ]  # fmt: skip
    odd = [
        "//etc/passwd",
        "/./etc/passwd",
        "file:///etc/passwd",
        "/dev/zero",
        "/proc/self/fd/0",
        "~/.bashrc",
        "/etc/passwd%00.png",
    ]
    return [f"{route}{path}" for route in ROUTES[:2] for path in (*absolute, *up, *escaped, *odd)] + [
        f"{route}{path}" for route in ROUTES[2:] for path in (*up[:3], *escaped[:3])
    ]


def test_no_way_to_name_a_file_reads_one(address, run) -> None:
    tried = traversals(run)
    secrets = [b"root:", b"PATH=", (run / "config.json").read_bytes()[:40], b"def traversals"]
    assert len(tried) >= 60
    with httpx.Client(timeout=20) as http:
        for path in tried:
            for method in ("GET", "HEAD") if path.startswith("gradio_api") else ("GET",):
                answer = http.request(method, httpx.URL(address + "/").copy_with(raw_path=b"/" + path.encode()))
                assert answer.status_code >= 400 or b"gradio" in answer.content.lower(), path
                assert not any(secret in answer.content for secret in secrets), path


@pytest.mark.parametrize("name", ["/etc", "digits/../digits", None, ["digits"]])
def test_every_event_that_takes_a_run_refuses_another_one(name, address, run) -> None:
    page = client(address)
    takers = [each for each in endpoints(page) if each["inputs"] and _is_a_run(page, each["inputs"][0])]
    assert len(takers) >= 10
    said = []
    for event in takers:
        data = [_value(page, component) for component in event["inputs"]]
        said.append(_asked(address, event["id"], [name, *data[1:]]))
    assert not any(answer["success"] for answer in said), said
    assert not any("Traceback" in json.dumps(answer) for answer in said)


def _is_a_run(page: Any, component: int) -> bool:
    return "digits" in str(_props(page, component).get("choices"))


def _props(page: Any, component: int) -> dict:
    return next(each["props"] for each in page.config["components"] if each["id"] == component)


def _value(page: Any, component: int) -> object:
    return _props(page, component).get("value")


def _asked(address: str, event: int, data: list[object]) -> dict:
    """The last message of the server to an event, in a session of its own."""
    session = f"session{time.monotonic_ns()}"
    with httpx.Client(base_url=address, timeout=60) as http:
        joined = http.post("/gradio_api/queue/join", json={"data": data, "fn_index": event, "session_hash": session})
        if joined.status_code != 200:
            return {"success": False, "said": joined.text}
        with http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if message.get("msg") in ("process_completed", "unexpected_error"):
                    return {"success": message.get("success", False), "said": message}
    return {"success": False}


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "http://127.0.0.1:9/a.png", "https://example.com/a.png", "file:///etc/passwd", "{run}/config.json"],
)
def test_a_picture_is_an_upload_and_nothing_else(path, address, run) -> None:
    page = client(address)
    file = {"path": path.format(run=run), "meta": {"_type": "gradio.FileData"}}
    for event in endpoints(page):
        for k, component in enumerate(event["inputs"]):
            kind = next(each["type"] for each in page.config["components"] if each["id"] == component)
            if kind not in ("image", "imageeditor"):
                continue
            data = [_value(page, other) for other in event["inputs"]]
            data[k] = file if kind == "image" else {"background": None, "layers": [file], "composite": None, "id": None}
            answer = _asked(address, event["id"], data)
            assert not answer["success"] and "root:" not in json.dumps(answer), (event["api_name"], kind)


def test_frames_arrive_one_after_the_other_and_the_images_at_the_end(address) -> None:
    job = client(address).submit(*form(sampler="ddpm", steps="40"), api_name="/generate")
    frames = list(job)
    assert sum("data:image/png" in str(frame[0]) for frame in frames) >= 2
    text, images = job.result()
    assert "Done: 4 images" in text and [image["caption"] for image in images["value"]] == [
        f"seed {k}" for k in range(4)
    ]  # fmt: skip


def test_one_users_stop_leaves_the_job_of_another_alone(address) -> None:
    first, second = client(address), client(address)
    long = first.submit(*form(seeds="0-63", sampler="ddpm", steps="40", precision="fp32"), api_name="/generate")
    while not long.outputs():
        time.sleep(0.05)
    waiting = [second.submit(*form(seeds=seeds), api_name="/generate") for seeds in ("0-3", "4-7")]
    assert long.cancel()
    for job in waiting:
        assert "Done: 4 images" in job.result(timeout=60)[0]
    assert "Done: 64" not in str(long.outputs()[-1])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"seeds": "0-99"}, "at most 64"),
        ({"steps": "999"}, "1..40"),
        ({"eta": "x"}, "Eta is a number"),
        ({"seeds": "<i>"}, "&lt;i&gt;"),
    ],
)
def test_a_mistake_is_a_sentence_in_the_page(values, said, address) -> None:
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError, match=said) as error:
        client(address).predict(*form(**values), api_name="/generate")
    assert "Traceback" not in str(error.value) and "\n" not in str(error.value)


def test_an_upload_that_is_too_large_is_refused(address) -> None:
    answer = httpx.post(address + "/gradio_api/upload", files={"files": ("a.png", bytes(21 << 20))}, timeout=60)
    assert answer.status_code == 413


def test_the_server_fetches_nothing_and_closes_what_the_page_does_not_need(address) -> None:
    for path in (
        "file=http://127.0.0.1:9/",
        "file=https://example.com/",
        "proxy=http://127.0.0.1:9/",
        "component_server",
    ):
        assert httpx.get(f"{address}/gradio_api/{path}").status_code == 403
    for path in ("docs", "redoc", "openapi.json", "monitoring", "gradio_api/mcp"):
        assert httpx.get(f"{address}/{path}").status_code >= 400, path
    headers = httpx.get(address + "/").headers
    assert (
        "default-src 'self'" in headers["content-security-policy"] and "http" not in headers["content-security-policy"]
    )
    config = httpx.get(address + "/config").json()
    assert not config["analytics_enabled"]
    assert not any("http" in str(sheet) for sheet in config.get("stylesheets") or ())


def test_it_is_this_machines_page_alone_and_leaves_no_files(run, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("GRADIO_ALLOWED_PATHS", "/")
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    with served([run], device="cpu") as (place, blocks):
        assert place.startswith("http://127.0.0.1:") and blocks.share_url is None and not blocks.allowed_paths
        assert client(place).predict(*form(), api_name="/generate")
        assert list(tmp_path.glob("alphabar-app-*/gradio/*"))
    assert not list(tmp_path.glob("alphabar-app-*"))
