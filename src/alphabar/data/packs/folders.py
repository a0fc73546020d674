"""A folder of image files as the origin of a pack."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from alphabar.data.contents import Contents, counted
from alphabar.data.decode import Header
from alphabar.data.decoding import Decoder, each
from alphabar.data.files import NoSplitError, UnreadableError, shown
from alphabar.data.fit import kept_values
from alphabar.data.folder import headers, log, planned, recognised, stored_shape
from alphabar.data.holdout import two_test_splits
from alphabar.data.layout import Layout
from alphabar.data.listing import Listing, list_files
from alphabar.data.options import SPLITS, DataOptions
from alphabar.data.packs.origin import Origin, Picture, Pictures
from alphabar.data.survey import Skipped, Survey
from alphabar.data.windows import roomy
from alphabar.files import digest

_MANY = 2_000  # files from which processes decode: they are needed until the end, and so is their time to start


def origin(options: DataOptions, splits: tuple[str, ...] = SPLITS) -> Origin:
    """The splits that a folder has, of those named; AlphabarError for what the source `folder` refuses too."""
    assert options.path is not None
    root = options.path
    listing = list_files(root) if root.is_dir() else None
    sized, found = roomy(options), dict[str, tuple[Path, Layout, Survey]]()
    shape: tuple[int, int, int] | None = None
    for split in splits:
        try:
            folder, plan = recognised(replace(sized, split=split), listing)
        except NoSplitError:
            if split == splits[-1] and not found:
                raise
            continue
        survey = headers(folder, plan, sized)
        size, channels = planned(survey, sized)
        sized, shape = replace(sized, image_size=size, channels=channels), (channels, *size)
        found[split] = folder, plan, survey
    if options.holdout and "test" in found:
        folder, _, survey = found["test"]
        raise two_test_splits(shown(folder), len(survey.headers), options)
    assert shape is not None and listing is not None
    for _, _, survey in found.values():
        log(survey)
    return Origin(
        name=shown(Path(root.resolve().name)),
        source=shown(next(iter(found.values()))[0]),
        digest=state(root, listing, options),
        shape=shape,
        options=options,
        splits={split: _pictures(*each, replace(sized, split=split), shape) for split, each in found.items()},
        divides=options.holdout > 0 and "train" in found,
    )


def state(root: Path, listing: Listing, options: DataOptions) -> str:
    """A digest of the names, sizes and times of change of the files of a folder, and of how they are read."""
    files = hashlib.sha256()
    for path in (*listing.images, *listing.others):
        try:
            status = (root / path).stat()
            files.update(os.fsencode(path) + b"\0%d %d\n" % (status.st_size, status.st_mtime_ns))
        except OSError:
            files.update(os.fsencode(path) + b"\0-\n")
    return digest({"files": files.hexdigest(), "how": how(options)})


def how(options: DataOptions) -> dict[str, Any]:
    """How files become images, where they lie left out; ready for JSON."""
    places = ("path", "data_root", "split", "download")
    return {name: value for name, value in asdict(options).items() if name not in places}


def _pictures(
    folder: Path, plan: Layout, survey: Survey, options: DataOptions, shape: tuple[int, int, int]
) -> Pictures:
    decoder = Decoder(folder, shape[1:], shape[0], options)
    numbers = {name: k for k, name in enumerate(plan.classes)}
    files = list(survey.headers.items())

    def read(start: int) -> Iterator[Picture | Skipped]:
        some = dict[Path, Header](files[start:])
        label = f"Packing {counted(len(some), 'image')}"
        for path, result in each(decoder, some, label, len(some), _MANY):
            if isinstance(result, UnreadableError):
                yield Skipped(path, result.reason)
                continue
            pixels, traits = result
            yield Picture(
                pixels,
                numbers[plan.class_of(path)] if numbers else -1,
                kept_values(stored_shape(some[path]), shape, options.resize),
                traits,
            )

    return Pictures(
        read=read,
        total=len(files),
        contents=Contents(options.split, plan.splits, background=options.background, left_out=plan.left_out),
        class_names=plan.class_names,
        skipped=survey.skipped,
    )
