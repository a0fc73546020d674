"""What the Edit tab does: a picture of one's own, seen as the model sees it, and what the model makes of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from alphabar import images
from alphabar.api.edits import plan_inpainting, plan_variation
from alphabar.api.latents import Latents, plan_encoding
from alphabar.api.model import Model
from alphabar.api.options import seed_list
from alphabar.app import forms, live
from alphabar.app.generate import made, timestep
from alphabar.app.generated import label_of
from alphabar.app.offered import Models
from alphabar.app.painting import CANVAS, painted
from alphabar.editing.pictures import picture
from alphabar.errors import AlphabarError

MOST = 16
"""Results in one picture of the page."""
PAINTED = "painted"
"""The area to inpaint that is painted by hand; the others are MASKS."""


@dataclass(frozen=True)
class Order:
    """What every edit needs: the run, its class, the uploaded file, and how it is brought to the model's size."""

    run: str
    label: str
    file: str | None
    resize: str
    values: Mapping[str, Any]

    def how(self, model: Model) -> dict[str, Any]:
        """The options of sampling, with the class."""
        return {"label": label_of(model, self.label), **forms.given(self.values)}


@dataclass(frozen=True)
class Editor:
    """The events of the tab, without the tab."""

    models: Models

    def seen(self, run: str, file: str | None, resize: str) -> Image.Image | None:
        """The picture as the model sees it, enlarged to be painted on; None without a picture."""
        model = self.models.model(run)
        if not file:
            return None
        image = _picture(model, file, resize)
        enlarge = images.enlargement(max(image.size), CANVAS)
        return image.convert("RGB").resize((image.width * enlarge, image.height * enlarge), Image.Resampling.NEAREST)

    def inpaint(self, order: Order, area: str, layers: list[str], seeds: str) -> Iterator[tuple[str, Any]]:
        """The painted part, or an area of MASKS, sampled anew for each seed."""
        model, several = self.models.model(order.run), _seeds(seeds)
        image = _picture(model, order.file, order.resize)
        mask = painted(layers, (image.height, image.width)) if area == PAINTED else area
        yield from made(
            model,
            lambda model: plan_inpainting(model, image, mask, seeds=several, **order.how(model)).images().grid(),
            "Inpainting",
        )

    def vary(self, order: Order, share: float, seeds: str) -> Iterator[tuple[str, Any]]:
        """Variations of the picture, noised to the share of T."""
        model, several = self.models.model(order.run), _seeds(seeds)
        image, t = _picture(model, order.file, order.resize), timestep(model, share)
        yield from made(
            model,
            lambda model: plan_variation(model, image, start=t, seeds=several, **order.how(model)).images().grid(),
            "Varying",
        )

    def encode(self, order: Order) -> Iterator[tuple[str, Any]]:
        """The picture above the one that is decoded from its noise, and how far they differ."""
        model = self.models.model(order.run)
        image = _picture(model, order.file, order.resize)

        def work(model: Model) -> Latents:
            return plan_encoding(model, image, **order.how(model)).latents()

        for text, latents in made(model, work, "Encoding"):
            if latents is None:
                yield text, None
            else:
                error = f"Decoded again, the picture differs by {float(latents.errors[0]):.2%} (‖x' − x‖/‖x‖)."
                yield live.message(error), latents.decoded.grid()


def _picture(model: Model, file: str | None, resize: str) -> Image.Image:
    """An uploaded picture in the model's shape; its errors name it as it was called, not where it lies."""
    if not file:
        raise AlphabarError("There is no picture yet; upload one.")
    try:
        return images.to_pil(picture(model.loaded, Path(file), resize).pixels)
    except AlphabarError as error:
        raise AlphabarError(*(text.replace(f"{Path(file).parent}/", "") for text in error.args)) from None


def _seeds(text: str) -> list[int]:
    several = seed_list(str(text))
    if len(several) > MOST:
        raise AlphabarError(f"The page makes at most {MOST} results at a time; got {len(several):,} seeds.")
    return several
