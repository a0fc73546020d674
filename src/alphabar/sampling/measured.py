"""What is measured once on the training images of a run and kept in it, with everything that it depends on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from alphabar import build
from alphabar.data import ImageSet
from alphabar.errors import AlphabarError
from alphabar.files import read_json, write_json
from alphabar.runs.model import LoadedModel
from alphabar.runs.run import home
from alphabar.terminal import say

T = TypeVar("T")

DECIDES_X0 = ("steps", "schedule", "parameterization", "time_scale", "x0_transform", "betas")
"""Settings of [diffusion] that x̂_0 depends on, besides the weights."""


@dataclass(frozen=True)
class Measurement:
    """A quantity of a model that is kept in RUN/FOLDER/step-XXXXXXXX-WEIGHTS.json.

    what: as the start of a sentence: "The variance 'analytic' is". instead: what to choose if it cannot be had.
    """

    model: LoadedModel
    folder: str
    what: str
    instead: str
    more: str = ""
    """More of the file's name, if there are several of these quantities for the same weights."""

    @property
    def path(self) -> Path:
        """The file."""
        name = f"step-{self.model.step:08d}-{self.model.weights}{self.more}.json"
        return home(self.model.path) / self.folder / name

    def key(self, **more: Any) -> dict[str, Any]:
        """Everything that the quantity depends on: the weights, how they are read, the images, and `more`."""
        model = self.model
        settings = model.config.diffusion.model_dump(mode="json")
        return {
            "weights_sha256": model.sha256,
            **{name: settings[name] for name in DECIDES_X0 if settings[name] is not None},
            "images_sha256": model.facts.fingerprint or self.images().fingerprint(),  # those of an import: --data
            **more,
        }

    def images(self) -> ImageSet:
        """The images that the run was trained on; AlphabarError if they are gone, or others now."""
        model = self.model
        try:
            images = model.images()
        except AlphabarError as error:
            raise AlphabarError(
                f"{self.what} measured on the images that the run was trained on, and they are not available "
                f"({str(error).rstrip('.')}); restore them, or choose {self.instead}."
            ) from None
        if model.facts.fingerprint and build.image_facts(images) != model.facts:
            raise AlphabarError(
                f"{self.what} measured on the images that the run was trained on, and those in "
                f"{images.source} are others; restore the original ones, or choose {self.instead}."
            )
        return images

    def kept(self, key: Mapping[str, Any], name: str, parse: Callable[[Any], T]) -> tuple[T | None, str | None]:
        """What the file holds under `name`, and a complaint if the file is not usable; None if it holds nothing."""
        if not self.path.exists():
            return None, None
        try:
            content = read_json(self.path)
            value = parse(content.pop(name))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
            return None, "cannot be read"
        if other := sorted(name for name in key.keys() | content.keys() if key.get(name) != content.get(name)):
            return None, f"was measured with another {other[0]}"
        return value, None

    def known(self, key: Mapping[str, Any], name: str, parse: Callable[[Any], T]) -> T | None:
        """What the file holds under `name`; it is said if the file is not usable."""
        value, complaint = self.kept(key, name, parse)
        if complaint:
            say(f"{self.path} {complaint}; it is measured again.", error=True)
        return value

    def keep(self, content: Mapping[str, Any], what: str) -> None:
        """Write the file; if that cannot be done, it is said, and `what` is used all the same."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, content)
        except (OSError, AlphabarError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
            say(f"{what} used, but cannot be saved in {self.path.parent} for the next time: {reason}.", error=True)

    def diverged(self, quantity: str) -> AlphabarError:
        """The sentence for weights that give no numbers."""
        return AlphabarError(f"{quantity}: these weights have diverged; choose an earlier checkpoint with --step.")
