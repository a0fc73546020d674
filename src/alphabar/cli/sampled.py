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
    if images.sampled == 0:
        say(f"Nothing was sampled: the {len(images)} images were there already; other --seeds give others.")
    say(f"images    {images.folder}  ({len(images)} PNGs, samples.npz, settings.json)")
    for name, path in files.items():
        if path is not None:
            say(f"{name:9} {path}")
