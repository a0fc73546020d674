"""What the commands that sample into a folder say of it."""

from pathlib import Path
from typing import TYPE_CHECKING

from alphabar.terminal import say

if TYPE_CHECKING:
    from alphabar.sampling.samples import Images


def report(images: "Images", **files: Path | None) -> None:
    """Say where the images lie, and what lies beside them: each file after its name, unless it is None."""
    if images.folder is None:
        return
    from alphabar.data.contents import counted

    if images.sampled == 0:
        were = "image was" if len(images) == 1 else f"{len(images):,} images were"
        say(f"Nothing was sampled: the {were} there already; other --seeds give others.")
    say(f"images    {images.folder}  ({counted(len(images), 'PNG')}, samples.npz, settings.json)")
    for name, path in files.items():
        if path is not None:
            say(f"{name:9} {path}")
