"""Generated images beside their nearest training images: a check that the model does not copy."""

from pathlib import Path

import torch

from alphabar import plots
from alphabar.data import ImageSet
from alphabar.evaluation.features import random_order
from alphabar.metrics import Extractor, Features, nearest

ROWS, NEIGHBOURS = 8, 7


def save_neighbours(
    path: Path, generated: ImageSet, fake: Features, reference: ImageSet, real: Features, extractor: Extractor
) -> None:
    """Left: the first images of the subject; right: those of all its images that are nearest to a reference image."""
    k = min(NEIGHBOURS, len(reference))
    distances, indices = nearest(fake.vectors, real.vectors, k)
    order, real_order = random_order(len(generated)), random_order(len(reference))
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order))
    first = back[: min(ROWS, len(order))]  # the rows of seeds 0, 1, 2 ...
    closest = distances[:, 0].cpu().argsort()[:ROWS]
    blocks = {
        "the first images": first,
        f"the {len(closest)} nearest to a reference image": closest,
    }
    plots.neighbours(
        path,
        {
            title: [(generated.images[order[row]], reference.images[real_order[indices[row].cpu()]]) for row in rows]
            for title, rows in blocks.items()
        },
        f"each generated image, then its {k} nearest reference images by {extractor.name} features",
    )
