"""The settings of a race: a recipe for some images, planned once, in OUT/recipe.toml, which every side reads."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch

from alphabar.api.resolved import Request


def freeze(
    out: Path, recipe: str, data: str | None, data_root: str | None, minutes: float, overrides: Sequence[str]
) -> str:
    """Write OUT/recipe.toml, unless it is there; returns its path. What the recipe leaves to a plan is planned here."""
    path = out / "recipe.toml"
    asked = f"# {json.dumps([recipe, data, data_root, minutes, *overrides])}"
    if path.exists():
        if path.read_text().splitlines()[0] != asked:
            raise SystemExit(f"{path} was made with other options (its first line); name another OUT.")
        return str(path)
    torch.set_num_threads(1)  # the speed that is measured for the plan is that of the race
    request = Request(recipe, out / "none", data, overrides, data_root, minutes, "cpu")
    sections = request.resolved().config.model_dump(mode="json", exclude_defaults=True)
    sections["training"].pop("planned", None)
    out.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([asked, *(line for name in sections for line in lines(name, sections[name]))]) + "\n")
    return str(path)


def lines(name: str, section: dict[str, object]) -> list[str]:
    """A section as TOML, of which JSON's texts, numbers and lists are a part."""
    values = {key: "none" if value is None else value for key, value in section.items()}
    return ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
