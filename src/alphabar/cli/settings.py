"""`alphabar settings`: every section.key that a recipe or `alphabar train` can set."""

from typing import Annotated

import typer


def settings(section: Annotated[str | None, typer.Argument(help="Only this section, as training.")] = None) -> None:
    """List the settings, with their defaults and what they mean."""
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from alphabar import config
    from alphabar.registry import look_up

    sections = config.sections()
    chosen = sections if section is None else {section: look_up(sections, section, "section")}
    table = Table(Column("setting", no_wrap=True), "default", "meaning")
    for name, model in chosen.items():
        for key, field in model.model_fields.items():
            table.add_row(f"{name}.{key}", Text(config.shown(field.default)), Text(config.meaning(field)))
        table.add_section()
    Console(highlight=False).print(table)
