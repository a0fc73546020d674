"""The kernel distance (KID): the squared MMD of real and generated features (Bińkowski et al. 2018)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from alphabar.metrics.checks import comparable
from alphabar.metrics.estimate import Estimate
from alphabar.metrics.features import Features, Rows
from alphabar.metrics.jackknife import GROUPS, jackknife
from alphabar.terminal.progress import progress

LEAST = 3  # the jackknife leaves one image out, and a pair needs two


def kid(real: Features, fake: Features) -> dict[str, Estimate]:
    """`kid`: the unbiased MMD² of all images at once, not of subsets. It may be negative.

    The kernel of each pair of images is computed once and added to a sum per pair of groups. The jackknife needs only
    these sums.
    """
    real, fake = comparable(real, fake, LEAST)
    sums = _pair_sums(real, fake)
    x, y = list(range(len(sums.n))), list(range(len(sums.m)))
    whole = sums.mmd2(x, y)
    knife = jackknife(
        whole, [sums.mmd2([i for i in x if i != g], y) for g in x], [sums.mmd2(x, [i for i in y if i != g]) for g in y]
    )
    low, high = knife.interval(whole)
    more = {"standard_error": knife.standard_error, "interval_of": "the distance of the two populations"}
    return {"kid": Estimate(whole, low, high, more)}


@dataclass(frozen=True)
class PairSums:
    """For each two groups g and h, Σ k over the pairs of different images, one of each group; and the group sizes.

    xx, yy, xy (G, H): the sums within the real images, within the generated ones and between them.
    n, m: the sizes of the groups of real and of generated images.
    """

    xx: Tensor
    yy: Tensor
    xy: Tensor
    n: Tensor
    m: Tensor

    def mmd2(self, x: list[int], y: list[int]) -> float:
        """The unbiased MMD² of the groups `x` of the real images and `y` of the generated ones."""
        n, m = self.n[x].sum(), self.m[y].sum()
        xx, yy, xy = self.xx[x][:, x].sum(), self.yy[y][:, y].sum(), self.xy[x][:, y].sum()
        return float(xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m))


def _pair_sums(real: Features, fake: Features) -> PairSums:
    x, y = ([group.vectors for group in both.groups(GROUPS)] for both in (real, fake))
    n, m = [len(group) for group in x], [len(group) for group in y]
    within = sum(n[g] * sum(n[g:]) for g in range(len(n))) + sum(m[g] * sum(m[g:]) for g in range(len(m)))
    with progress("kernel distance", within + len(real) * len(fake)) as advance:
        xx, yy = _within(x, real.vectors, n, advance), _within(y, fake.vectors, m, advance)
        xy = torch.stack([_with_groups(group.load().double(), fake.vectors, m, advance) for group in x])
    return PairSums(xx, yy, xy, torch.tensor(n).double(), torch.tensor(m).double())


def _within(groups: list[Rows], rows: Rows, sizes: list[int], advance: Callable[[int], None]) -> Tensor:
    """Σ k of every pair of groups of one set (G, G), without pairs of an image with itself."""
    table = torch.zeros(len(sizes), len(sizes), dtype=torch.float64)
    for g, rows_of_group in enumerate(groups):
        group = rows_of_group.load().double()
        table[g, g:] = _with_groups(group, rows.part(sum(sizes[:g]), len(rows)), sizes[g:], advance)
        table[g, g] -= float(_k((group**2).sum(1), group.shape[1]).sum())
    return table + table.triu(1).T


def _with_groups(group: Tensor, rows: Rows, sizes: list[int], advance: Callable[[int], None]) -> Tensor:
    """Σ k of one group with each of the groups, of the given sizes, that `rows` consists of."""
    columns = []
    for block in rows.blocks():
        columns.append(_k(group @ block.double().T, group.shape[1]).sum(0))
        advance(len(group) * len(block))
    return torch.stack([part.sum() for part in torch.split(torch.cat(columns), sizes)]).cpu()


def _k(product: Tensor, dimension: int) -> Tensor:
    """The kernel k(x, y) = (x·y/d + 1)³, given the products x·y and the dimension d."""
    return (product / dimension + 1) ** 3
