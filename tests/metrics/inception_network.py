"""The Inception graph with the weights of inception_case.py."""

import inception_case as case
import numpy as np
import torch

from alphabar.metrics.inception import Inception


def case_network() -> Inception:
    network = Inception()
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    lengths = case.running(shapes)
    with np.load(case.FIXTURE) as fixture:
        parts = torch.from_numpy(fixture["running"]).split(list(lengths.values()))
    given = {key: torch.from_numpy(value) for key, value in case.weights(shapes).items()}
    given |= dict(zip(lengths, parts, strict=True))
    missing, unexpected = network.load_state_dict(given, strict=False)
    assert not unexpected and all(key.endswith("num_batches_tracked") for key in missing)
    return network
