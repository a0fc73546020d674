"""A copy of a run's tensors in the memory of the host, in the same place each time."""

from collections.abc import Mapping

import torch
from torch import Tensor

Files = Mapping[str, Mapping[str, Tensor]]
"""Tensors by the name of their file, and by their own."""


class HostCopy:
    """Copies of tensors on the CPU, with their strides. New memory is slow to fill, so that it is kept.

    From a GPU they are copied in the order of its work, and nothing waits for that before `finish`.
    """

    def __init__(self) -> None:
        self._copies: dict[str, dict[str, Tensor]] = {}
        self._copied: torch.cuda.Event | None = None

    def prepare(self, files: Files) -> None:
        """Take the memory, and touch it."""
        for name, tensors in files.items():
            for key, tensor in tensors.items():
                self._home(name, key, tensor).zero_()

    def of(self, files: Files) -> Files:
        """The copies of these tensors, which stay what they are until the next call. Call `finish` to read them."""
        for name, tensors in files.items():
            for key, tensor in tensors.items():
                self._home(name, key, tensor).copy_(tensor.detach(), non_blocking=True)
        if any(tensor.is_cuda for tensors in files.values() for tensor in tensors.values()):
            self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._copied.record()
        return {name: {key: self._copies[name][key] for key in tensors} for name, tensors in files.items()}

    def finish(self) -> None:
        """Wait until the copies are whole."""
        if self._copied is not None:
            self._copied.synchronize()

    def _home(self, name: str, key: str, tensor: Tensor) -> Tensor:
        copies = self._copies.setdefault(name, {})
        home = copies.get(key)
        if home is None or (home.shape, home.dtype, home.stride()) != (tensor.shape, tensor.dtype, tensor.stride()):
            home = torch.empty_strided(
                tensor.shape, tensor.stride(), dtype=tensor.dtype, pin_memory=tensor.device.type == "cuda"
            )
            copies[key] = home
        return home
