"""Writes parity.json: what torch-fidelity and torchmetrics say of the features in parity_inputs.py.

In an environment of its own, where torchvision loads beside a CPU-only torch thanks to the two `lib.define` below:

    python -m venv /tmp/oracle && /tmp/oracle/bin/pip install torch==2.13.0 numpy scipy pillow tqdm lightning-utilities
    /tmp/oracle/bin/pip install --no-deps torchvision==0.28.0 torch-fidelity==0.4.0 torchmetrics==1.9.0
    /tmp/oracle/bin/python tests/metrics/make_parity_fixtures.py

The peers are given the features in float64. KID is asked for as one subset of all images: with the published settings,
100 random subsets of 1000, it is another estimate of the same distance. It takes equal numbers of images.
"""

import json
from pathlib import Path

import torch
from parity_inputs import CASES, D, logits, vectors

lib = torch.library.Library("torchvision", "DEF")
lib.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
lib.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import torch_fidelity  # noqa: E402
import torchmetrics  # noqa: E402
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric  # noqa: E402
from torch_fidelity.metric_isc import isc_features_to_metric  # noqa: E402
from torch_fidelity.metric_kid import kid_features_to_metric  # noqa: E402
from torch_fidelity.metric_prc import prc_features_to_metric  # noqa: E402
from torchmetrics.image.fid import FrechetInceptionDistance  # noqa: E402
from torchmetrics.image.kid import KernelInceptionDistance  # noqa: E402


class Given(torch.nn.Module):
    """An "extractor" for images that are features already."""

    num_features = D

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def torch_fidelity_of(real: torch.Tensor, fake: torch.Tensor, scores: torch.Tensor) -> dict[str, float]:
    statistics = [fid_features_to_statistics(features) for features in (fake, real)]
    found = {"fd": fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]}
    if len(real) == len(fake):
        settings = {"kid_subsets": 1, "kid_subset_size": len(real), "verbose": False}
        found["kid"] = kid_features_to_metric(fake, real, **settings)["kernel_inception_distance_mean"]
    score = isc_features_to_metric(scores, splits=10, shuffle=False)
    shares = prc_features_to_metric(fake, real, prc_neighborhood=3, save_cpu_ram=False, verbose=False)
    return found | {
        "score": score["inception_score_mean"],
        "score_std": score["inception_score_std"],
        "precision": shares["precision"],
        "recall": shares["recall"],
    }


def torchmetrics_of(real: torch.Tensor, fake: torch.Tensor) -> dict[str, float]:
    metrics = {"fd": FrechetInceptionDistance(feature=Given())}
    if len(real) == len(fake):
        metrics["kid"] = KernelInceptionDistance(feature=Given(), subsets=1, subset_size=len(real))
    found = {}
    for name, metric in metrics.items():
        metric.set_dtype(torch.float64)
        metric.update(real, real=True)
        metric.update(fake, real=False)
        value = metric.compute()
        found[name] = float(value[0] if isinstance(value, tuple) else value)
    return found


if __name__ == "__main__":
    fixtures = {"torch-fidelity": {}, "torchmetrics": {}}
    for case in CASES:
        real, fake = (torch.from_numpy(x).double() for x in vectors(case))
        scores = torch.from_numpy(logits(case))
        fixtures["torch-fidelity"][case] = torch_fidelity_of(real, fake, scores)
        fixtures["torchmetrics"][case] = torchmetrics_of(real, fake)
    fixtures["versions"] = {module.__name__: module.__version__ for module in (torch_fidelity, torchmetrics)}
    Path(__file__).with_name("parity.json").write_text(json.dumps(fixtures, indent=1) + "\n")
