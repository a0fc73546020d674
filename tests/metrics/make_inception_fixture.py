"""Writes inception_fixture.npz: what torch-fidelity's Inception and resizing say of the cases in inception_case.py.

In an environment of its own, where torchvision loads beside a CPU-only torch thanks to the two `lib.define` below:

    python -m venv /tmp/oracle && /tmp/oracle/bin/pip install torch==2.13.0 numpy scipy pillow tqdm
    /tmp/oracle/bin/pip install --no-deps torchvision==0.28.0 torch-fidelity==0.4.0
    /tmp/oracle/bin/python tests/metrics/make_inception_fixture.py

A network as it is initialised tells all images alike, and then agreement would say nothing. So the weights are He's and
the batch norms' statistics those of a batch of images, measured in torch-fidelity's own graph; they are in the fixture.
"""

import tempfile
from pathlib import Path

import inception_case as case
import numpy as np
import torch

lib = torch.library.Library("torchvision", "DEF")
lib.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
lib.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3  # noqa: E402
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x  # noqa: E402


class Peer(FeatureExtractorInceptionV3):
    """Takes the weights of the case, whatever its constructor reads from its file."""

    def load_state_dict(self, state_dict, **options):
        shapes = {key: tuple(value.shape) for key, value in self.state_dict().items()}
        made = {key: torch.from_numpy(value) for key, value in case.weights(shapes).items()}
        return super().load_state_dict(made, strict=False)


def calibrated() -> Peer:
    """With the running statistics of one batch of images."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.pth"
        torch.save({}, path)
        peer = Peer("case", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(path))
    for module in peer.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    peer.train()
    peer(torch.from_numpy(case.images(16, (32, 32), seed=0)))
    return peer.eval()


@torch.no_grad()
def main() -> None:
    torch.set_num_threads(1)
    made = {}
    for k, (source, target) in enumerate(case.RESIZES):
        x = torch.from_numpy(case.pixels(source))
        made[f"resize_{k}"] = interpolate_bilinear_2d_like_tensorflow1x(x, target, align_corners=False).numpy()
    peer = calibrated()
    state = peer.state_dict()
    names = case.running({key: tuple(value.shape) for key, value in state.items()})
    made["running"] = np.concatenate([state[key].numpy() for key in names])
    for name, size in case.SIZES.items():
        features, logits = peer(torch.from_numpy(case.images(case.COUNT, size, seed=0)))
        made |= {f"{name}_features": features.numpy(), f"{name}_logits": logits.numpy()}
    np.savez_compressed(case.FIXTURE, **made)
    print(f"{case.FIXTURE}: {case.FIXTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
