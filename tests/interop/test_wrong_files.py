"""Each wrong file gets its sentence, and nothing in any file is run."""

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from openai_layouts import ADM, CIFAR, narrow, replace, weights
from safetensors.torch import save_file

import alphabar
from alphabar import AlphabarError

CONFIG: dict[str, Any] = {
    "_class_name": "UNet2DModel",
    "sample_size": 16,
    "block_out_channels": [16, 32],
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "attention_head_dim": None,
}


def folder(
    path: Path, config: dict[str, Any] | None = None, scheduler: dict[str, Any] | None = None, **index: Any
) -> Path:
    """A pipeline of diffusers whose weights come last, and are not read where the settings are refused."""
    (path / "unet").mkdir(parents=True)
    (path / "scheduler").mkdir()
    (path / "model_index.json").write_text(json.dumps({"_class_name": "DDPMPipeline"} | index))
    (path / "unet" / "config.json").write_text(json.dumps(CONFIG if config is None else config))
    chain = {"_class_name": "DDPMScheduler", "num_train_timesteps": 100} if scheduler is None else scheduler
    (path / "scheduler" / "scheduler_config.json").write_text(json.dumps(chain))
    save_file({"conv_in.weight": torch.zeros(16, 3, 3, 3)}, path / "unet" / "diffusion_pytorch_model.safetensors")
    return path


def refused(source: Path, tmp_path: Path, match: str, **more: Any) -> None:
    with pytest.raises(AlphabarError, match=match) as caught:
        alphabar.import_run(source, tmp_path / "run", **more)
    assert len(caught.value.args) == 1 and str(caught.value).endswith(".") and "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists() and not list(tmp_path.glob(".run*"))


@pytest.mark.parametrize(
    ("index", "match"),
    [
        ({"_class_name": "StableDiffusionPipeline", "vae": ["diffusers", "AutoencoderKL"]}, "StableDiffusion.*a vae;"),
        ({"_class_name": "LDMPipeline", "vqvae": ["diffusers", "VQModel"]}, "LDMPipeline, with a vqvae; .* of pixels"),
        ({"_class_name": "ScoreSdeVePipeline"}, "is a ScoreSdeVePipeline; alphabar imports"),
    ],
)
def test_latent_models_and_models_of_texts(tmp_path, index, match) -> None:
    refused(folder(tmp_path / "theirs", **index), tmp_path, match)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"_class_name": "UNet2DConditionModel"}, "is a UNet2DConditionModel"),
        ({"down_block_types": ["SkipDownBlock2D", "AttnSkipDownBlock2D"]}, "SkipDownBlock2D of NCSN"),
        ({"down_block_types": ["KDownBlock2D", "DownBlock2D"]}, "the block KDownBlock2D"),
        ({"up_block_types": ["UpBlock2D", "AttnUpBlock2D"]}, "attention at other levels"),
        ({"time_embedding_type": "fourier"}, "time_embedding_type=fourier"),
        ({"class_embed_type": "timestep"}, "class_embed_type=timestep"),
        ({"downsample_padding": 2}, "downsample_padding=2"),
        ({"center_input_sample": True}, "center_input_sample=True"),
        ({"resnet_time_scale_shift": "scale_shift"}, "no attn_norm_num_groups"),
        ({"block_out_channels": [16, 24]}, "multiples of the first"),
        ({"sample_size": None}, r"has no sample_size; add data\.image_size=N"),
        ({"out_channels": 5}, "takes 3 channels and returns 5"),
        ({"block_out_channels": "many"}, "block_out_channels"),
        ({"norm_eps": "small"}, "norm_eps"),
        ({"layers_per_block": [1, 2]}, "layers_per_block=.* must be an int"),
    ],
)
def test_networks_that_are_not_ours(tmp_path, changes, match) -> None:
    refused(folder(tmp_path / "theirs", CONFIG | changes), tmp_path, match)


