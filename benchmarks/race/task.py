"""Task: what one side has to do. Its process reads it from a file."""

import json
import tomllib
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from alphabar.data import DataOptions, ImageSet, load


@dataclass(frozen=True)
class Task:
    """One side, from one seed, with a budget of CPU minutes and a number of images to sample."""

    folder: str
    """OUT/seedSEED/SIDE: everything that the side writes goes there."""
    recipe: str
    seed: int
    minutes: float
    count: int
    samplers: tuple[str, ...] | None
    """The samplers that images are made with; None = all of the side."""
    data_root: str | None

    @staticmethod
    def read(path: str) -> "Task":
        """The task in the file `path`."""
        values = json.loads(Path(path).read_text())
        return Task(**{**values, "samplers": values["samplers"] and tuple(values["samplers"])})

    def text(self) -> str:
        """The content of the file."""
        return json.dumps(asdict(self), indent=1)

    @property
    def path(self) -> Path:
        """`folder`, as a path."""
        return Path(self.folder)

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """The sections of the recipe, with the settings that its file contains."""
        return tomllib.loads((resources.files("alphabar") / "recipes" / f"{self.recipe}.toml").read_text())

    def images(self) -> ImageSet:
        """The training images, as the recipe prepares them."""
        data = self.settings["data"]
        options = DataOptions(
            data_root=Path(self.data_root) if self.data_root else None,
            image_size=(data["image_size"],) * 2 if "image_size" in data else None,
            resize=data.get("resize", "none"),
            background=tuple(data.get("background", (0, 0, 0))),
        )
        return load(data["name"], options)

    def finish(self, **result: Any) -> None:
        """Write done.json, after which the side is not run again."""
        (self.path / "done.json").write_text(json.dumps(result, indent=1))
