"""Images that were sampled, and how: for Python, notebooks and files."""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from alphabar import images
from alphabar.errors import AlphabarError
from alphabar.files import outputs
from alphabar.sampling import folder as folders
from alphabar.sampling.job import Job


@dataclass(frozen=True, eq=False)
class Images:
    """uint8 images (N, C, H, W), and the settings that made them. A notebook shows them as one picture."""

    tensor: Tensor
    settings: Mapping[str, Any] = field(default_factory=dict)
    job: Job | None = None
    """The seeds and classes of the images; None for edits."""
    class_names: tuple[str, ...] = ()
    tiles: Tensor | None = None
    """The images that the picture shows, where it shows more than `tensor`: the originals beside the edits."""
    columns: int | None = None
    """The tiles in a row of the picture; near-square if None."""
    folder: Path | None = None
    """The folder that holds the images as PNGs, if they were sampled into one."""
    sampled: int | None = None
    """How many of the images in the folder were sampled now; the others were there already."""

    def __len__(self) -> int:
        return len(self.tensor)

    def __getitem__(self, k: int) -> Image.Image:
        return images.to_pil(self.tensor[k])

    def __iter__(self) -> Iterator[Image.Image]:
        return iter(self.pil)

    def __repr__(self) -> str:
        count, *shape = self.tensor.shape
        return f"Images({count} of {'x'.join(map(str, shape))})"

    @property
    def pil(self) -> list[Image.Image]:
        """The images as Pillow images."""
        return [images.to_pil(image) for image in self.tensor]

    def grid(self) -> Image.Image:
        """The images in one picture, small ones enlarged; the first 400 of more."""
        return images.to_pil(self._sheet())

    def save(self, path: str | Path) -> Path:
        """Writes one picture if `path` ends in .png; arrays as OpenAI's evaluators read them if it ends in .npz.

        Any other path is a folder for a PNG per image, a grid and the arrays, as `alphabar sample --out` writes it;
        AlphabarError if it holds other files, or for a file that alphabar did not write.
        """
        path = Path(path)
        if path.suffix == ".npz":
            images.save_npz(path, self.tensor, None if self.job is None else self.job.label_tensor())
        elif path.suffix == ".png":
            about = dict(self.settings) if self.job is None else folders.about_all(self.job, self.settings)
            kind = outputs.EDIT if self.job is None else outputs.GRID
            images.save_png(path, self._sheet(), {"alphabar": json.dumps(about)}, kind)
        elif path.suffix.lower() in Image.registered_extensions():
            raise AlphabarError(f"Images are saved as .png, as .npz, or into a folder; got {path}.")
        elif self.job is None:
            raise AlphabarError(f"Edits are saved as one picture, a .png, or as arrays, an .npz; got {path}.")
        else:
            folders.make(path, self.settings)
            folders.check(path, self.job)
            folders.save_images(path, self.tensor, self.job, self.settings, self.class_names)
            folders.save_overview(path, self.tensor, self.job, self.settings)
        return path

    def _sheet(self) -> Tensor:
        tiles = self.tensor if self.tiles is None else self.tiles
        return images.sheet(tiles if self.columns else tiles[: folders.GRID_IMAGES], columns=self.columns)

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.grid().save(file, format="PNG")
        return file.getvalue()
