"""Task: what one side has to do. Its process reads it from a file."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alphabar import build, config
from alphabar.data import ImageSet


@dataclass(frozen=True)
class Task:
    """One side, from one seed, with a budget of CPU minutes and a number of images to sample."""

    folder: str
    """OUT/seedSEED/SIDE: everything that the side writes goes there."""
    recipe: str
    """The name or the file of the settings: see frozen.py."""
    seed: int
    minutes: float
    count: int
    samplers: tuple[str, ...] | None
    """The samplers that images are made with; None = all of the side."""
    rate: float | None
    """The learning rate of diffusers-tuned; None = the recipe's."""

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
        """The settings of the recipe, by section."""
        return config.load(self.recipe).model_dump()

    def images(self, split: str = "train") -> ImageSet:
        """The images of that split, as the recipe prepares them."""
        return build.image_set(config.load(self.recipe).data.model_copy(update={"split": split}))

    def finish(self, **result: Any) -> None:
        """Write done.json, after which the side is not run again."""
        (self.path / "done.json").write_text(json.dumps(result, indent=1))
