"""`alphabar recipes`: what can be trained by name."""

from typing import Annotated

import typer


def recipes(name: Annotated[str | None, typer.Argument(help="Show this recipe in full.")] = None) -> None:
    """List the recipes that ship with alphabar, or show one."""
    from alphabar import config
    from alphabar.registry import look_up

    found = config.recipes()
    if name is not None:
        typer.echo(look_up(found, name, "recipe").read_text(encoding="utf-8"), nl=False)
        return
    width = max(map(len, found))
    for recipe, path in found.items():
        typer.echo(f"{recipe:{width}}  {path.read_text(encoding='utf-8').splitlines()[0].lstrip('# ')}")
