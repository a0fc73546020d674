from pathlib import Path

import pytest
from evaluation_cases import Counting

from alphabar.metrics import Extractor


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> Path:
    """A cache of this test's own."""
    path = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(path))
    return path / "alphabar"


@pytest.fixture
def counting() -> Extractor:
    return Extractor("counting", "0" * 64, "none", 4, 3, Counting())
