"""Runs with a file that was changed by hand, or by hypothesis, and is signed as if alphabar had written it."""

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from alphabar.errors import AlphabarError
from quick import is_quick

SECONDS = 1.0


def newest(run: Path) -> Path:
    return run / "checkpoints" / "step-00000006"


def signed(path: Path) -> Path:
    """The checkpoint at `path` with a manifest that is right."""
    names = [file for file in sorted(path.iterdir()) if file.name != "manifest.json" and file.is_file()]
    hashes = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in names}
    (path / "manifest.json").write_text(json.dumps({"files": hashes}))
    return path


def state(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the state of a checkpoint, with a manifest that is right."""
    content = json.loads((path / "state.json").read_text())
    change(content)
    (path / "state.json").write_text(json.dumps(content))
    signed(path)


def sentence(work: Callable[[], object]) -> str:
    said = []

    def refused() -> None:
        with pytest.raises(AlphabarError) as caught:
            work()
        said.append(str(caught.value))

    started = time.perf_counter()
    assert is_quick(refused, SECONDS) and time.perf_counter() - started < 20 * SECONDS
    assert said[-1].count("\n") == 0
    return said[-1]


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just(1e308)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def edits(draw: st.DrawFn) -> Callable[[Any], Any]:
    """Changes somewhere in a JSON value: another value, or none."""
    picks, value, drop = draw(st.lists(st.integers(0, 50), max_size=4)), draw(VALUES), draw(st.booleans())

    def change(content: Any) -> Any:
        place = content
        for pick in picks[:-1]:
            keys = list(place) if isinstance(place, dict) else range(len(place)) if isinstance(place, list) else []
            if not keys or not isinstance(inner := place[list(keys)[pick % len(keys)]], dict | list):
                break
            place = inner
        keys = list(place) if isinstance(place, dict) else list(range(len(place))) if isinstance(place, list) else []
        if not keys:
            return value
        key = keys[(picks or [0])[-1] % len(keys)]
        if drop:
            del place[key]
        else:
            place[key] = value
        return content

    return change
