"""The split that a folder, a file or an array is named after."""

import re

KINDS = {
    "train": {"train", "training", "trn"},
    "val": {"val", "valid", "validation", "dev", "eval", "evaluation", "holdout", "heldout"},
    "test": {"test", "testing", "tst"},
}
"""The usual words for each split."""
_KIND = {word: kind for kind, words in KINDS.items() for word in words}
_FILLERS = {"set", "data", "dataset", "split", "images", "image", "imgs", "img", "pictures", "samples", "x", ""}
_GLUED = re.compile(rf"({'|'.join(_KIND)})(?:sets?|data|dataset|images|imgs|img)")


def split_of(name: str) -> tuple[str, str] | None:
    """(split, what else the name says) for something named after a split; None for another name.

    train, Training, train2017, test_set, TestImages, traindata, seg_train (whose other word is seg), val-64x64 ...
    """
    parts = re.split(r"[^a-z]+", name.casefold())
    if not any(map(_kind, parts)):
        parts = re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold())
    text = " ".join(parts).replace("held out", "heldout").replace("hold out", "holdout")
    kinds = [kind for word in text.split(" ") if (kind := _kind(word))]
    rest = [word for word in text.split(" ") if not _kind(word) and word not in _FILLERS]
    return (kinds[0], " ".join(rest)) if len(kinds) == 1 else None


def _kind(word: str) -> str | None:
    glued = _GLUED.fullmatch(word)
    return _KIND.get(glued[1] if glued else word)
