"""The commands of `alphabar`, their arguments and options, as data. Run as a script, it prints them as JSON.

typer builds its commands of classes of its own since 0.29, and of click's before; what is read here is on both.
"""

import json
from collections.abc import Iterator
from typing import Any

import typer

from alphabar import cli

Names = dict[str, list[str]]


def commands() -> dict[str, Names]:
    """By command ("alphabar plot vlb"): its arguments in order, and its options in alphabetical order.

    An argument of any number of words ends in "...", and an optional one stands in brackets. An option is written with
    all its spellings ("--seeds", "--force/--no-force"), and with VALUE if it takes one.
    """
    return dict(_walk(typer.main.get_command(cli.app), "alphabar"))


def _walk(command: Any, path: str) -> Iterator[tuple[str, Names]]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    yield path, {"arguments": [_argument(p) for p in arguments], "options": sorted(_option(p) for p in options)}
    for name, child in getattr(command, "commands", {}).items():
        yield from _walk(child, f"{path} {name}")


def _argument(parameter: Any) -> str:
    name = parameter.name + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _option(parameter: Any) -> str:
    spellings = "/".join([*parameter.opts, *parameter.secondary_opts])
    takes = "" if parameter.is_flag else " VALUE"
    return f"{spellings}{takes}" + (" (required)" if parameter.required else "")


def spellings(names: Names) -> set[str]:
    """Every word of a command line that stands for one of its options."""
    return {word for option in names["options"] for word in option.split(" ")[0].split("/")}


if __name__ == "__main__":
    print(json.dumps(commands(), indent=2))
