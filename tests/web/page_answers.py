"""Questions to the page's JavaScript, which node runs."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alphabar.interop import web

Ask = Callable[[list[dict[str, Any]]], list[Any]]


def answers(node: str, questions: list[dict[str, Any]]) -> list[Any]:
    """What the page answers, see answers.mjs; AssertionError with its message, if it refuses."""
    question = json.dumps({"page": str(web.PAGE), "asked": questions})
    command = [node, str(Path(__file__).with_name("answers.mjs"))]
    run = subprocess.run(command, input=question, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    answered: list[Any] = json.loads(run.stdout)
    return answered
