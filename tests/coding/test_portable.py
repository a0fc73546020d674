"""A portable file is decoded by a machine that computes the network a little otherwise, or it says that it cannot."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import alphabar
from alphabar.coding import container, precision, rounding
from alphabar.errors import AlphabarError
from alphabar.networks import PRESETS, NoiseNet, UNet

pytest.importorskip("constriction", reason="needs the extra `compression`")

SETTINGS = {
    "network.channels": 8, "network.channel_mult": [1, 2], "network.attention_resolutions": [4],
    "network.class_conditional": True, "network.label_dropout": 0.2, "diffusion.steps": 50, "training.steps": 8,
    "diffusion.parameterization": "v",
    "optimizer.learning_rate": 0.01, "optimizer.warmup_steps": 0, "training.sample_every": 0,
    "training.batch_size": 4, "sampling.num": 4, "sampling.steps": 3,
}  # fmt: skip
FIXED, LEARNED = (
    {"diffusion.variance": "fixed_small"},
    {"diffusion.variance": "learned_range", "diffusion.objective": "hybrid"},
)
OTHER_MACHINE = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2_Usable,-FMA_Usable,-AVX512F_Usable",
    "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3",
    "OMP_NUM_THREADS": "2",
    "MKL_NUM_THREADS": "2",
}
"""An older processor, as far as torch, MKL, oneDNN, numpy and the C library let themselves be told."""


@pytest.fixture(scope="module", params=[FIXED, LEARNED], ids=["fixed", "learned"])
def run(request, tmp_path_factory) -> alphabar.Model:
    path = tmp_path_factory.mktemp("portable") / "run"
    alphabar.train("ddpm_digits", run=path, overrides=SETTINGS | request.param, device="cpu")
    return alphabar.load(path, weights="raw", device="cpu")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    generator, folder = np.random.default_rng(0), tmp_path / "in"
    folder.mkdir()
    for k in range(12):
        pixels = generator.integers(0, 256, (8, 8), dtype=np.uint8) if k < 10 else np.full((8, 8), 255 * (k % 2))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{k}.png")
    return folder


def same(folder: Path, others: Path) -> bool:
    names = [sorted(path.name for path in each.glob("*.png")) for each in (folder, others)]
    return names[0] == names[1] and all(
        np.array_equal(np.asarray(Image.open(folder / name)), np.asarray(Image.open(others / name)))
        for name in names[0]
    )


def test_any_number_of_threads_and_of_images_at_once_decodes(
    run: alphabar.Model, images: Path, tmp_path: Path, monkeypatch
):
    file = alphabar.compress(run, images, tmp_path / "x.abar", steps=5, portable=True).file
    monkeypatch.setattr(precision, "AT_ONCE", 3)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        alphabar.decompress(file, tmp_path / "out")
    finally:
        torch.set_num_threads(before)
    assert same(images, tmp_path / "out")


def test_the_number_of_images_at_once_makes_the_same_file(
    run: alphabar.Model, images: Path, tmp_path: Path, monkeypatch
):
    made = []
    for count in (1, 5):
        monkeypatch.setattr(precision, "AT_ONCE", count)
        made.append(alphabar.compress(run, images, tmp_path / f"{count}.abar", steps=5, portable=True).file)
    assert made[0].read_bytes() == made[1].read_bytes()


def off_by(share: float) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """A network that is off by this share of its output, up or down, as another machine's is."""

    def wrapped(network: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def other(x: Tensor, time: Tensor, **labels: Tensor) -> Tensor:
            output = network(x, time, **labels)
            sign = torch.randint(0, 2, output.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
            return output * (1 + share * sign)

        return other

    return wrapped


def test_a_network_that_is_off_by_1e_10_decodes(run: alphabar.Model, images: Path, tmp_path: Path, monkeypatch) -> None:
    file = alphabar.compress(run, images, tmp_path / "x.abar", steps=5, portable=True).file
    monkeypatch.setattr(precision, "_in_parts", off_by(1e-10))
    alphabar.decompress(file, tmp_path / "out")
    assert same(images, tmp_path / "out")


@pytest.mark.heavy
def test_a_network_that_is_off_by_more_is_refused_or_changes_no_rounding(
    run: alphabar.Model, images: Path, tmp_path: Path, monkeypatch
) -> None:
    """Of 31,000 roundings 1e-5 changes about one, and 1e-3 a hundred; whatever is not refused is right."""
    file = alphabar.compress(run, images, tmp_path / "x.abar", steps=20, portable=True).file
    monkeypatch.setattr(precision, "_in_parts", off_by(1e-5))
    with suppress(AlphabarError):
        alphabar.decompress(file, tmp_path / "perhaps")
        assert same(images, tmp_path / "perhaps")
    monkeypatch.setattr(precision, "_in_parts", off_by(1e-3))
    with pytest.raises(AlphabarError, match="computes the network otherwise"):
        alphabar.decompress(file, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.png"))


def test_what_was_nearly_a_tie_is_listed_and_decodes_where_it_is_rounded_otherwise(
    run: alphabar.Model, images: Path, tmp_path: Path, monkeypatch
) -> None:
    """With a margin so wide that there are many, an error that big decodes with the list, and not without it."""
    monkeypatch.setattr(rounding, "MARGIN", 1e-2)
    file = alphabar.compress(run, images, tmp_path / "x.abar", steps=5, portable=True).file
    header, words = container.unpacked(file.read_bytes(), "x")
    assert len(header.ties) > 20
    monkeypatch.setattr(precision, "_in_parts", off_by(1e-5))
    monkeypatch.setattr("alphabar.coding.chain.Chain.digest", lambda self, shape: header.probe)
    alphabar.decompress(file, tmp_path / "out")
    assert same(images, tmp_path / "out")
    file.write_bytes(container.packed(header.model_copy(update={"ties": []}), words))
    with pytest.raises(AlphabarError, match="cannot be decoded here"):
        alphabar.decompress(file, tmp_path / "other")


def test_a_list_of_places_that_there_are_not_is_refused(run: alphabar.Model, images: Path, tmp_path: Path) -> None:
    file = alphabar.compress(run, images, tmp_path / "x.abar", steps=5, portable=True).file
    header, words = container.unpacked(file.read_bytes(), "x")
    file.write_bytes(container.packed(header.model_copy(update={"ties": [(0, 3, 1 << 39)]}), words))
    with pytest.raises(AlphabarError, match="cannot be decoded here"):
        alphabar.decompress(file, tmp_path / "out")


@pytest.mark.heavy
def test_another_processor_decodes(run: alphabar.Model, images: Path, tmp_path: Path) -> None:
    file = alphabar.compress(run, images, tmp_path / "x.abar", steps=5, portable=True).file
    script = (
        "import sys, torch, alphabar; from alphabar.coding import precision; torch.set_num_threads(2);"
        "precision.AT_ONCE = 5; torch.backends.mkldnn.enabled = False;"
        "assert torch.backends.cpu.get_cpu_capability() == 'DEFAULT'; alphabar.decompress(*sys.argv[1:])"
    )
    there = [sys.executable, "-c", script, str(file), str(tmp_path / "out")]
    subprocess.run(there, env=os.environ | OTHER_MACHINE, check=True)
    assert same(images, tmp_path / "out")


class Types(TorchDispatchMode):
    """The floating-point types that operations gave."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple | list) else (result,):
            if isinstance(each, Tensor) and each.is_floating_point():
                self.dtypes.add(each.dtype)
        return result


SMALL = {
    "image_size": (8, 8), "in_channels": 1, "out_channels": 2, "channels": 64, "channel_mult": (1, 1), "num_blocks": 1,
    "attention_resolutions": (4,), "num_classes": 3,
}  # fmt: skip


@pytest.mark.parametrize("make", [*(partial(UNet, style=style) for style in PRESETS.values()), NoiseNet])
def test_everything_in_a_float64_network_is_float64(make: Callable[..., nn.Module]) -> None:
    """exp, sin and cos of float32 differ between machines, so one of them would spoil the rest."""
    network = make(**SMALL).eval().double()
    with torch.no_grad(), Types() as seen:
        network(torch.zeros(2, 1, 8, 8, dtype=torch.float64), torch.tensor([3, 4]), y=torch.tensor([0, 1]))
    assert seen.dtypes == {torch.float64}
