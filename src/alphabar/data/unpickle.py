"""Reads the pickles of CIFAR-10 without trusting them: lists, numbers, bytes and integer arrays, nothing else.

Names in a pickle are looked up only in the table `_NAMES`, whose entries merely record their arguments. So no code but
this module's runs while the file is read, not even NumPy's.
"""

import io
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from alphabar.errors import AlphabarError

_NUMBERS = re.compile(r"[iu][1248]")


class _Record:
    """A placeholder for an ndarray or a dtype while the pickle sets its state."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def number_type(self) -> np.dtype[Any]:
        name = _text(self.arguments[0])
        if not _NUMBERS.fullmatch(name):
            raise ValueError(f"an array of '{name}'")
        return np.dtype(name)

    def array(self) -> npt.NDArray[Any]:
        _, shape, kind, column_major, values = self.state  # the tuple that ndarray.__reduce__ returns
        return np.frombuffer(values, kind.number_type()).reshape(shape, order="F" if column_major else "C").copy()


class _NdarrayType:
    """The stand-in for `numpy.ndarray`, which these files only pass to `_reconstruct`."""


def _latin1(text: str, encoding: str) -> bytes:
    """The bytes of a text. Python 3 writes bytes in old protocols as `_codecs.encode(text, "latin1")`."""
    return text.encode("latin1")


_NAMES: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _Record,
    ("numpy._core.multiarray", "_reconstruct"): _Record,
    ("numpy", "ndarray"): _NdarrayType,
    ("numpy", "dtype"): _Record,
    ("_codecs", "encode"): _latin1,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise AlphabarError(f"it refers to '{module}.{name}', which a data file does not need")
        return _NAMES[module, name]


def unpickle(data: bytes) -> dict[str, Any]:
    """The pickled dictionary, with str keys and integer ndarrays; raises AlphabarError with the reason if unsafe."""
    try:
        loaded = _Unpickler(io.BytesIO(data), encoding="bytes").load()
        return {_text(key): value.array() if isinstance(value, _Record) else value for key, value in loaded.items()}
    except AlphabarError:
        raise
    except Exception as error:  # a malformed pickle raises almost anything
        raise AlphabarError(f"it is not a dictionary of numbers ({str(error) or type(error).__name__})") from error


def _text(name: object) -> str:
    return name.decode("latin1") if isinstance(name, bytes) else str(name)
