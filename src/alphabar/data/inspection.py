"""Checks a data set before training: decodes every file once and reports what would go wrong."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from alphabar.data.advice import judged
from alphabar.data.archive import named_after, unpacked
from alphabar.data.decode import MODES, Header, decode, read_header
from alphabar.data.decoding import Traits, decoded_images
from alphabar.data.files import shown
from alphabar.data.findings import Look, findings
from alphabar.data.fit import fitted
from alphabar.data.folder import contents, planned, recognised
from alphabar.data.glance import Thumbnail, as_stored, of_images, of_row, of_thumbnails, sampled
from alphabar.data.image_set import ImageSet
from alphabar.data.memory import check_memory
from alphabar.data.options import DataOptions
from alphabar.data.packs import record
from alphabar.data.report import Report, as_seen, followed, largest, settings
from alphabar.data.sources import DATASETS, detect
from alphabar.data.survey import Survey, surveyed
from alphabar.errors import AlphabarError
from alphabar.terminal.progress import progress

_SIDE = 32  # the longest side that is suggested for pictures of several sizes
_MODEST = 64  # images of one size up to this are used as they are; training cost grows with its square
_SHOWN = 64  # pictures as the network will see them
_AS_ASKED = "as asked"


def inspect(path: Path, options: DataOptions, most: int | None = None) -> Report:
    """Reads every image of a data set and reports on it; raises AlphabarError if none is usable.

    most: the longest side to advise; if None, 64 for images of one size that is no larger, else 32.
    """
    options = replace(options, path=path)
    kind = detect(path)
    if kind == "archive":
        place = unpacked(path)
        with named_after(path, place):
            return replace(_inspect_folder(replace(options, path=place), most), kind=kind, source=shown(path))
    return _inspect_folder(options, most) if kind == "folder" else _inspect_arrays(kind, options, most)


def _inspect_folder(options: DataOptions, most: int | None) -> Report:
    root, plan = recognised(options)
    traits: dict[Path, Traits] = {}
    looks: dict[Path, Look] = {}
    thumbnails: dict[Path, Thumbnail] = {}
    sample = set(sampled(plan.listing.images))

    def look(path: Path) -> Header:
        header, name = read_header(path, options.limit_pixels), path.relative_to(root)
        decoded = decode(path, 4, options)  # a header does not show truncation
        thumbnail = Thumbnail.of(decoded)
        traits[name], looks[name] = Traits.of(decoded), Look.at(np.asarray(decoded.image), thumbnail)
        if name in sample:
            thumbnails[name] = thumbnail
        return header

    survey = surveyed(root, plan.listing, look)
    headers = survey.headers.values()
    sizes = Counter(header.size for header in headers)
    problem, memory = _trial(survey, options)
    natural = 1 if all(header.grey for header in headers) else 3
    channels = options.channels if options.channels in MODES else natural
    unusable = len(plan.listing.images) - len(headers)
    advice = followed(judged(of_thumbnails(plan, thumbnails, unusable), most or largest(sizes)), options, problem)
    options = as_seen(options, advice, channels)
    names = dict(zip(plan.classes, plan.class_names, strict=True))
    return Report(
        kind="folder",
        source=shown(root),
        found=len(headers) + len(survey.skipped),
        skipped=tuple((shown(item.path), item.reason) for item in survey.skipped),
        sizes=sizes,
        modes=Counter(header.mode for header in headers),
        classes=Counter(names[plan.class_of(path)] for path in survey.headers) if names else {},
        notes=Counter(note for header in headers for note in header.notes),
        contents=contents(plan, survey, [traits[path] for path in survey.headers], options),
        memory=memory,
        problem=problem,
        settings=settings(advice, channels, options.white),
        advice=advice,
        findings=findings([shown(path) for path in survey.headers], [looks[path] for path in survey.headers], options),
        pictures=_pictures(survey, channels, options),
    )


def _pictures(survey: Survey, channels: int, options: DataOptions) -> Tensor:
    """Some images of a folder, read as for training."""
    few = {path: survey.headers[path] for path in sampled(list(survey.headers), _SHOWN)}
    assert options.image_size is not None
    return torch.from_numpy(decoded_images(replace(survey, headers=few), options.image_size, channels, options).images)


def _trial(survey: Survey, options: DataOptions) -> tuple[str | None, int | None]:
    """(the error that a training run would raise, None), or (None, the bytes of the images in memory)."""
    try:
        (height, width), channels = planned(survey, options)
        check_memory(shown(survey.root), min(len(survey.headers), _SHOWN), (height, width), channels)
    except AlphabarError as error:
        return str(error), None
    return None, len(survey.headers) * channels * height * width


def _inspect_arrays(kind: str, options: DataOptions, most: int | None) -> Report:
    if kind == "packed":
        _verify(options)
    stored = DATASETS[kind](as_stored(options))
    channels, height, width = stored.shape
    problem, memory = None, stored.images.numel()
    if options.image_size is not None or options.channels is not None:
        try:
            resized = DATASETS[kind](options)
            channels, memory = resized.shape[0], resized.images.numel()
        except AlphabarError as error:
            problem = str(error)
    classes = {} if stored.labels is None else Counter(stored.class_names[k] for k in stored.labels.tolist())
    sizes = {(height, width): len(stored)}
    side = max(height, width) if kind == "packed" else largest(sizes)
    advice = followed(judged(of_images(stored), most or side), options, problem)
    options = as_seen(options, advice, channels)
    return Report(
        kind=kind,
        source=stored.source,
        found=len(stored),
        skipped=(),
        sizes=sizes,
        modes={MODES.get(stored.shape[0], f"{stored.shape[0]} channels"): len(stored)},
        classes=classes,
        notes={},
        contents=stored.contents,
        memory=None if problem else memory,
        problem=problem,
        settings=settings(advice, channels, options.white),
        advice=advice,
        findings=findings([f"image {k}" for k in range(len(stored))], _looks(stored), options),
        pictures=_rows(stored, options),
    )


def _verify(options: DataOptions) -> None:
    """UnreadableError if a pack is damaged anywhere."""
    assert options.path is not None
    with progress("Checking hashes", record.read(options.path).nbytes()) as advance:
        for count in record.verify(options.path):
            advance(count)


def _looks(stored: ImageSet) -> list[Look]:
    looks = []
    with progress("Comparing images", len(stored)) as advance:
        for row, image in enumerate(stored.images):
            looks.append(Look.at(image.permute(1, 2, 0).numpy(), of_row(stored, row)))
            advance(1)
    return looks


def _rows(stored: ImageSet, options: DataOptions) -> Tensor:
    """Some images of an array, brought to the size and the channels as for training."""
    rows = stored.images[sampled(range(len(stored)), _SHOWN)].permute(0, 2, 3, 1).numpy()
    return fitted(rows, replace(options, white=None), stored.source)["images"]
