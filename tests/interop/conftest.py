"""A model of another program, and pictures to train it on."""

from pathlib import Path

import numpy as np
import pytest
from diffusers_cases import HO, randomized
from PIL import Image

from alphabar import build, interop
from alphabar.interop import Portable, diffusers_scheduler, diffusers_unet
from alphabar.interop.portable import facts, settled

NARROW = {"block_out_channels": [16, 16, 32, 32], "norm_num_groups": 8, "layers_per_block": 1}


@pytest.fixture(scope="session")
def theirs(tmp_path_factory) -> Path:
    """A folder in the layout of google/ddpm-cifar10-32, narrow, with random weights."""
    network, _ = diffusers_unet.read(HO | NARROW, {}, "it")
    process, _ = diffusers_scheduler.read({"num_train_timesteps": 50, "variance_type": "fixed_large"}, False, "it")
    config = settled(network | process | {"training": {"steps": 1}}, {})
    images = facts(config, 3, 0, "it")
    weights = randomized(build.network(config, images)).state_dict()
    folder = tmp_path_factory.mktemp("theirs") / "ddpm-cifar10-32"
    interop.TARGETS["diffusers"](Portable(config, images, weights), folder)
    card = "---\nlicense: apache-2.0\n---\n# A model\n"
    (folder / "README.md").write_text(card)
    return folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    """Twelve pictures of its size."""
    folder, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for k in range(12):
        Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).save(folder / f"{k}.png")
    return folder