@pytest.mark.parametrize(
    ("scheduler", "match"),
    [
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "FlowMatchEulerDiscreteScheduler, which is flow matching"),
        ({"_class_name": "ScoreSdeVeScheduler"}, "which alphabar does not know"),
        ({"beta_schedule": "exotic"}, "beta_schedule 'exotic'"),
        ({"prediction_type": "flow"}, "prediction_type=flow"),
        ({"variance_type": "learned"}, "variance_type=learned;"),
        ({"variance_type": "learned_range"}, "returns no variance"),
        ({"num_train_timesteps": "many"}, "num_train_timesteps"),
        ({"trained_betas": [0.1, -1.5]}, "Every β must lie in"),
        ({"trained_betas": "x"}, "trained_betas"),
        ({"rescale_betas_zero_snr": True}, "'eps' does not determine x_0"),
    ],
)
def test_chains_that_are_not_ours(tmp_path, scheduler, match) -> None:
    refused(folder(tmp_path / "theirs", None, scheduler), tmp_path, match)


def test_settings_that_are_no_settings(tmp_path) -> None:
    path = folder(tmp_path / "theirs")
    (path / "unet" / "config.json").write_text("[1, 2")
    refused(path, tmp_path, "config.json is not valid JSON")
    (path / "unet" / "config.json").write_text("[1, 2]")
    refused(path, tmp_path, "config.json is not a table of settings")
    (path / "unet" / "config.json").unlink()
    refused(path, tmp_path, r"no unet/config\.json and no config\.json")
    refused(tmp_path, tmp_path, "without a model_index.json")
    refused(tmp_path / "nowhere", tmp_path, "no file or folder")
    refused(
        tmp_path / "nowhere", tmp_path, "There is no format 'diffuser'; did you mean 'diffusers'", format="diffuser"
    )


def test_a_lora_as_a_folder_and_as_a_file(tmp_path) -> None:
    (tmp_path / "lora").mkdir()
    file = tmp_path / "lora" / "pytorch_lora_weights.safetensors"
    save_file({"unet.down_blocks.0.lora_A.weight": torch.zeros(2)}, file)
    refused(tmp_path / "lora", tmp_path, "is a LoRA")
    refused(file, tmp_path, "is a LoRA: a change of another model's weights")


def test_stable_diffusion_in_one_file_and_weights_of_anything(tmp_path) -> None:
    save_file({"model.diffusion_model.out.0.weight": torch.zeros(2)}, tmp_path / "sd.safetensors")
    refused(tmp_path / "sd.safetensors", tmp_path, "is a latent model")
    save_file({"layer1.0.conv1.weight": torch.zeros(2)}, tmp_path / "resnet.safetensors")
    refused(tmp_path / "resnet.safetensors", tmp_path, r"names of no known format, such as layer1\.0\.conv1\.weight")


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("kept", [0, 5, 200, 0.5, 0.999])
def test_a_truncated_file(tmp_path, suffix, kept) -> None:
    path = tmp_path / f"model{suffix}"
    state = weights(narrow(replace(CIFAR, mults=(1,), attention=(), blocks=1)))
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    data = path.read_bytes()
    path.write_bytes(data[: kept if isinstance(kept, int) else int(kept * len(data))])
    refused(path, tmp_path, "is no whole file of")


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("kind", ["zip", "old", "bare"])
def test_a_pickle_with_code_is_refused_and_nothing_is_executed(tmp_path, monkeypatch, protocol, kind) -> None:
    monkeypatch.chdir(tmp_path)
    path, content = tmp_path / "model.pt", {"input_blocks.0.0.weight": torch.zeros(2), "x": Evil()}
    if kind == "bare":
        path.write_bytes(pickle.dumps(Evil(), protocol))
    else:
        torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=kind == "zip")
    refused(path, tmp_path, r"would run code: its pickle calls (posix|nt)\.mkdir, which tensors do not need\. Nothing")
    assert not (tmp_path / "executed").exists()


