"""Whether the mirror images of pictures could be pictures of the set too, by nearest neighbours among thumbnails."""

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

_LEAST = 200  # pictures whose comparison is no tie; fewer are no evidence
_EVEN = 0.45  # 0.5 if mirroring changes nothing; Fashion-MNIST has 0.22, digits 0.03
_EVEN_IN_CLASS = 0.35  # a class has few pictures, so its share varies more
_LEAST_IN_CLASS = 50
_FAR = np.finfo(np.float32).max  # a distance that is none
_BLOCK = 256  # rows of the matrix of distances at a time


def are_alike(thumbnails: Pixels, classes: npt.NDArray[np.int64] | None) -> bool:
    """Whether mirrored pictures are as near to the other pictures of their class as the pictures themselves are.

    thumbnails: uint8 (n, H, W, C) with even H and W; classes: (n,), or None. False without enough evidence: at least
    200 pictures, and no class of 50 or more that is clearly different when mirrored.
    """
    nearer = _is_nearer_mirrored(thumbnails, classes)
    counts = ~np.isnan(nearer)
    if counts.sum() < _LEAST or np.mean(nearer[counts]) < _EVEN:
        return False
    if classes is None:
        return True
    for label in np.unique(classes[counts]):
        of_class = nearer[counts & (classes == label)]
        if len(of_class) >= _LEAST_IN_CLASS and np.mean(of_class) < _EVEN_IN_CLASS:
            return False
    return True


def _is_nearer_mirrored(thumbnails: Pixels, classes: npt.NDArray[np.int64] | None) -> npt.NDArray[np.float32]:
    """(n,): 1 if the mirrored picture is nearer to another of its class than the picture, 0 if not, NaN for a tie.

    A picture is not compared with itself, mirrored or not: it would be its own neighbour if it is symmetric.
    """
    count, height, width, channels = thumbnails.shape
    halved = thumbnails.reshape(count, height // 2, 2, width // 2, 2, channels).mean((2, 4), dtype=np.float32)
    plain, mirrored = halved.reshape(count, -1), halved[:, :, ::-1].reshape(count, -1)
    squares = (plain**2).sum(1)
    nearer = np.full(count, np.nan, np.float32)
    for start in range(0, count, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, count))
        excluded = rows[:, None] == np.arange(count)
        if classes is not None:
            excluded |= classes[rows, None] != classes
        of_plain, of_mirrored = (
            np.where(excluded, _FAR, squares - 2 * queries[rows] @ plain.T).min(1) for queries in (plain, mirrored)
        )
        # |q|² is left out: a picture and its mirror image have the same. The slack is that of float32.
        differs = np.abs(of_plain - of_mirrored) > 1e-5 * (1 + squares[rows])
        nearer[rows[differs]] = of_mirrored[differs] < of_plain[differs]
    return nearer
