"""Images that are in memory as the origin of a pack."""

from collections.abc import Iterator, Mapping

from alphabar.data.image_set import ImageSet
from alphabar.data.options import DataOptions
from alphabar.data.packs.folders import how
from alphabar.data.packs.origin import Origin, Picture, Pictures
from alphabar.data.survey import Skipped
from alphabar.files import digest


def origin(sets: Mapping[str, ImageSet], options: DataOptions) -> Origin:
    """The splits of a source, as they were read; each split must have the same shape."""
    first = next(iter(sets.values()))
    fingerprints = {split: images.fingerprint() for split, images in sets.items()}
    return Origin(
        name=first.name,
        source=first.source,
        digest=digest({"images": fingerprints, "how": how(options)}),
        shape=first.shape,
        options=options,
        splits={split: _pictures(images) for split, images in sets.items()},
    )


def _pictures(images: ImageSet) -> Pictures:
    def read(start: int) -> Iterator[Picture | Skipped]:
        for row in range(start, len(images)):
            label = -1 if images.labels is None else int(images.labels[row])
            stored = 0 if images.stored is None else int(images.stored[row])
            yield Picture(images.images[row].numpy(), label, stored)

    names = images.class_names if images.labels is not None else ()
    return Pictures(read, len(images), images.contents, names)
