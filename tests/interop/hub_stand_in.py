"""A stand-in for the API of the Hugging Face Hub, in a thread: what huggingface_hub 0.25 to 2.4 asks for models.

Files that are not text go by LFS, as on the Hub. A test may put any file, name or failure into it.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_good"
READ_ONLY = "hf_reader"


@dataclass
class Model:
    private: bool = False
    commits: list[str] = field(default_factory=lambda: ["0" * 40])
    files: dict[str, bytes] = field(default_factory=dict)
    """At the newest commit."""


@dataclass
class Hub:
    """What lies on the hub, and what it was asked."""

    models: dict[str, Model] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    """Of LFS, by sha256."""
    asked: list[str] = field(default_factory=list)
    fails: dict[str, int] = field(default_factory=dict)
    """A status for the requests whose "METHOD path" holds this text."""
    spoilt: dict[str, bytes] = field(default_factory=dict)
    """What is sent in place of a file, by its name."""
    stated: dict[str, int] = field(default_factory=dict)
    """The size that is stated of a file, in place of its own."""
    url: str = ""


def is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".png", ".bin"))


def blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def stand_in() -> Iterator[Hub]:
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Of", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_HEAD = do_GET

    def _answer(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        asked = f"{self.command} {path}"
        self.hub.asked.append(asked)
        self.token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        for text, status in self.hub.fails.items():
            if text in asked:
                return self._json({"error": "it was told to fail"}, status)
        if self.token not in ("", TOKEN, READ_ONLY):
            message = "Invalid credentials in Authorization header"
            return self._json({"error": message}, 401, {"X-Error-Message": message})
        for pattern, act in ROUTES.items():
            if found := re.fullmatch(pattern, asked):
                return act(self, *found.groups())
        return self._json({"error": "no such page"}, 404)

    # ---- answers --------------------------------------------------------------------------------------------------

    def create(self) -> None:
        if self.token != TOKEN:
            return self._forbidden()
        asked = json.loads(self.body)
        name = f"{asked['organization']}/{asked['name']}"
        if asked["organization"] != "me":
            return self._forbidden()
        if name in self.hub.models:
            return self._json({"error": "You already created this model repo"}, 409)
        self.hub.models[name] = Model(private=asked.get("visibility") == "private" or bool(asked.get("private")))
        return self._json({"url": f"{self.hub.url}/{name}", "name": name})

    def validate(self) -> None:
        licence = re.search(r'^license: "(.*)"$', json.loads(self.body)["content"], re.MULTILINE)
        if licence and licence[1] not in ("mit", "apache-2.0", "cc-by-4.0"):
            return self._json({"errors": [{"message": '"license" must be one of mit'}], "warnings": []}, 400)
        return self._json({"errors": [], "warnings": []})

    def info(self, name: str) -> None:
        if (model := self._model(name)) is not None:
            siblings = [self._sibling(file, content) for file, content in model.files.items()]
            self._json(
                {"id": name, "modelId": name, "sha": model.commits[-1], "private": model.private, "tags": [],
                 "siblings": siblings, "downloads": 0, "likes": 0}
            )  # fmt: skip

    def _sibling(self, file: str, content: bytes) -> dict[str, Any]:
        size = self.hub.stated.get(file, len(content))
        large = {"size": size, "sha256": hashlib.sha256(content).hexdigest(), "pointerSize": 134}
        return {"rfilename": file, "size": size, "blobId": blob(content), **({"lfs": large} if is_large(file) else {})}

    def tree(self, name: str) -> None:
        if (model := self._model(name)) is not None:
            self._json([
                {"type": "file", "path": file, "size": len(content), "oid": blob(content)}
                for file, content in model.files.items()
            ])  # fmt: skip

    def preupload(self, name: str) -> None:
        if self._may_write(name):
            files = json.loads(self.body)["files"]
            modes = {True: "lfs", False: "regular"}
            self._json({
                "files": [
                    {"path": f["path"], "uploadMode": modes[is_large(f["path"])], "shouldIgnore": False, "oid": None}
                    for f in files
                ]
            })  # fmt: skip

    def batch(self, name: str) -> None:
        if self._may_write(name):
            objects = json.loads(self.body)["objects"]
            actions = [
                {**each, "actions": {"upload": {"href": f"{self.hub.url}/lfs/{each['oid']}"}}}
                if each["oid"] not in self.hub.large else each
                for each in objects
            ]  # fmt: skip
            self._json({"transfer": "basic", "objects": actions})

    def put(self, oid: str) -> None:
        assert hashlib.sha256(self.body).hexdigest() == oid
        self.hub.large[oid] = self.body
        self._json({})

    def commit(self, name: str) -> None:
        if not self._may_write(name):
            return None
        model = self.hub.models[name]
        lines = [json.loads(line) for line in self.body.splitlines()]
        (head,) = [line["value"] for line in lines if line["key"] == "header"]
        if head.get("parentCommit") not in (None, model.commits[-1]):
            return self._json({"error": "A commit has happened since."}, 412)
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                model.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                model.files[value["path"]] = self.hub.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del model.files[value["path"]]
        oid = f"{len(model.commits):040x}"
        model.commits.append(oid)
        return self._json({"commitUrl": f"{self.hub.url}/{name}/commit/{oid}", "commitOid": oid, "success": True})

    def resolve(self, name: str, revision: str, file: str) -> None:
        if (model := self._model(name)) is None:
            return None
        if file not in model.files:
            return self._json({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
        content, sent = model.files[file], self.hub.spoilt.get(file, model.files[file])
        tag = hashlib.sha256(content).hexdigest() if is_large(file) else blob(content)
        head = {"X-Repo-Commit": model.commits[-1], "ETag": f'"{tag}"', "X-Linked-Size": str(len(sent))}
        return self._send(sent, 200, head, "application/octet-stream")

    # ---- shared ---------------------------------------------------------------------------------------------------

    def _model(self, name: str) -> Model | None:
        model = self.hub.models.get(name)
        if model is None or (model.private and self.token != TOKEN):
            self._json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
            return None
        return model

    def _may_write(self, name: str) -> bool:
        if self.token != TOKEN or not name.startswith("me/"):
            self._forbidden()
            return False
        return self._model(name) is not None

    def _forbidden(self) -> None:
        self._json({"error": "Forbidden"}, 403, {"X-Error-Message": "you have no right to do this"})

    def _json(self, value: object, status: int = 200, head: dict[str, str] | None = None) -> None:
        self._send(json.dumps(value).encode(), status, head or {}, "application/json")

    def _send(self, content: bytes, status: int, head: dict[str, str], kind: str) -> None:
        self.send_response(status)
        for key, value in {**head, "Content-Type": kind, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


NAME = r"([\w.-]+/[\w.-]+)"
ROUTES = {
    r"POST /api/repos/create": Handler.create,
    r"POST /api/validate-yaml": Handler.validate,
    rf"POST /api/models/{NAME}/preupload/main": Handler.preupload,
    rf"POST /api/models/{NAME}/commit/main": Handler.commit,
    rf"GET /api/models/{NAME}/tree/\w+": Handler.tree,
    rf"GET /api/models/{NAME}(?:/revision/\w+)?": Handler.info,
    rf"POST /{NAME}\.git/info/lfs/objects/batch": Handler.batch,
    r"PUT /lfs/(\w+)": Handler.put,
    rf"(?:GET|HEAD) /{NAME}/resolve/(\w+)/(.+)": Handler.resolve,
}
