"""A checkpoint is whole or not there, and what is not what was written is refused."""

import shutil
from pathlib import Path

import pytest
import torch

from alphabar.errors import AlphabarError
from alphabar.runs import checkpoint

TENSORS = {"network": {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3)}, "other": {"c": torch.zeros(0, 2)}}


def write(folder: Path, step: int = 7) -> Path:
    return checkpoint.save(folder, step, TENSORS, {"step": step, "note": "ü"})


def test_what_is_saved_is_what_is_read(tmp_path: Path) -> None:
    write(tmp_path)
    found = checkpoint.latest(tmp_path)
    assert found is not None and found.state == {"step": 7, "note": "ü"} and found.names() == ["network", "other"]
    for name, group in TENSORS.items():
        read = found.tensors(name)
        assert read.keys() == group.keys() and all(torch.equal(read[key], group[key]) for key in group)


def test_channels_last_weights_keep_their_values(tmp_path: Path) -> None:
    weight = torch.randn(4, 3, 3, 3).contiguous(memory_format=torch.channels_last)
    found = checkpoint.read(checkpoint.save(tmp_path, 1, {"w": {"w": weight}}, {"step": 1}))
    assert torch.equal(found.tensors("w")["w"], weight)


def test_the_newest_is_found_and_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert checkpoint.latest(tmp_path / "nothing") is None
    for step in (3, 20, 100, 99_999_999, 100_000_000):  # the last has a digit more than the others' names
        write(tmp_path, step)
        found = checkpoint.latest(tmp_path)
        assert found is not None and found.state["step"] == step


@pytest.mark.parametrize("name", ["network.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "remove"])
def test_any_damage_is_refused_in_a_sentence_that_names_the_remedy(tmp_path: Path, name: str, damage: str) -> None:
    write(tmp_path, 3)
    path = write(tmp_path) / name
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    elif damage == "truncate":
        content = content[: len(content) // 2]
    path.unlink() if damage == "remove" else path.write_bytes(b"" if damage == "empty" else bytes(content))
    with pytest.raises(
        AlphabarError, match=r"step-00000007 is corrupt .*; name an older one with --step 3, or resume the training"
    ):
        checkpoint.read(path.parent).verify()


def test_a_full_disk_leaves_no_trace_and_the_earlier_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 3)

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(AlphabarError, match="No space left on device; earlier ones"):
        patch.setattr(checkpoint, "_sync", full)
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000003"]


def test_pruning_keeps_the_newest_and_clears_what_killed_runs_left(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        write(tmp_path, step)
    shutil.copytree(tmp_path / "step-00000001", tmp_path / ".tmp-step-00000009-1")
    shutil.copytree(tmp_path / "step-00000001", tmp_path / ".trash-step-00000009")
    checkpoint.prune(tmp_path, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000003", "step-00000004"]


def test_missing_tensors_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(AlphabarError, match=r"manifest.json does not list ema-0\.5"):
        checkpoint.read(write(tmp_path)).tensors("ema-0.5")


@pytest.mark.parametrize("step", ["/../../../elsewhere", 8, -7, 7.5, True, None])
def test_a_state_that_does_not_state_the_step_of_its_folder_is_refused(tmp_path: Path, step: object) -> None:
    """Output folders are named after the step: a forged one must not lead elsewhere."""
    path = checkpoint.save(tmp_path, 7, TENSORS, {"step": step})
    with pytest.raises(AlphabarError, match=r"state\.json does not state the step of its folder"):
        checkpoint.read(path)
