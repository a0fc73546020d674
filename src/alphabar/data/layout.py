"""The layout of a folder of images: its splits, its classes and what is left out. `layout` is the one judge of it."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alphabar.data.classes import printed, repeated
from alphabar.data.contents import counted
from alphabar.data.files import HOLD_OUT, NoSplitError, shown
from alphabar.data.labels_file import listed_labels
from alphabar.data.listing import Listing
from alphabar.data.split_names import KINDS, split_of
from alphabar.errors import AlphabarError


@dataclass(frozen=True)
class Layout:
    """The images of one split of a folder."""

    folder: Path
    """The folder of the split, relative to the folder that was named."""
    listing: Listing
    """The files of the split, relative to its folder."""
    splits: tuple[str, ...]
    """The folders of all splits; none if the folder is not divided."""
    classes: tuple[str, ...]
    """The names of the folders that are classes, sorted by their bytes."""
    left_out: tuple[str, ...]
    """What lies in the folder and is not used, as phrases."""
    labels: Mapping[Path, str] | None = None
    """The class of each image, if a file beside the images says it."""
    labels_file: str = ""
    """The name of that file."""

    def class_of(self, image: Path) -> str:
        """The element of `classes` that an image of the split belongs to."""
        return image.parts[0] if self.labels is None else self.labels[image]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes as they are printed and matched."""
        return tuple(printed(name) for name in self.classes)


def layout(root: Path, listing: Listing, split: str) -> Layout:
    """The layout of the folder `root`, whose files are `listing`.

    Sub-folders named train and test (or val) in one of their usual spellings are its splits, whatever lies beside
    them. So is one alone, if no other folder holds images. If all images lie in one sub-folder, that is looked at
    instead, in a split, too. Two or more sub-folders of a split that directly hold all of its images are classes, and
    in other splits the same holds for a single one; but a dataset.json or metadata.csv alone says the classes where
    there is one. NoSplitError if there is no such split; AlphabarError if the layout is ambiguous.
    """
    base = _base(listing)
    inside = listing.below(base)
    splits = _splits(root / base, inside)
    left_out: tuple[str, ...] = ()
    if not splits:
        if split != "train":
            raise NoSplitError(_no_split(root, split))
        part = base
        classes = class_folders(inside.images)
    else:
        if split not in splits:
            found = ", ".join(splits.values())
            raise NoSplitError(
                f"{shown(root / base)} has no folder of the '{split}' split, only {found}; rename one, or add one."
            )
        _refuse_linked_splits(root / base, inside, splits, split)
        left_out = tuple(_beside(inside, set(splits.values())))
        trained = inside.below(_lone(inside, Path(splits["train"]))) if "train" in splits else Listing()
        part = base / _lone(inside, Path(splits[split]))
        inside = listing.below(part)
        takes_two = split == "train" or (trained.images and not class_folders(trained.images))
        classes = class_folders(inside.images, least=2 if takes_two else 1)
    _refuse_inner_splits(root / part, inside)
    labels = listed_labels(root, part, listing)
    names = classes if labels is None else labels.classes
    if same := repeated(printed(name).strip() for name in names):
        raise AlphabarError(
            f"{shown(root / part)} has two classes called {same[0]}, in two spellings of Unicode or with other spaces; "
            "rename or merge them."
        )
    left_out += tuple(_other_files(inside, set() if labels is None else {Path(labels.file)}))
    if labels is None:
        return Layout(part, inside, tuple(splits.values()), names, (*left_out, *_unused_folders(inside, names)))
    if labels.unused:
        left_out += (f"{counted(labels.unused, 'label')} of images that do not exist",)
    return Layout(part, inside, tuple(splits.values()), names, left_out, labels.by_image, labels.file)


def class_folders(images: Sequence[Path], least: int = 2) -> tuple[str, ...]:
    """The sub-folders, if there are at least `least` and they directly hold *all* images; else none."""
    if any(len(path.parts) != 2 for path in images):
        return ()
    names = sorted({path.parts[0] for path in images}, key=os.fsencode)
    return tuple(names) if len(names) >= least else ()


def _base(listing: Listing) -> Path:
    """The folder that holds all images, below those that hold nothing but one folder of images."""
    base = Path()
    while True:
        inside = listing.below(base)
        heads = {path.parts[0] for path in inside.images if len(path.parts) > 1}
        is_chain = len(heads) == 1 and all(len(path.parts) > 1 for path in inside.images)
        if not is_chain or any(split_of(path.parts[0]) for path in inside.folders):
            return base
        base = base / heads.pop()


