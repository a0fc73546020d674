"""`train --from FILE|DIR|hf:owner/name`: a run starts from a model of another program as it lies, and needs it once."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers_cases import HO
from openai_layouts import CIFAR, narrow, weights
from safetensors.torch import save_file

import alphabar
from alphabar import AlphabarError, cli
from alphabar.interop import hub
from alphabar.runs import checkpoint
from alphabar.runs.model import load_model

SETTINGS = [
    "training.batch_size=4", "training.log_every=2", "training.sample_every=0", "training.checkpoint_every=2",
    "training.ema_rates=[0.9]", "optimizer.warmup_steps=2", "sampling.steps=3", "sampling.num=4",
]  # fmt: skip


def trained(source: object, photos: Path, run: Path, *more: str, **options: object) -> Path:
    settings = [*SETTINGS, *(more or ["training.steps=1"])]
    alphabar.train("ddpm_folder", data=photos, run=run, from_run=source, overrides=settings, device="cpu", **options)
    return run


def newest(run: Path) -> checkpoint.Checkpoint:
    found = checkpoint.latest(run / "checkpoints")
    assert found is not None
    return found


def equal(a: checkpoint.Checkpoint, b: checkpoint.Checkpoint) -> bool:
    files = [(a.tensors(name), b.tensors(name)) for name in a.names()]
    same = all(one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
               for one, other in files)  # fmt: skip
    return a.names() == b.names() and same


@pytest.mark.heavy
def test_a_run_resumes_bit_for_bit_after_the_foreign_folder_is_gone(theirs, photos, tmp_path) -> None:
    """By its own name, and by the same command again."""
    folder = Path(shutil.copytree(theirs, tmp_path / "theirs"))
    whole = trained(folder, photos, tmp_path / "whole", "training.steps=4")
    halves = [Path(shutil.copytree(whole, tmp_path / name)) for name in ("a", "b")]
    for run in halves:  # as if it had been killed behind step 2
        shutil.rmtree(run / "checkpoints" / "step-00000004")
        assert newest(run).state["step"] == 2
    shutil.rmtree(folder)
    alphabar.train(halves[0], device="cpu")
    trained(folder, photos, halves[1], "training.steps=4")
    assert all(newest(run).state["step"] == 4 and equal(newest(run), newest(whole)) for run in halves)
    with pytest.raises(AlphabarError, match=r"holds a run that started from .*theirs, and not from .*others; choose"):
        trained(tmp_path / "others", photos, halves[0])
    with pytest.raises(AlphabarError, match="There is no run at"):
        trained(folder, photos, tmp_path / "new")


@pytest.mark.heavy
def test_it_starts_from_the_weights_that_an_import_gives(theirs, photos, tmp_path) -> None:
    imported, _ = alphabar.import_run(theirs, tmp_path / "imported")
    runs = [trained(source, photos, tmp_path / f"{k}") for k, source in enumerate((imported, theirs))]
    assert equal(*map(newest, runs))
    start, end = load_model(imported).tensors(), load_model(runs[1], "raw").tensors()
    assert all(0 < float((end[key] - start[key]).abs().max()) < 0.1 for key in ("conv_in.weight", "conv_out.weight"))


def test_the_origin_and_the_licence_travel_into_the_run_and_its_exports(theirs, photos, tmp_path, capfd) -> None:
    run = trained(theirs, photos, tmp_path / "run")
    assert f"starts from {theirs}: " in capfd.readouterr().err
    record = newest(run).state["initialised_from"]
    assert record["path"] == str(theirs) and len(record["sha256"]) == 64
    assert record["imported"] == {"source": theirs.name, "format": "diffusers", "licence": "apache-2.0"}
    alphabar.export(run, tmp_path / "small")
    assert newest(tmp_path / "small").state["started_from"] == record["imported"]
    assert str(theirs.parent) not in (tmp_path / "small" / "config.json").read_text()


@pytest.mark.heavy
def test_a_model_on_the_hub_is_fetched_for_the_start_alone(theirs, photos, tmp_path, monkeypatch) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(hub, "fetched", lambda name: fetched.append(name) or theirs)
    run = trained("hf:owner/model", photos, tmp_path / "run", "training.steps=1")
    assert set(fetched) == {"hf:owner/model"}
    record = newest(run).state["initialised_from"]
    assert record["path"] == record["imported"]["source"] == "hf:owner/model"
    fetched.clear()
    trained("hf:owner/model", photos, run, "training.steps=2")
    alphabar.train(run, overrides={"training.steps": 3}, device="cpu")
    assert newest(run).state["step"] == 3 and not fetched


def test_the_command_takes_it_and_a_rehearsal_writes_nothing(theirs, photos, tmp_path, monkeypatch, capsys) -> None:
    command = ["train", "ddpm_folder", "--data", photos, "--run", tmp_path / "run", "--from", theirs, *SETTINGS]
    monkeypatch.setattr(
        "sys.argv", ["alphabar", *map(str, command), "training.steps=1", "--device", "cpu", "--dry-run"]
    )
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert not caught.value.code and f"weights      starts from {theirs}" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_a_step_of_a_foreign_model_is_refused(theirs, photos, tmp_path) -> None:
    with pytest.raises(AlphabarError, match="is no run and has one set of weights; leave --from-step 3 out"):
        trained(theirs, photos, tmp_path / "run", from_step=3)
    assert not list(tmp_path.iterdir())


def test_wrong_files_get_the_sentences_of_an_import(photos, tmp_path) -> None:
    lora, cut = tmp_path / "lora.safetensors", tmp_path / "cut.pt"
    save_file({"unet.down_blocks.0.lora_A.weight": torch.zeros(2)}, lora)
    torch.save(weights(narrow(CIFAR)), cut)
    cut.write_bytes(cut.read_bytes()[:-900])
    moments = {"step": torch.tensor(9.0), "exp_avg": torch.zeros(2), "exp_avg_sq": torch.zeros(2)}
    torch.save({"state": {0: moments}, "param_groups": []}, tmp_path / "opt.pt")
    for path in (lora, cut, tmp_path / "opt.pt"):
        sentences = []
        for call in (lambda run: alphabar.import_run(path, run), lambda run: trained(path, photos, run)):  # noqa: B023
            with pytest.raises(AlphabarError) as caught:
                call(tmp_path / "run")
            sentences.append(caught.value.args)
        assert sentences[0] == sentences[1] and not (tmp_path / "run").exists()


def test_a_file_that_does_not_say_the_size_of_its_images_is_imported_first(photos, tmp_path) -> None:
    """As a setting of the new run, data.image_size is the size of the new images."""
    torch.save(weights(narrow(replace(CIFAR, mults=(1, 2), blocks=1, attention=(1,)))), tmp_path / "model.pt")
    with pytest.raises(AlphabarError, match=r"does not say .*; make a run of it with `alphabar import .* --run DIR"):
        trained(tmp_path / "model.pt", photos, tmp_path / "run")


@pytest.mark.heavy
def test_a_network_that_diffusers_itself_saved_is_started_from(photos, tmp_path) -> None:
    diffusers = pytest.importorskip("diffusers")
    small = HO | {"block_out_channels": [16, 16, 32, 32], "norm_num_groups": 8, "layers_per_block": 1}
    unet = diffusers.UNet2DModel(**small)
    diffusers.DDPMPipeline(unet, diffusers.DDPMScheduler(num_train_timesteps=20)).save_pretrained(tmp_path / "theirs")
    run = trained(tmp_path / "theirs", photos, tmp_path / "run")
    before, after = unet.state_dict()["conv_in.weight"], load_model(run, "raw").tensors()["conv_in.weight"]
    assert 0 < float((before - after).abs().max()) < 0.1
    assert newest(run).state["config"]["diffusion"]["steps"] == 20
