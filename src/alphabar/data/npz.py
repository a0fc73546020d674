"""NumPy archives of images, in the layout of OpenAI's samplers and evaluators, which `images.save_npz` writes too."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from alphabar.data.classes import numbered
from alphabar.data.files import UnreadableError, check_split, open_regular, shown
from alphabar.data.fit import fitted
from alphabar.data.image_set import ImageSet
from alphabar.data.memory import check_bytes
from alphabar.data.options import DataOptions
from alphabar.errors import AlphabarError

_IMAGES = ("arr_0", "images")
_LABELS = ("arr_1", "labels")
_MOST_CLASSES = 1 << 20  # a larger label must be a mistake


def npz(options: DataOptions) -> ImageSet:
    """Your own NumPy archive of images, with or without labels.

    `arr_0` (or `images`): uint8 (N, H, W, C). `arr_1` (or `labels`), optional: integers (N,). Pickles are refused.
    """
    path = options.path
    if path is None:
        raise AlphabarError("data.name=npz needs a file; set data.path.")
    check_split(shown(path), options)
    images, labels = _arrays(path)
    if images.dtype != np.uint8 or images.ndim != 4:
        raise UnreadableError(path, f"its images are {_described(images)}, not uint8 (N, H, W, C)")
    if images.shape[3] > 4 and images.shape[1] <= 4:
        raise UnreadableError(path, f"its images are {_described(images)}, channels first; expected (N, H, W, C)")
    if labels is not None and (labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]):
        raise UnreadableError(path, f"its labels are {_described(labels)}, not integers ({len(images)},)")
    if len(images) == 0:
        raise UnreadableError(path, "it has no images")
    if labels is not None and not 0 <= int(labels.min()) <= int(labels.max()) < _MOST_CLASSES:
        raise UnreadableError(path, f"its labels run from {labels.min()} to {labels.max()}; expected 0, 1, 2 ...")
    classes, class_names = (None, ()) if labels is None else numbered(labels)
    return ImageSet(
        name=path.stem,
        images=fitted(images, options, shown(path)),
        labels=classes,
        class_names=class_names,
        source=shown(path),
    )


def _arrays(path: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    """The images and the labels. The archive's index is checked for their size before anything is unpacked."""
    with open_regular(path) as file:
        try:
            index = {item.filename.removesuffix(".npy"): item.file_size for item in zipfile.ZipFile(file).infolist()}
            images = next((key for key in _IMAGES if key in index), None)
            labels = next((key for key in _LABELS if key in index), None)
            if images is None:
                raise UnreadableError(
                    path, f"it has no array 'arr_0' or 'images', only {', '.join(index) or 'nothing'}"
                )
            check_bytes(shown(path), index[images])
            file.seek(0)
            archive = np.load(file, allow_pickle=False)
            return archive[images], None if labels is None else archive[labels]
        except zipfile.BadZipFile as error:
            raise UnreadableError(path, "it is not a .npz archive, or it is damaged") from error
        except AlphabarError:
            raise
        except (ValueError, EOFError, OSError, zlib.error, NotImplementedError) as error:
            raise UnreadableError(path, f"its arrays cannot be read ({error})") from error


def _described(array: npt.NDArray[Any]) -> str:
    return f"{array.dtype} {array.shape}"
