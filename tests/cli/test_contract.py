"""The names that people type and write into scripts stay: commands, their arguments and their options.

contract.json holds them. A command may be added without touching it, and is frozen when the file is next renewed.
"""

import json
from pathlib import Path

import pytest

from command_tree import commands

CONTRACT = json.loads(Path(__file__).with_name("contract.json").read_text(encoding="utf-8"))
RENEW = """
Scripts that call alphabar would break. If that is intended, say so in CHANGELOG.md and renew the file from the root of
the repository: python tests/command_tree.py > tests/cli/contract.json"""


@pytest.mark.parametrize("command", CONTRACT)
def test_a_command_keeps_its_name_arguments_and_options(command: str) -> None:
    names = commands().get(command)
    assert names is not None, f"`{command}` is gone.{RENEW}"
    assert names["arguments"] == CONTRACT[command]["arguments"], f"`{command}` has other arguments.{RENEW}"
    gone, new = (
        sorted(set(a["options"]) - set(b["options"]))
        for a, b in ((CONTRACT[command], names), (names, CONTRACT[command]))
    )
    assert not gone and not new, f"`{command}` lost the options {gone}, and has the new ones {new}.{RENEW}"


def test_the_contract_holds_the_commands_of_the_first_release() -> None:
    assert len(CONTRACT) >= 30 and "alphabar plot rate-distortion" in CONTRACT
    assert "--seeds VALUE" in CONTRACT["alphabar sample"]["options"]
    assert CONTRACT["alphabar train"]["arguments"] == ["recipe", "[overrides...]"]
