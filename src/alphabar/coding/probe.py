"""Whether this machine computes a network as another one did, to the bit: the sha256 of some of its outputs."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from alphabar.diffusion import Denoiser


def probe(
    conditioned: Callable[[int], Denoiser], sizes: list[int], shape: tuple[int, ...], device: torch.device
) -> str:
    """The sha256 of the outputs for a batch of each of these sizes, at the first, a middle and the last step.

    conditioned: number of images -> the denoiser of a batch of so many. Inputs are whole numbers of 2⁻¹⁵, so no machine
    rounds them.
    """
    found = hashlib.sha256()
    for size in sizes:
        denoiser = conditioned(size)
        count = size * torch.Size(shape).numel()
        pattern = (torch.arange(count, dtype=torch.int64) * 40_503 % 65_536 - 32_768).float() / 32_768
        x = pattern.reshape(size, *shape).to(device).contiguous(memory_format=torch.channels_last)
        T = denoiser.schedule.T
        for t in sorted({1, (T + 1) // 2, T}):
            with torch.no_grad():
                output = denoiser.output(x, t)
            for part in (output.mean, output.variance):
                if part is not None:
                    found.update(part.float().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """As many threads of torch as `count`; another number adds up in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
