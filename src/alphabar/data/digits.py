"""The data set bundled with the package: 1,797 handwritten digits, 8x8 pixels (UCI optdigits, see assets/README.md)."""

import gzip
from importlib.resources import files

import numpy as np
import torch

from alphabar.data.files import check_split, shown
from alphabar.data.fit import fitted
from alphabar.data.image_set import ImageSet
from alphabar.data.options import DataOptions
from alphabar.errors import AlphabarError

_WHITE = 16  # the largest stored level


def digits(options: DataOptions) -> ImageSet:
    """1,797 handwritten digits, 8x8, grey, bundled with alphabar.

    The stored levels 0..16 are scaled to 0..255. There is no test split, because the set is too small for one.
    """
    if options.path is not None:
        raise AlphabarError(
            f"The bundled data set 'digits' takes no data.path; got {shown(options.path)}. "
            "For your own images use --data, or set data.name too."
        )
    check_split("The bundled data set 'digits'", options)
    packed = (files("alphabar") / "assets" / "digits.csv.gz").read_bytes()
    table = np.loadtxt(gzip.decompress(packed).decode("ascii").splitlines(), delimiter=",", dtype=np.float64)
    levels, labels = table[:, :64], table[:, 64].astype(np.int64)
    pixels = np.rint(levels * 255 / _WHITE).astype(np.uint8).reshape(-1, 8, 8, 1)
    return ImageSet(
        name="digits",
        **fitted(pixels, options, "The bundled data set 'digits'"),
        labels=torch.from_numpy(labels),
        class_names=tuple("0123456789"),
        source="bundled: UCI Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak), CC BY 4.0",
    )
