"""A checkpoint that is damaged anywhere is noticed, and the one before it used; what is read is what was written."""

import random
import shutil
from pathlib import Path

import pytest
import torch

from alphabar.runs import checkpoint

FILES = ("network.safetensors", "ema-0.9.safetensors", "state.json", "manifest.json")
TENSORS = {name: {"w": torch.arange(64.0).reshape(8, 8), "b": torch.ones(3)} for name in ("network", "ema-0.9")}


def damaged(raw: bytes, chance: random.Random) -> bytes:
    """Bits flipped, an end cut off, a part zeroed, repeated, taken out, or replaced by another."""
    at, end = sorted(chance.sample(range(len(raw) + 1), 2))
    bit = bytes([raw[at] ^ 1 << chance.randrange(8)]) if at < len(raw) else b""
    return chance.choice([
        raw[:at] + bit + raw[at + 1 :],
        raw[:at],
        raw[:at] + bytes(end - at) + raw[end:],
        raw[:end] + raw[at:],
        raw[:at] + raw[end:],
        raw[:at] + chance.randbytes(end - at) + raw[end:],
        b"",
        raw + b"\0",
    ])  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "checkpoints"
    for step in (1, 2):
        checkpoint.save(folder, step, TENSORS, {"step": step, "seconds": 1.5})
    return folder


@pytest.mark.parametrize("seed", range(5))
def test_row_04_a_hundred_damages_are_noticed_or_harmless(whole: Path, tmp_path: Path, seed: int) -> None:
    """500 of 500 with the five seeds; a file in three hundredths of them is missing."""
    chance, said, fell_back = random.Random(seed), list[str](), 0
    for k in range(100):
        folder = shutil.copytree(whole, tmp_path / str(k))
        path = folder / "step-00000002" / chance.choice(FILES)
        raw = path.read_bytes()
        path.unlink()
        if k % 33:
            path.write_bytes(damaged(raw, chance))
        found = checkpoint.newest_good(folder, said.append)
        assert found is not None
        read = {name: found.tensors(name) for name in TENSORS}
        assert all(torch.equal(read[name][key], t) for name, group in TENSORS.items() for key, t in group.items())
        assert found.state == {"step": found.state["step"], "seconds": 1.5}
        if found.path.name == "step-00000001":
            fell_back += 1
            assert (folder / "corrupt-step-00000002").is_dir()
            assert said[-1].endswith("is called corrupt-step-00000002 now; step-00000001 is used")
        else:
            assert path.name == "manifest.json" or path.read_bytes() == raw  # a repeated entry says the same
    assert fell_back > 90 and len(said) == fell_back
