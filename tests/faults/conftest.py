import sys
from collections.abc import Iterator

import pytest

# They look into /proc, or give names that only Linux takes.
collect_ignore_glob = [] if sys.platform == "linux" else ["test_leaks.py", "test_row_12*.py", "test_row_26*.py"]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Features and floors of these tests' own, kept between them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
