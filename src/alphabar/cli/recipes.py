"""`alphabar recipes`: what can be trained by name."""

from typing import Annotated

import typer

from alphabar.terminal import say, say_lines


def recipes(name: Annotated[str | None, typer.Argument(help="Show this recipe in full.")] = None) -> None:
    """List the recipes, or show one."""
    from alphabar import config
    from alphabar.registry import look_up

    files = config.recipes()
    if name is not None:
        say_lines(look_up(files, name, "recipe").read_text(encoding="utf-8"))
        from alphabar.api.costs import costs  # imports torch, so only here

        say(f"# {costs(name)}")
        return
    width = max(map(len, files))
    for recipe in files:
        say(f"{recipe:{width}}  {config.summary(recipe)}")