def _lone(listing: Listing, split: Path) -> Path:
    """The folder that holds the images of a split, below those that hold nothing but one folder of folders of images.

    A folder that holds images itself may be a class, and is not looked into.
    """
    inside = listing.below(split)
    heads = {path.parts[0] for path in inside.images}
    if len(heads) != 1 or any(len(path.parts) < 3 for path in inside.images):
        return split
    return _lone(listing, split / heads.pop())


def _splits(folder: Path, listing: Listing) -> dict[str, str]:
    """The sub-folder of each split, by split; empty if the folder is not divided."""
    groups: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in listing.folders:
        if len(path.parts) == 1 and (named := split_of(path.name)):
            groups[named[1]][named[0]].append(path.name)
    with_images = {path.parts[0] for path in listing.images if len(path.parts) > 1}
    chosen = []
    for group in groups.values():
        folders = {name for names in group.values() for name in names}
        if ("train" in group and len(group) > 1) or (with_images and with_images <= folders):
            chosen.append(group)
    doubled = [names for group in chosen for names in group.values() if len(names) > 1]
    if len(chosen) > 1:
        doubled.append([names[0] for group in chosen for names in group.values()])
    if doubled:
        raise AlphabarError(
            f"{shown(folder)} has several folders for one split: {', '.join(map(printed, doubled[0]))}; name the "
            "folder to be used, or rename the others."
        )
    return {split: chosen[0][split][0] for split in KINDS if split in chosen[0]} if chosen else {}


def _refuse_linked_splits(folder: Path, listing: Listing, splits: Mapping[str, str], split: str) -> None:
    """AlphabarError if a folder is train and another split by a link, or this split is empty because it is another."""
    for name in splits.values():
        if Path(name) in listing.again:
            is_train = "train" in splits and (folder / name).samefile(folder / splits["train"])
            if is_train or name == splits[split]:
                raise AlphabarError(
                    f"{shown(folder / name)} is the folder of another split, too, by a link; put other images there, "
                    "or remove the link."
                )


def _no_split(root: Path, split: str) -> str:
    remedy = f"; or {HOLD_OUT}" if split == "test" else ""
    return (
        f"The folder {shown(root)} has no '{split}' split: its images are all in data.split=train. Move some of them "
        f"into a sub-folder '{split}', and the others into a sub-folder 'train'{remedy}."
    )


def _beside(listing: Listing, splits: set[str]) -> Iterable[str]:
    """The images that lie beside the folders of the splits, as phrases."""
    heads = Counter(path.parts[0] if len(path.parts) > 1 else "" for path in listing.images)
    for head, count in heads.items():
        if head not in splits:
            yield f"{counted(count, 'image')} in {printed(head)}" if head else f"{counted(count, 'image')} beside them"


def _other_files(listing: Listing, used: set[Path]) -> Iterable[str]:
    """The files that are neither images nor `used`, by suffix, as phrases."""
    kinds = Counter(path.suffix.lower() or "no suffix" for path in listing.others if path not in used)
    for suffix, count in kinds.most_common():
        yield f"{counted(count, 'file')} ({shown(Path(suffix))})"


def _unused_folders(listing: Listing, classes: Sequence[str]) -> Iterable[str]:
    """The folders that are not classes but look like some, as phrases."""
    if classes:
        for path in listing.folders:
            if len(path.parts) == 1 and path.name not in classes:
                why = "which is another one, by a link" if path in listing.again else "without images"
                yield f"the folder {printed(path.name)}, {why}"
    elif any(len(path.parts) > 1 for path in listing.images):
        loose = sum(len(path.parts) == 1 for path in listing.images)
        deep = sum(len(path.parts) > 2 for path in listing.images)
        if loose or deep:
            where = f"{counted(loose, 'image')} beside the folders" if loose else f"{counted(deep, 'image')} deeper"
            yield f"the sub-folders as classes, because of {where}"


def _refuse_inner_splits(folder: Path, listing: Listing) -> None:
    """AlphabarError if a sub-folder is divided into splits: its test images would be trained on."""
    inner: defaultdict[tuple[Path, str], set[str]] = defaultdict(set)
    parents = {parent for path in listing.images for parent in path.parents}
    for path in parents - {Path()}:
        if named := split_of(path.name):
            inner[path.parent, named[1]].add(named[0])
    for (parent, _), kinds in inner.items():
        if "train" in kinds and len(kinds) > 1:
            raise AlphabarError(
                f"{shown(folder / parent)} is divided into {' and '.join(sorted(kinds, reverse=True))}, inside "
                f"{shown(folder)}; name that folder, or put the splits on top, as train/{printed(parent.name)}."
            )
