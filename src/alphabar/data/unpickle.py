"""Reads the pickles of CIFAR-10 without trusting them: lists, numbers, bytes and integer arrays, nothing else.

Python's unpickler is not used: it calls what a file names, and takes memory that a file merely claims. `_Machine` knows
the few operations that these files need. Names are looked up only in the table `_NAMES`, whose entries merely record
their arguments, so no code but this module's runs, not even NumPy's.
"""

import pickletools
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

    def number_type(self) -> np.dtype[Any]:
        name = _text(self.arguments[0])
        if not _NUMBERS.fullmatch(name):
            raise ValueError(f"an array of '{name:.20}'")
        return np.dtype(name)

    def array(self) -> npt.NDArray[Any]:
        """A view of the bytes that the file holds."""
        _, shape, kind, column_major, values = self.state  # the tuple that ndarray.__reduce__ returns
        return np.frombuffer(values, kind.number_type()).reshape(shape, order="F" if column_major else "C")


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

_MOST_OPERATIONS = 2_000_000  # a batch of 10,000 images has 60,000
_MARK = object()
_NOTHING = frozenset({"PROTO", "FRAME"})
_VALUES = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "UNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "SHORT_BINBYTES",
        "BINBYTES",
        "FLOAT",
        "BINFLOAT",
    ]
)
_BYTE_STRINGS = frozenset({"STRING", "BINSTRING", "SHORT_BINSTRING"})  # Python 2's
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_FRESH: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})


class _Machine:
    """The stack and the memo of a pickle while it is read."""

    def __init__(self, size: int) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.room = 4 * size  # bytes that `_latin1` may make

    def step(self, name: str, argument: Any) -> None:
        """One operation; ValueError, IndexError, KeyError or TypeError if it makes no sense."""
        stack = self.stack
        if name in _VALUES:
            stack.append(argument)
        elif name in _BYTE_STRINGS:
            stack.append(argument.encode("latin1"))
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _FRESH:
            stack.append(_FRESH[name]())
        elif name in _SHORT_TUPLES:
            stack[-_SHORT_TUPLES[name] :] = [tuple(stack[-_SHORT_TUPLES[name] :])]
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "TUPLE":
            stack.append(tuple(self._marked()))
        elif name == "LIST":
            stack.append(self._marked())
        elif name == "DICT":
            stack.append(_pairs(self._marked()))
        elif name == "APPEND":
            _of_type(list, stack[-2]).append(stack.pop())
        elif name == "APPENDS":
            items = self._marked()
            _of_type(list, stack[-1]).extend(items)
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            _of_type(dict, stack[-1]).update(_pairs([key, value]))
        elif name == "SETITEMS":
            items = self._marked()
            _of_type(dict, stack[-1]).update(_pairs(items))
        elif name in _PUTS:
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in _GETS:
            stack.append(self.memo[argument])
        elif name == "GLOBAL":
            stack.append(_named(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(_named(module, attribute))
        elif name == "REDUCE":
            self._reduce()
        elif name == "BUILD":
            state = stack.pop()
            _of_type(_Record, stack[-1]).state = state
        elif name not in _NOTHING:
            raise AlphabarError(f"it has the operation {name}, which a data file does not need")

    def _marked(self) -> list[Any]:
        """Everything above the last mark, taken from the stack."""
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("it has no mark")
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def _reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if function is _latin1:
            self.room -= len(arguments[0])
            if self.room < 0:
                raise ValueError("it makes more bytes than it has")
        elif function is not _Record:
            raise ValueError("it calls what is no function")
        self.stack.append(function(*_of_type(tuple, arguments)))


def unpickle(data: bytes) -> dict[str, Any]:
    """The pickled dictionary, with str keys and integer ndarrays; raises AlphabarError with the reason if unsafe."""
    machine = _Machine(len(data))
    try:
        for count, (operation, argument, _) in enumerate(pickletools.genops(data)):
            if count > _MOST_OPERATIONS:
                raise ValueError(f"it has more than {_MOST_OPERATIONS:,} operations")
            if operation.name != "STOP":
                machine.step(operation.name, argument)
        loaded = _of_type(dict, machine.stack.pop())
        return {_text(key): value.array() if isinstance(value, _Record) else value for key, value in loaded.items()}
    except AlphabarError:
        raise
    except Exception as error:  # a malformed pickle raises almost anything
        raise AlphabarError(
            f"it is not a dictionary of numbers ({str(error)[:100] or type(error).__name__})"
        ) from error


def _named(module: object, name: object) -> Callable[..., Any]:
    if not isinstance(module, str) or not isinstance(name, str) or (module, name) not in _NAMES:
        raise AlphabarError(f"it refers to '{module!s:.60}.{name!s:.60}', which a data file does not need")
    return _NAMES[module, name]


def _of_type(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(f"it uses a {type(value).__name__} as a {kind.__name__}")
    return value


def _pairs(items: list[Any]) -> dict[bytes | str, Any]:
    if len(items) % 2 or not all(isinstance(key, bytes | str) for key in items[::2]):
        raise ValueError("a key is not a name")
    return dict(zip(items[::2], items[1::2], strict=True))


def _text(name: object) -> str:
    return name.decode("latin1") if isinstance(name, bytes) else str(name)
