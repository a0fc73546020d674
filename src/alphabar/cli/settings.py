"""`alphabar settings`: every section.key that a recipe or `alphabar train` can set."""

from itertools import groupby
from typing import Annotated

import typer

from alphabar.terminal import console


def settings(
    section: Annotated[str | None, typer.Argument(help="Only this section, e.g. training.")] = None,
) -> None:
    """List the settings, with their defaults and what they mean."""
    from rich.table import Column, Table
    from rich.text import Text

    from alphabar.api import look

    table = Table(Column("setting", no_wrap=True), "default", "meaning")
    for _, rows in groupby(look.settings(section).items(), key=lambda item: item[0].partition(".")[0]):
        for name, (default, meaning) in rows:
            table.add_row(name, Text(default), Text(meaning))
        table.add_section()
    console().print(table)