def test_an_archive_that_is_no_checkpoint(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.pt", "w") as archive:
        archive.writestr("a.txt", "hello")
    refused(tmp_path / "photos.pt", tmp_path, r"the archive holds no data\.pkl")


def test_an_optimizer_s_state_names_the_file_to_take(tmp_path) -> None:
    moments = {"step": torch.tensor(9.0), "exp_avg": torch.zeros(2), "exp_avg_sq": torch.zeros(2)}
    groups = [{"lr": 1e-4, "betas": (0.9, 0.999), "params": [0]}]
    torch.save({"state": {0: moments}, "param_groups": groups}, tmp_path / "opt500000.pt")
    refused(tmp_path / "opt500000.pt", tmp_path, r"this is the optimizer's state; take ema_\*\.pt")


def test_what_is_pickled_beside_tensors(tmp_path) -> None:
    torch.save({"model": 3}, tmp_path / "a.pt")
    refused(tmp_path / "a.pt", tmp_path, "holds model, which is a int and no tensor")
    torch.save([torch.zeros(2)], tmp_path / "b.pt")
    refused(tmp_path / "b.pt", tmp_path, "holds a list; weights are a dictionary")


TINY = narrow(replace(CIFAR, mults=(1, 2), blocks=1, attention=(1,)))
SIZE = {"overrides": {"data.image_size": 16}}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda w: w.pop("middle_block.1.qkv.weight"), r"no weight middle_block\.1\.qkv\.weight, .* \[192, 64, 1\]"),
        (lambda w: w.update({"out.0.weight": torch.zeros(7)}), r"out\.0\.weight in .* has the shape \[7\]; .* \[32\]"),
        (lambda w: w.update({"out.9.bias": torch.zeros(7)}), r"1 weights for which .* such as out\.9\.bias"),
        (lambda w: w.update({"out.2.bias": torch.full((6,), torch.nan)}), r"out\.2\.bias in model\.pt is not finite"),
        (lambda w: w.update({"out.2.weight": torch.zeros(())}), "too few sides"),
        (lambda w: w.update({"out.2.weight": torch.zeros(4, 32, 3, 3)}), "takes 3 channels and returns 4"),
        (lambda w: w.pop("out.2.weight"), r"no weight out\.2\.weight, so it is no U-Net"),
    ],
)  # fmt: skip
def test_mismatched_weights_name_the_key_and_both_shapes(tmp_path, change, match) -> None:
    state = weights(TINY)
    change(state)
    torch.save(state, tmp_path / "model.pt")
    refused(tmp_path / "model.pt", tmp_path, match, **SIZE)


def test_upsamplers_go_to_no_pipeline_of_diffusers(tmp_path) -> None:
    torch.save(weights(replace(TINY, inputs=6)), tmp_path / "upsample.pt")
    alphabar.import_run(tmp_path / "upsample.pt", tmp_path / "run", **SIZE)
    with pytest.raises(AlphabarError, match="no pipeline for upsamplers"):
        alphabar.export(tmp_path / "run", tmp_path / "out", to="diffusers")


def test_classifiers(tmp_path) -> None:
    classifier = {key: value for key, value in weights(TINY).items() if not key.startswith("output_blocks.")}
    torch.save(classifier, tmp_path / "64x64_classifier.pt")
    refused(tmp_path / "64x64_classifier.pt", tmp_path, "is a classifier of guided-diffusion")


def test_what_only_a_person_knows_is_asked_for(tmp_path) -> None:
    torch.save(weights(TINY), tmp_path / "model.pt")
    refused(tmp_path / "model.pt", tmp_path, r"does not say the size of its images, .* add data\.image_size=N")
    refused(tmp_path / "model.pt", tmp_path, "image_size is a number", overrides=["data.image_size=big"])
    refused(tmp_path / "model.pt", tmp_path, "width", overrides=["data.image_size=16", "network.width=3"])
    torch.save(weights(narrow(ADM)), tmp_path / "adm.pt")
    refused(tmp_path / "adm.pt", tmp_path, "do not split into 3 attention heads", overrides=["network.heads=3"])


def test_a_place_that_is_taken_is_left_alone(tmp_path) -> None:
    torch.save(weights(TINY), tmp_path / "model.pt")
    (tmp_path / "taken").mkdir()
    with pytest.raises(AlphabarError, match="taken exists already; name a new folder"):
        alphabar.import_run(tmp_path / "model.pt", tmp_path / "taken", **SIZE)


def test_a_name_on_the_hub_that_cannot_be_reached(tmp_path, monkeypatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("hf:google/no-such-model-here", "hf:nothing"):
        refused(name, tmp_path, "could not be fetched, and is not in the cache|write hf:owner/name")
    with pytest.raises(AlphabarError, match="could not be fetched"):
        alphabar.load("hf:google/no-such-model-here")


def test_a_foreign_file_in_the_place_of_a_run_names_the_command(tmp_path) -> None:
    torch.save(weights(TINY), tmp_path / "model.pt")
    with pytest.raises(AlphabarError, match=r"alphabar import .*model\.pt --run DIR"):
        alphabar.export(tmp_path / "model.pt", tmp_path / "out")
