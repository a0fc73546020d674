"""Checks a data set before training: decodes every file once and reports what would go wrong."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from alphabar.data.archive import named_after, unpacked
from alphabar.data.contents import Contents
from alphabar.data.decode import MODES, Header, decode, read_header
from alphabar.data.files import shown
from alphabar.data.folder import Traits, contents, planned, recognised
from alphabar.data.options import DataOptions, sized
from alphabar.data.sources import DATASETS, detect
from alphabar.data.survey import Survey, surveyed
from alphabar.errors import AlphabarError
from alphabar.images import Size

_MULTIPLE = 8  # a U-Net that halves the size three times needs sides that 8 divides
_MODEST = 64  # images up to this side are used at full size; training cost grows with its square


@dataclass(frozen=True)
class Report:
    """The result of `inspect`. `problem` says why the data cannot be loaded with the given options; None if it can."""

    kind: str  # a key of DATASETS
    source: str
    found: int
    skipped: tuple[tuple[str, str], ...]  # (name, reason)
    sizes: Mapping[Size, int]
    modes: Mapping[str, int]
    classes: Mapping[str, int]
    notes: Mapping[str, int]
    contents: Contents
    memory: int | None  # bytes when loaded; None if there is a problem
    problem: str | None
    settings: Mapping[str, str]  # the data.* settings to train with

    @property
    def loaded(self) -> int:
        """The number of usable images."""
        return self.found - len(self.skipped)


def inspect(path: Path, options: DataOptions) -> Report:
    """Reads every image of a data set and reports on it; raises AlphabarError if none is usable."""
    options = replace(options, path=path)
    kind = detect(path)
    if kind == "archive":
        place = unpacked(path)
        with named_after(path, place):
            return replace(_inspect_folder(replace(options, path=place)), kind=kind, source=shown(path))
    return _inspect_folder(options) if kind == "folder" else _inspect_arrays(kind, options)


def suggested(sizes: Mapping[Size, int]) -> tuple[Size, str]:
    """The (H, W) and the resize rule to suggest: unchanged if a U-Net accepts the images, else padded or cropped."""
    if len(sizes) == 1 and max(max(size) for size in sizes) <= _MODEST:
        ((height, width),) = sizes
        whole = (-(-height // _MULTIPLE) * _MULTIPLE, -(-width // _MULTIPLE) * _MULTIPLE)
        return whole, "none" if whole == (height, width) else "pad"
    shorter = sorted(min(size) for size in Counter(sizes).elements())
    median = shorter[len(shorter) // 2]
    side = next((side for side in (32, 16) if side <= median), 8)
    return (side, side), "crop"


def _settings(sizes: Mapping[Size, int], channels: int, options: DataOptions, problem: str | None) -> dict[str, str]:
    """The data.* settings to train with: the requested ones if they work, else the suggested ones."""
    requested = options.image_size if problem is None else None
    size, rule = suggested(sizes) if requested is None else (requested, options.resize)
    shape = str(size[0]) if size[0] == size[1] else sized(size)
    settings = {"data.image_size": shape, "data.resize": rule}
    settings |= {"data.channels": str(channels)} if channels in MODES else {}
    return settings | ({} if options.white is None else {"data.white": f"{options.white:g}"})


def _inspect_folder(options: DataOptions) -> Report:
    root, plan = recognised(options)
    traits: dict[Path, Traits] = {}

    def look(path: Path) -> Header:
        header = read_header(path, options.limit_pixels)
        traits[path.relative_to(root)] = Traits.of(decode(path, 4, options))  # a header does not show truncation
        return header

    survey = surveyed(root, plan.listing, look)
    headers = survey.headers.values()
    sizes = Counter(header.size for header in headers)
    problem, memory = _trial(survey, options)
    natural = 1 if all(header.grey for header in headers) else 3
    channels = options.channels if options.channels in MODES else natural
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
        settings=_settings(sizes, channels, options, problem),
    )


def _trial(survey: Survey, options: DataOptions) -> tuple[str | None, int | None]:
    """(the error that a training run would raise, None), or (None, the bytes of the images in memory)."""
    try:
        (height, width), channels = planned(survey, options)
    except AlphabarError as error:
        return str(error), None
    return None, len(survey.headers) * channels * height * width


def _inspect_arrays(kind: str, options: DataOptions) -> Report:
    stored = DATASETS[kind](replace(options, image_size=None, resize="none", channels=None))
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
        settings=_settings(sizes, channels, options, problem),
    )
