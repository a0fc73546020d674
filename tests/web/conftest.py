"""The page's JavaScript, run by node."""

import shutil
import subprocess
from functools import partial

import pytest
from page_answers import Ask, answers


@pytest.fixture(scope="session")
def node() -> str:
    """The program node, version 20 or newer."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("there is no node, which runs the page's JavaScript")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").split(".")[0]) < 20:
        pytest.skip(f"the page's tests need node 20 or newer, and this is {version.strip()}")
    return path


@pytest.fixture(scope="session")
def ask(node: str) -> Ask:
    """What the page's JavaScript answers to a list of questions."""
    return partial(answers, node)
