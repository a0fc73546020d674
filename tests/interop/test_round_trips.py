"""Out and in again is the identity, for every preset, in every format that has it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers_cases import randomized
from safetensors.torch import save_file

import alphabar
from alphabar import AlphabarError, build, interop, names
from alphabar import config as c
from alphabar.interop import Portable, diffusers_keys, openai_keys, pesser
from alphabar.interop.keys import entries, from_ours, to_ours
from alphabar.networks import PRESETS, UNet, without_values

PUBLISHED: dict[str, dict[str, Any]] = {
    "ddpm": {"image_size": (256, 256), "channel_mult": (1, 1, 2, 2, 4, 4), "out_channels": 3},
    "iddpm": {"image_size": (64, 64), "channel_mult": (1, 2, 3, 4), "num_blocks": 3, "num_classes": 1000},
    "adm": {"image_size": (128, 128), "channels": 256, "channel_mult": (1, 1, 2, 3, 4), "num_classes": 1000},
}


def portable(preset: str, tmp_path: Path, **more: Any) -> Portable:
    """A small model of the preset with random weights, classes and label dropout."""
    network = {
        "network.preset": preset,
        "network.channels": 64,
        "network.channel_mult": [1, 1],
        "network.num_blocks": 1,
    }
    network |= {"network.attention_resolutions": [8], "network.class_conditional": True}
    settings = {"training.steps": 1, "data.image_size": 16, "data.channels": 3, "diffusion.variance": "learned_range"}
    settings |= {"diffusion.objective": "hybrid", "sampling.sampler": "ddpm", "sampling.spacing": "leading"}
    config = c.parse(c.merge({}, network | settings | more))
    facts = c.ImageFacts(shape=(3, 16, 16), class_names=tuple("abc"), fingerprint="")
    weights = randomized(build.network(config, facts)).state_dict()
    return Portable(config, facts, weights, step=3)


FORMATS = [
    ("ddpm", "diffusers"), ("iddpm", "diffusers"), ("adm", "diffusers"), ("iddpm", "openai"), ("adm", "openai"),
    *((preset, "safetensors") for preset in PRESETS),
]  # fmt: skip


def test_every_preset_and_target_is_tried() -> None:
    assert {preset for preset, _ in FORMATS} == set(PRESETS) == set(PUBLISHED)
    assert {target for _, target in FORMATS} == set(interop.TARGETS) & set(interop.FORMATS)
    assert set(interop.FORMATS) == set(names.FORMATS) and set(interop.TARGETS) == set(names.TARGETS)


@pytest.mark.parametrize(("preset", "target"), FORMATS)
def test_a_model_that_goes_out_comes_in_as_it_was(tmp_path, preset, target) -> None:
    model = portable(preset, tmp_path)
    out = tmp_path / {"diffusers": "out", "openai": "out.pt", "safetensors": "out.safetensors"}[target]
    interop.TARGETS[target](model, out)
    unsaid = {}
    if target == "openai":
        style = build.style(model.config.network)
        heads = "head_channels" if style.head_channels else "heads"
        unsaid = {"data.image_size": 16, f"network.{heads}": getattr(style, heads)}
        unsaid |= {"diffusion.schedule": model.config.diffusion.schedule}
    again = interop.read(interop.Request(out, None, unsaid))
    assert again.tensors.keys() == model.tensors.keys()
    assert all(torch.equal(again.tensors[key], tensor) for key, tensor in model.tensors.items())
    assert again.config.diffusion == model.config.diffusion or target == "openai"
    network, like = (build.network(each.config, each.facts).eval() for each in (again, model))
    network.load_state_dict(dict(again.tensors))
    like.load_state_dict(dict(model.tensors))
    x, time, y = torch.randn(2, 3, 16, 16), torch.tensor([3, 900]), torch.tensor([2, 0])
    with torch.no_grad():
        assert torch.equal(network(x, time, y=y), like(x, time, y=y))
    back = tmp_path / f"back{out.suffix}"
    interop.TARGETS[target](again, back)
    for file in [out] if out.is_file() else [path for path in out.rglob("*") if path.is_file()]:
        if target == "diffusers":
            assert file.read_bytes() == (back / file.relative_to(out)).read_bytes()


@pytest.mark.parametrize("preset", PRESETS)
def test_the_published_networks_have_a_place_for_every_weight_in_every_format(preset) -> None:
    """At full size, on the meta device: out and in keeps every name and shape."""
    with without_values():
        style = PRESETS[preset]
        network = UNet(**{"in_channels": 3, "out_channels": 6, "style": style} | PUBLISHED[preset])
    sizes = network.state_dict()
    tables = [
        diffusers_keys.table(sizes),
        openai_keys.table(sizes, style, False),
        openai_keys.table(sizes, style, True),
    ]
    tables += [pesser.table(sizes)] if preset == "ddpm" else []
    for table in tables:
        keys = [key for entry in table for key in entry.theirs]
        assert len(keys) == len(set(keys)) and {entry.ours for entry in table} == sizes.keys()
        theirs = {key: torch.empty(entry.their_shape, device="meta") for entry in table for key in entry.theirs}
        for entry in table:
            assert entry.read([theirs[key] for key in entry.theirs]).shape == sizes[entry.ours].shape
            assert dict(entry.written(sizes[entry.ours])).keys() == set(entry.theirs)


def test_the_keys_of_diffusers_are_those_of_its_published_models() -> None:
    """google/ddpm-cifar10-32 has 328 tensors, google/ddpm-celebahq-256 450; 35,746,307 and 113,673,219 numbers."""
    for size, mults, count, numbers in (
        (32, (1, 2, 2, 2), 328, 35_746_307),
        (256, (1, 1, 2, 2, 4, 4), 450, 113_673_219),
    ):
        with without_values():
            network = UNet(image_size=(size, size), in_channels=3, out_channels=3, channel_mult=mults)
        table = diffusers_keys.table(network.state_dict())
        shapes = {key: entry.their_shape for entry in table for key in entry.theirs}
        assert len(shapes) == count
        assert sum(torch.Size(shape).numel() for shape in shapes.values()) == numbers
        level = {32: 1, 256: 4}[size]
        width = 128 * mults[level]
        assert shapes[f"down_blocks.{level}.attentions.1.to_out.0.weight"] == (width, width)
        assert shapes["up_blocks.0.resnets.0.conv1.weight"] == (128 * mults[-1], 2 * 128 * mults[-1], 3, 3)


def test_rows_grouped_by_head_are_told_from_rows_grouped_by_part() -> None:
    from alphabar.interop.keys import PLAIN, Entry, Place

    ours = {"a.qkv.weight": torch.arange(12.0)[:, None], "conv_in.weight": torch.zeros(2)}
    places = [Place("a", "a", {"qkv": ("qkv",)}), Place("conv_in", "in", PLAIN)]
    by_head = from_ours(ours, entries(places, ours, {}, lambda channels: 2))["a.qkv.weight"]
    assert by_head.flatten().tolist() == [0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11]  # q k v of head 1, then of head 2
    table = entries(places, ours, {}, lambda channels: 2)
    assert torch.equal(to_ours(from_ours(ours, table), table, "it")["a.qkv.weight"], ours["a.qkv.weight"])
    assert isinstance(table[0], Entry)
    with pytest.raises(AlphabarError, match="b has no place"):
        entries(places, {**ours, "b": torch.zeros(1)}, {})


def test_a_chain_of_scaled_timesteps_goes_to_diffusers_as_the_steps_that_are_whole_numbers(tmp_path) -> None:
    """T = 40 with the timestep scaled by 1/4 is, for the network, a chain of 10 steps: the same images of DDIM."""
    scaled = {"diffusion.steps": 40, "diffusion.schedule": "cosine", "diffusion.time_scale": 0.25}
    model = portable("iddpm", tmp_path, **scaled)
    _, lines = interop.TARGETS["diffusers"](model, tmp_path / "out")
    assert "10 steps (diffusion.time_scale is 1/4)" in lines[1]
    again = interop.read(interop.Request(tmp_path / "out"))
    assert (again.config.diffusion.steps, again.config.diffusion.time_scale) == (10, 1)
    interop.TARGETS["safetensors"](model, tmp_path / "ours.safetensors")
    images = [
        alphabar.load(tmp_path / place, device="cpu").sample(2, sampler="ddim", steps=steps).tensor
        for place, steps in (("ours.safetensors", "t:" + ",".join(map(str, range(1, 41, 4)))), ("out", 10))
    ]
    assert int((images[0].int() - images[1].int()).abs().max()) <= 1 and images[0].float().std() > 10


# What a format does not have


@pytest.mark.parametrize(
    ("preset", "target", "more", "match"),
    [
        ("ddpm", "openai", {}, "sinusoid=cos_sin, and this one sinusoid=sin_cos; export it --to diffusers"),
        ("iddpm", "openai", {"diffusion.schedule": "jsd"}, "the schedules linear and cosine; this is jsd"),
        ("iddpm", "openai", {"diffusion.time_scale": 0.5}, "by 1 or 1000/T; this is 0.5"),
        ("iddpm", "openai", {"diffusion.parameterization": "v"}, "this is v with learned_range"),
        ("iddpm", "openai", {"network.norm_groups": 16}, r"32 groups, and this network's have \[16\]"),
        ("iddpm", "diffusers", {"diffusion.time_scale": 0.3}, r"diffusion\.time_scale\), which is not 1/n"),
        ("iddpm", "diffusers", {"diffusion.parameterization": "mu"}, "parameterization=mu has no counterpart"),
        ("iddpm", "diffusers", {"diffusion.variance": "learned"}, "variance=learned has no counterpart"),
        ("iddpm", "diffusers", {"network.channel_mult": [1, 2], "network.attention_resolutions": [16]},
         "4 heads of 16, 32 channels"),
        ("iddpm", "diffusers", {"network.channels": 96, "network.norm_groups": 32, "network.time_channels": 48},
         "time_channels=48 has no counterpart"),
        ("ddpm", "diffusers", {"network.channels": 32}, r"this network has \[16, 32\]; .* network.norm_groups=16"),
    ],
)  # fmt: skip
def test_what_a_format_has_not_is_a_sentence(tmp_path, preset, target, more, match) -> None:
    with pytest.raises(AlphabarError, match=match):
        interop.TARGETS[target](portable(preset, tmp_path, **more), tmp_path / "out")


def test_an_exported_file_of_ours_that_does_not_fit_is_a_sentence(tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    interop.TARGETS["safetensors"](portable("ddpm", tmp_path), path)
    with pytest.raises(AlphabarError, match=r"linear1\.weight in .* is \[256, 64\]; this network needs \[128, 32"):
        alphabar.import_run(path, tmp_path / "run", overrides=["network.channels=32"])
    with pytest.raises(AlphabarError, match=r"do not fit \(.*'width'"):
        alphabar.import_run(path, tmp_path / "run", overrides=["network.width=32"])


HOSTILE_SETTINGS = {
    "nothing": "{}",
    "a list": "[]",
    "nested deep": '{"config":' * 50_000,
    "a number": '{"config": NaN, "image_facts": {}, "step": 1, "record": {}}',
    "a config that is a list": '{"config": [], "image_facts": {}, "step": 1, "record": {}}',
    "a step below 0": '{"config": {}, "image_facts": {"shape": [1, 8, 8]}, "step": -1, "record": {}}',
    "5,000 digits": "9" * 5000,
}


@pytest.mark.parametrize("text", HOSTILE_SETTINGS.values(), ids=HOSTILE_SETTINGS)
def test_a_file_of_ours_that_says_anything_else_is_a_sentence(tmp_path, text) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"w": torch.zeros(2)}, path, metadata={"alphabar": text})
    with pytest.raises(AlphabarError, match=r"does not hold the settings|do not fit"):
        alphabar.import_run(path, tmp_path / "run")
