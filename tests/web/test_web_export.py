"""`alphabar export --to web` writes a whole page or nothing, and says in a sentence what it lacks."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from alphabar.errors import AlphabarError
from alphabar.interop import onnxruntime_web, web


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_without_npm_a_sentence_says_how_to_get_it(no_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AlphabarError, match=r"The page needs onnxruntime-web [\d.]+, which npm fetches.*nodejs\.org"):
        onnxruntime_web.files()


def test_what_npm_says_is_told_and_nothing_is_left(no_cache: Path, tmp_path: Path, monkeypatch) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "npm").write_text("#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 1\n")
    (programs / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/bin:/usr/bin")
    with pytest.raises(AlphabarError, match=r"npm could not fetch onnxruntime-web [\d.]+ \(npm error code ENOTFOUND\)"):
        onnxruntime_web.files()
    assert not list((no_cache / "alphabar" / "onnxruntime-web").iterdir())


def test_the_runtime_is_fetched_once(no_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def npm(command, cwd: Path, **_):
        calls.append(command)
        dist = cwd / "node_modules" / "onnxruntime-web" / "dist"
        dist.mkdir(parents=True)
        for name in (*onnxruntime_web.PROCESSOR, *onnxruntime_web.GRAPHICS_CARD, "another.wasm"):
            (dist / name).write_text(name)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(onnxruntime_web.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(onnxruntime_web.subprocess, "run", npm)
    first, second = onnxruntime_web.files(), onnxruntime_web.files()
    assert first == second and len(calls) == 1 and not (first / "another.wasm").exists()


def test_the_versions_are_fixed_and_checked_by_their_sums() -> None:
    package, lock = (json.loads((web.PAGE / name).read_text()) for name in ("package.json", "package-lock.json"))
    wanted = package["dependencies"] | package["devDependencies"]
    assert all(re.fullmatch(r"[\d.]+", version) for version in wanted.values())
    for name, version in wanted.items():
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
    assert all("integrity" in entry for name, entry in lock["packages"].items() if name)


def test_weights_are_halved_only_where_that_loses_nothing() -> None:
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    from onnx.reference import ReferenceEvaluator

    exact, inexact = np.array([1, 0.5, -2], np.float32), np.array([1 / 3, 1, 1e30], np.float32)
    nodes = [onnx.helper.make_node("Add", ["a", "b"], ["output"])]
    output = onnx.helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, [3])
    weights = [onnx.numpy_helper.from_array(exact, "a"), onnx.numpy_helper.from_array(inexact, "b")]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], [output], weights))
    small = onnx.load_model_from_string(web.halved(model.SerializeToString()))
    types = {weight.name: weight.data_type for weight in small.graph.initializer}
    assert types == {"a_half": onnx.TensorProto.FLOAT16, "b": onnx.TensorProto.FLOAT}
    (result,) = ReferenceEvaluator(small).run(None, {})
    assert np.array_equal(result, exact + inexact)


def test_the_page_asks_no_other_server() -> None:
    for path in (path for suffix in ("html", "css", "js") for path in web.PAGE.rglob(f"*.{suffix}")):
        text = re.sub(r'<meta name="book" content="[^"]*">', "", path.read_text(encoding="utf-8"))
        assert not re.search(r"https?://|//[a-z]+\.", text), path
