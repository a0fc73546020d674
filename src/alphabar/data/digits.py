"""The data set inside the package: 1,797 handwritten digits of 8x8 pixels (UCI optdigits, see assets/README.md)."""

import gzip
from importlib.resources import files

import numpy as np
import torch

from alphabar.data.files import only_train, shown
from alphabar.data.fit import fitted
from alphabar.data.image_set import ImageSet
from alphabar.data.options import DataOptions
from alphabar.errors import AlphabarError

_LEVELS = 16  # the value of white


def digits(options: DataOptions) -> ImageSet:
    """1,797 handwritten digits, 8x8, grey: they come with alphabar.

    Levels 0..16 are scaled to 0..255. They are too few to hold out a test split, so there is none.
    """
    if options.path is not None:
        raise AlphabarError(
            f"The embedded data set 'digits' takes no data.path, and it is {shown(options.path)}; "
            "for images of your own use --data, or set data.name too."
        )
    only_train("The embedded data set 'digits'", options)
    packed = (files("alphabar") / "assets" / "digits.csv.gz").read_bytes()
    table = np.loadtxt(gzip.decompress(packed).decode("ascii").splitlines(), delimiter=",", dtype=np.float64)
    levels, labels = table[:, :64], table[:, 64].astype(np.int64)
    pixels = np.rint(levels * 255 / _LEVELS).astype(np.uint8).reshape(-1, 8, 8, 1)
    return ImageSet(
        name="digits",
        images=fitted(pixels, options, "The embedded data set 'digits'"),
        labels=torch.from_numpy(labels),
        class_names=tuple("0123456789"),
        source="embedded: UCI Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak), CC BY 4.0",
    )
