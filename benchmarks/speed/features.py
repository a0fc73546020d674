"""Features of images by the extractors of `alphabar evaluate`."""

import torch
from benchmarks.speed.made import Made
from benchmarks.speed.workload import Workload

from alphabar.metrics.extractor import EXTRACTORS


def ours(work: Workload, device: torch.device) -> Made:
    extractor = EXTRACTORS[work.option](None, device)
    images = torch.randint(0, 256, (work.batch, *work.shape), dtype=torch.uint8, device=device)
    return Made(lambda: extractor(images), 0, steps=work.batch)
