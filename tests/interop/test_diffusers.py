"""Against the real diffusers: the same numbers from its models here, from our models there, and the same images."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers_cases import CASES, HO, SCHEDULERS, images, randomized

import alphabar
from alphabar import interop
from alphabar.diffusion import reverse_process
from alphabar.diffusion.samplers import SAMPLERS
from alphabar.runs.model import load_model
from alphabar.sampling import foreign
from alphabar.sampling.pipeline import Pipeline
from tiny_settings import TINY

pytestmark = pytest.mark.heavy
CPU = torch.device("cpu")
CLASS = {"ddim": "DDIMScheduler"}


@pytest.fixture(scope="module")
def diffusers() -> Any:
    return pytest.importorskip("diffusers")  # takes ten seconds


@pytest.fixture
def saved(diffusers, tmp_path) -> Callable[..., tuple[Path, Any]]:
    """Writes a pipeline with random weights: (its folder, the pipeline)."""

    def save(case: dict[str, Any], kind: str = "DDPMScheduler", **scheduler: Any) -> tuple[Path, Any]:
        unet = randomized(diffusers.UNet2DModel(**case))
        pipeline = diffusers.DDPMPipeline(unet=unet, scheduler=getattr(diffusers, kind)(**scheduler))
        pipeline.save_pretrained(tmp_path / "theirs")
        return tmp_path / "theirs", pipeline

    return save


def outputs(unet: Any, network: Any, case: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """What the two networks return for the same images, timesteps and classes."""
    x, time = images(case), torch.tensor([3, 700])
    y = torch.tensor([4, 0]) if case.get("num_class_embeds") else None
    with torch.no_grad():
        return unet(x, time, y).sample, network(x, time, **({} if y is None else {"y": y}))


@pytest.mark.parametrize("name", CASES)
def test_its_models_have_the_same_outputs_here_and_ours_there(diffusers, saved, tmp_path, name) -> None:
    case = CASES[name]
    learns = case.get("out_channels", 3) == 2 * case.get("in_channels", 3)
    folder, pipeline = saved(case, variance_type="learned_range" if learns else "fixed_small")
    foreign.import_run(interop.Request(folder), tmp_path / "run", str(folder))
    model = load_model(tmp_path / "run")
    theirs, ours = outputs(pipeline.unet, model.denoiser.network, case)
    assert float(theirs.std()) > 0.05
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-5 * float(theirs.abs().max().clamp(min=1)))

    foreign.export_to(tmp_path / "run", tmp_path / "back", "diffusers")
    back = diffusers.DDPMPipeline.from_pretrained(tmp_path / "back")
    again = back.unet.state_dict()
    assert {key: tuple(value.shape) for key, value in again.items()} == {
        key: tuple(value.shape) for key, value in pipeline.unet.state_dict().items()
    }
    assert all(torch.equal(value, again[key]) for key, value in pipeline.unet.state_dict().items())
    assert torch.equal(outputs(back.unet, model.denoiser.network, case)[0], theirs)
    kept = {key: value for key, value in pipeline.unet.config.items() if not key.startswith("_")}
    assert {key: back.unet.config[key] for key in kept if key != "attn_norm_num_groups"} == {
        key: value for key, value in kept.items() if key != "attn_norm_num_groups"
    }


@pytest.mark.parametrize("name", SCHEDULERS)
def test_ten_steps_of_ddim_make_the_same_image_both_ways(diffusers, saved, tmp_path, name) -> None:
    small = {"sample_size": 16, "block_out_channels": [16, 32, 32, 32], "norm_num_groups": 8, "layers_per_block": 1}
    folder, _ = saved(HO | small, CLASS.get(name, "DDPMScheduler"), **SCHEDULERS[name])
    foreign.import_run(interop.Request(folder), tmp_path / "run", str(folder))
    foreign.export_to(tmp_path / "run", tmp_path / "back", "diffusers")
    model = load_model(tmp_path / "run")
    spacing = model.config.sampling.spacing
    pipeline = Pipeline.of(model, {"sampler": "ddim", "steps": 10, "eta": 0.0, "spacing": spacing})
    job = pipeline.job(range(2))
    ours = [step.x for step in pipeline.steps(job)][-1]
    x, _ = pipeline.noise(job)
    for place in (folder, tmp_path / "back"):
        theirs = diffusers.DDPMPipeline.from_pretrained(place)
        scheduler = diffusers.DDIMScheduler.from_config(theirs.scheduler.config)
        scheduler.set_timesteps(10)
        assert [int(t) + 1 for t in scheduler.timesteps][::-1] == model_rows(pipeline)
        state = x.clone(memory_format=torch.contiguous_format)
        with torch.no_grad():
            for t in scheduler.timesteps:  # OpenAI and we read ε̂ off the clipped x̂_0
                state = scheduler.step(
                    theirs.unet(state, t).sample, t, state, use_clipped_model_output=True
                ).prev_sample
        size = float(state.abs().max().clamp(min=1))
        torch.testing.assert_close(ours, state, rtol=0, atol=1e-3 * size if name == "v" else 1e-4 * size)
        assert float(state.std()) > 0.1


def model_rows(pipeline: Pipeline) -> list[int]:
    return pipeline.denoiser.schedule.timesteps[1:].tolist()


@pytest.mark.parametrize("name", ["fixed_large", "fixed_small", "learned_range"])
def test_an_exported_run_makes_the_same_images_in_their_pipeline(diffusers, tmp_path, name, monkeypatch) -> None:
    """The whole `DDPMPipeline.__call__` of a model of ours, with our noise in the place of its generator's."""
    settings = [
        "network.channels=32",
        "network.norm_groups=16",
        "diffusion.steps=12",
        "sampling.sampler=ddpm",
        "sampling.eta=none",
    ]
    settings += [f"diffusion.variance={name}"] + (["diffusion.objective=hybrid"] if name == "learned_range" else [])
    alphabar.train("ddpm_digits", run=tmp_path / "run", overrides=[*TINY, *settings], device="cpu")
    foreign.export_to(tmp_path / "run", tmp_path / "out", "diffusers")
    model = load_model(tmp_path / "run")
    noises = [torch.randn(2, *model.facts.shape, generator=torch.Generator().manual_seed(n)) for n in range(13)]
    ours = iter(noises)
    x = next(ours)
    *_, last = reverse_process(SAMPLERS["ddpm"](), model.denoiser, x, noise=lambda like: next(ours))

    pipeline = diffusers.DDPMPipeline.from_pretrained(tmp_path / "out")
    theirs = iter(noises)
    for module in ("pipelines.ddpm.pipeline_ddpm", "schedulers.scheduling_ddpm"):
        monkeypatch.setattr(f"diffusers.{module}.randn_tensor", lambda *_, **__: next(theirs))
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline(batch_size=2, num_inference_steps=12, output_type="np").images
    expected = (last.x / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    torch.testing.assert_close(torch.from_numpy(made).float(), expected, rtol=0, atol=2e-4)


def test_the_flat_folders_of_2022_with_old_names_are_read(diffusers, saved, tmp_path) -> None:
    """google/ddpm-cifar10-32 as it was: one folder, .bin, old attention names, GaussianDDPMScheduler with timesteps."""
    folder, pipeline = saved(HO)
    flat = tmp_path / "flat"
    flat.mkdir()
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    weights = {}
    for key, tensor in pipeline.unet.state_dict().items():
        for new, name in old.items():
            key = key.replace(f".{new}.", f".{name}.")
        weights[key] = tensor
    torch.save(weights, flat / "diffusion_pytorch_model.bin")
    config = json.loads((folder / "unet" / "config.json").read_text())
    (flat / "config.json").write_text(json.dumps(config | {"of_the_future": 3}))
    scheduler = {"_class_name": "GaussianDDPMScheduler", "timesteps": 500, "beta_start": 1e-4, "beta_end": 0.02}
    (flat / "scheduler_config.json").write_text(json.dumps(scheduler | {"tensor_format": "np"}))
    foreign.import_run(interop.Request(flat), tmp_path / "run", str(flat))
    model = load_model(tmp_path / "run")
    assert model.denoiser.schedule.T == 500 and model.config.diffusion.schedule == "linear_raw"
    theirs, ours = outputs(pipeline.unet, model.denoiser.network, HO)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-5 * float(theirs.abs().max()))
    foreign.export_to(tmp_path / "run", tmp_path / "back", "diffusers")
    assert json.loads((tmp_path / "back" / "unet" / "config.json").read_text())["of_the_future"] == 3
    assert json.loads((tmp_path / "back" / "scheduler" / "scheduler_config.json").read_text())["tensor_format"] == "np"
    assert diffusers.DDPMPipeline.from_pretrained(tmp_path / "back").scheduler.config.num_train_timesteps == 500


def test_every_default_is_that_of_diffusers(diffusers) -> None:
    import inspect

    from alphabar.interop import diffusers_scheduler, diffusers_unet

    unet = inspect.signature(diffusers.UNet2DModel.__init__).parameters
    for field, value in diffusers_unet.DEFAULTS.items():
        theirs = unet[field].default
        assert (list(theirs) if isinstance(theirs, tuple) else theirs) == value, field
    assert all(unet[field].default == values[0] for field, values in diffusers_unet.FIXED.items())
    for kind in diffusers_scheduler.CLIPPING:
        scheduler = inspect.signature(getattr(diffusers, kind).__init__).parameters
        for field, value in (diffusers_scheduler.DEFAULTS | diffusers_scheduler.UNUSED).items():
            assert field not in scheduler or scheduler[field].default == value, (kind, field)
    assert all(hasattr(diffusers, kind) for kind in diffusers_scheduler.SAMPLERS)
