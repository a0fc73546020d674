"""`hf:owner/name`: which files of a model are fetched, and what is said when they cannot be."""

from pathlib import Path

import pytest

import alphabar
from alphabar import AlphabarError
from alphabar.interop import hub


def test_weights_are_fetched_once_and_nothing_of_the_training() -> None:
    files = [
        "README.md", ".gitattributes", "model_index.json", "unet/config.json", "scheduler/scheduler_config.json",
        "unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.safetensors", "optimizer.bin",
        "scheduler.bin", "random_states_0.pkl", "logs/events.out", "samples/0.png",
    ]  # fmt: skip
    assert set(hub.chosen(files)) == {
        "README.md", "model_index.json", "unet/config.json", "scheduler/scheduler_config.json",
        "unet/diffusion_pytorch_model.safetensors",
    }  # fmt: skip
    flat = ["config.json", "diffusion_pytorch_model.bin", "scheduler_config.json"]
    assert set(hub.chosen(flat)) == set(flat)


@pytest.fixture
def a_hub(monkeypatch, tmp_path) -> list[object]:
    """huggingface_hub with one model, whose files are in `tmp_path`; what it was asked for."""
    huggingface_hub = pytest.importorskip("huggingface_hub")
    asked: list[object] = []

    class Api:
        def list_repo_files(self, name: str) -> list[str]:
            if name != "owner/model":
                raise OSError("no such model")
            return ["config.json", "diffusion_pytorch_model.safetensors"]

    def snapshot(name: str, **how: object) -> str:
        asked.append((name, how))
        if name != "owner/model":
            raise OSError("not in the cache\nof anybody")
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return asked


def test_a_model_on_the_hub_is_its_folder(a_hub, tmp_path) -> None:
    assert hub.fetched("hf:owner/model") == tmp_path
    assert a_hub == [("owner/model", {"allow_patterns": ["config.json", "diffusion_pytorch_model.safetensors"]})]
    with pytest.raises(AlphabarError, match=r"is a folder without a model_index\.json"):
        alphabar.import_run("hf:owner/model", tmp_path / "run")


def test_without_a_connection_the_cache_is_looked_into(a_hub, tmp_path) -> None:
    with pytest.raises(AlphabarError, match=r"hf:owner/other could not be fetched, and is not in the cache \(not in"):
        hub.fetched("hf:owner/other")
    assert a_hub == [("owner/other", {"local_files_only": True})]


@pytest.mark.parametrize("name", ["hf:", "hf:model", "hf:a/b/c", "hf:a/ b", "hf:../x/..", "hf:/etc"])
def test_other_names_are_no_models(name, tmp_path) -> None:
    with pytest.raises(AlphabarError, match=r"write hf:owner/name"):
        alphabar.import_run(name, Path(tmp_path / "run"))


def test_without_the_package_the_sentence_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(AlphabarError, match=r"pip install 'alphabar\[hub\]'"):
        hub.fetched("hf:owner/model")
