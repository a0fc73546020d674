"""A browser without a network shows the page, and asks no other host."""

import numpy as np
import pytest
from page_browser import CHROMIUM, looked_at
from PIL import Image

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]


def test_the_page_is_shown_and_asks_no_other_host(address, tmp_path) -> None:
    picture, hosts = looked_at(address, tmp_path)
    assert hosts == {"127.0.0.1"}
    with Image.open(picture) as shot:
        assert len(np.unique(np.asarray(shot.convert("RGB")).reshape(-1, 3), axis=0)) > 100  # no blank page
