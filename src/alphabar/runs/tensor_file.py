"""A file of tensors in a checkpoint, verified and compared with what it must fit, and what may be wrong with it."""

import contextlib
import errno
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.runs.naming import step_of, steps

FLOATS = ("F16", "BF16", "F32", "F64")
WHOLE = ("I64",)
"""The types of weights and of counts, as safetensors calls them."""
_HEADER = 1 << 23  # bytes; no list of tensors of ours is longer


class Vanished(AlphabarError):
    """A checkpoint was there and is gone: the training that wrote it has newer ones."""


class CorruptError(AlphabarError):
    """A checkpoint is not what was written: `path`, and `why`."""

    def __init__(self, path: Path, why: str) -> None:
        older = [other for other in steps(path.parent) if step_of(other) < step_of(path)]
        remedy = (
            f"name an older one with --step {step_of(older[-1])}, or resume the training, which looks for the newest "
            "good one" if older else "there is no older one"
        )  # fmt: skip
        super().__init__(f"The checkpoint {path} is corrupt ({why}); {remedy}.")
        self.path, self.why = path, why


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns an OSError on the way into the sentence for it. A file that cannot be read is not corrupt."""
    try:
        yield
    except FileNotFoundError as error:
        if not path.is_dir():
            raise Vanished(f"The checkpoint {path} is gone.") from None
        raise CorruptError(path, f"{Path(error.filename or path).name} is missing") from None
    except OSError as error:
        if error.errno == errno.EINVAL:  # a device, a pipe or a folder in place of a file
            raise CorruptError(path, error.strerror or str(error)) from None
        raise AlphabarError(f"The checkpoint {path} cannot be read: {error.strerror or error}.") from None


@dataclass(frozen=True)
class TensorFile:
    """A file of tensors in a checkpoint, open."""

    path: Path
    """The checkpoint."""
    name: str
    sha256: str
    """What the manifest says."""
    handle: BufferedReader

    @property
    def _place(self) -> Path:
        """A path that leads to the open file, whatever becomes of its name; its name on a system without such paths."""
        place = Path(f"/dev/fd/{self.handle.fileno()}")
        return place if place.exists() else self.path / f"{self.name}.safetensors"

    def tensors(self) -> dict[str, Tensor]:
        """The tensors, on the CPU; AlphabarError if they are not what was written."""
        path, file = self.path, f"{self.name}.safetensors"
        with reading(path), self._valid():
            self.handle.seek(0)
            if hashlib.file_digest(self.handle, "sha256").hexdigest() != self.sha256:
                raise CorruptError(path, f"{file} is not what was written")
            return load_file(self._place)

    def header(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """The type and the shape of each tensor; no tensor is read for it."""
        with reading(self.path), self._valid():
            self.handle.seek(0)
            if (size := int.from_bytes(self.handle.read(8), "little")) > _HEADER:
                raise SafetensorError(f"it claims a header of {size:,} bytes")
            with safe_open(self._place, "pt") as content:
                slices = {key: content.get_slice(key) for key in content.keys()}  # noqa: SIM118 - no mapping
                return {key: (part.get_dtype(), tuple(part.get_shape())) for key, part in slices.items()}

    def fitting(self, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors, which must be finite and have the names, shapes and kinds of `like`.

        The sizes are compared before a tensor is read. AlphabarError if they do not fit.
        """
        name, path = self.name, self.path
        header, shapes = self.header(), {key: tuple(tensor.shape) for key, tensor in like.items()}
        for key in [*shapes, *header]:
            kind, shape = header.get(key, ("", None))
            if shape != shapes.get(key):
                have, need = (list(size) if size is not None else "none" for size in (shape, shapes.get(key)))
                raise AlphabarError(
                    f"The weights '{name}' in {path} do not fit its own config: {key} is {have}, not {need}."
                )
            kinds = FLOATS if like[key].is_floating_point() else WHOLE
            if kind not in kinds:
                raise AlphabarError(f"'{key}' of {name} in {path} is of type {kind}; it must be {' or '.join(kinds)}.")
        tensors = self.tensors()
        if wrong := [key for key, tensor in tensors.items() if not bool(tensor.isfinite().all())]:
            raise AlphabarError(
                f"'{wrong[0]}' of {name} in {path} is not finite, so the training had diverged; choose an earlier "
                "checkpoint with --step."
            )
        return tensors

    @contextlib.contextmanager
    def _valid(self) -> Iterator[None]:
        try:
            yield
        except SafetensorError as error:
            why = repr(str(error))[1:-1]  # it may repeat what the file says
            raise CorruptError(self.path, f"{self.name}.safetensors: {why:.200}") from None
