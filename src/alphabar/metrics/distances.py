"""Euclidean distances between the features of two sets of images, in float64, one block of each set at a time."""

import torch
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.metrics.features import Rows
from alphabar.terminal.progress import progress

BLOCK = 1000
"""Rows per block. No intermediate array is larger than BLOCK × BLOCK or BLOCK × k × D."""

ROUNDING = 1e-12
"""A bound on the rounding error of |x − y|² of two centred rows, relative to |x|² + |y|²; it holds up to D = 2048."""


def nearest(queries: Rows, among: Rows, k: int, same: bool = False) -> tuple[Tensor, Tensor]:
    """The k nearest neighbours of each of N queries: ascending distances (N, k) and positions in `among` (N, k).

    same: whether `queries` and `among` are the same set. Then an image is not its own neighbour, but an identical copy
        of it is one, at a distance of exactly 0.
    """
    if len(among) < k + same:
        raise AlphabarError(f"There are {len(among)} images; to find {k} neighbours takes {k + same}.")
    middle = middle_of(among)
    distances, positions = [], []
    with progress("nearest neighbours", len(queries) * len(among)) as advance:
        for row in range(0, len(queries), BLOCK):
            x = queries.part(row, row + BLOCK).load().double()
            best, where = x.new_full((len(x), k), torch.inf), torch.zeros(len(x), k, dtype=torch.int64, device=x.device)
            for column in range(0, len(among), BLOCK):
                y = among.part(column, column + BLOCK).load().double()
                distance, position = _closest(x, y, middle, k, row - column if same else None)
                best, order = torch.cat([best, distance], 1).sort(stable=True)
                best, where = best[:, :k], torch.cat([where, position + column], 1).gather(1, order[:, :k])
                advance(len(x) * len(y))
            distances.append(best)
            positions.append(where)
    return torch.cat(distances), torch.cat(positions)


def middle_of(rows: Rows) -> Tensor:
    """The mean (D,) of the first block. Subtracting it makes squared lengths small, so less is lost to cancellation."""
    return rows.part(0, BLOCK).load().double().mean(0)


def squared(x: Tensor, y: Tensor, middle: Tensor) -> tuple[Tensor, Tensor]:
    """|x_i − y_j|² (N, M), which may be negative by rounding, and a bound (N, M) on the rounding error."""
    x, y = x - middle, y - middle
    lengths = (x**2).sum(1)[:, None] + (y**2).sum(1)
    return torch.addmm(lengths, x, y.T, alpha=-2), ROUNDING * lengths


def _closest(x: Tensor, y: Tensor, middle: Tensor, k: int, offset: int | None) -> tuple[Tensor, Tensor]:
    """Distances and positions of the k rows of y (all, if y has fewer) that are nearest to each row of x.

    Neighbours are selected by the fast product formula; their distances are then computed from differences.

    offset: row i of x is the same image as row i + offset of y, which is excluded; None if the sets differ.
    """
    squares, _ = squared(x, y, middle)
    itself = torch.zeros_like(squares, dtype=torch.bool)
    if offset is not None:
        itself = torch.arange(len(x), device=x.device)[:, None] + offset == torch.arange(len(y), device=x.device)
    position = squares.masked_fill(itself, torch.inf).topk(min(k, len(y)), largest=False).indices
    distance = torch.linalg.vector_norm(x[:, None] - y[position], dim=2)
    return distance.masked_fill(itself.gather(1, position), torch.inf), position
