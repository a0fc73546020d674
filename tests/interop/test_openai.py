"""OpenAI's files: every released layout by key and shape, and the numbers of an independent network."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from openai_layouts import ADM, CIFAR, GUIDED, IMAGENET, LSUN, RELEASED, Flags, Network, layout, narrow, weights
from torch import Tensor

import alphabar
from alphabar import build, interop
from alphabar.interop.openai_keys import table
from alphabar.interop.openai_shapes import shapes
from alphabar.interop.released import RELEASED as KNOWN
from alphabar.networks import ADM as ADM_STYLE
from alphabar.networks import IDDPM, UNet, without_values


def our_network(flags: Flags, side: int = 512, **more: Any) -> UNet:
    first = flags.mults[0]
    style = replace(
        ADM_STYLE if flags.updown else IDDPM,
        conditioning="scale_shift" if flags.scale_shift else "add",
        heads=flags.heads or 1,
        head_channels=flags.head_channels,
        time_channels=flags.channels,
    )
    return UNet(
        image_size=(side, side),
        in_channels=flags.inputs,
        out_channels=flags.outputs,
        channels=int(flags.channels * first),
        channel_mult=[int(mult / first) for mult in flags.mults],
        num_blocks=flags.blocks,
        attention_resolutions=[side >> level for level in flags.attention],
        num_classes=flags.classes or None,
        style=style,
        **more,
    )


LAYOUTS = {name: flags for name, (flags, _) in RELEASED.items()} | GUIDED


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_released_layout_is_ours_by_key_and_shape(name) -> None:
    """On the meta device, at full size."""
    flags = LAYOUTS[name]
    with without_values():
        network = our_network(flags)
    style = replace(IDDPM, heads=flags.heads or 1, head_channels=flags.head_channels)
    places = table(network.state_dict(), style, flags.new_order)
    assert {key: entry.their_shape for entry in places for key in entry.theirs} == layout(flags)
    assert {entry.ours for entry in places} == network.state_dict().keys()


@pytest.mark.parametrize("name", RELEASED)
def test_the_layouts_have_as_many_tensors_as_the_released_files(name) -> None:
    flags, count = RELEASED[name]
    assert len(layout(flags)) == count


@pytest.mark.parametrize("name", LAYOUTS)
def test_shapes_tell_all_but_the_heads_and_the_size(name) -> None:
    flags = LAYOUTS[name]
    with torch.device("meta"):
        found = shapes({key: torch.empty(shape) for key, shape in layout(flags).items()}, name)
    first = flags.mults[0]
    assert (found.channels, found.time_channels) == (flags.channels * first, flags.channels)
    assert found.channel_mult == tuple(int(mult / first) for mult in flags.mults)
    assert (found.num_blocks, found.attends, found.classes) == (flags.blocks, flags.attention, flags.classes)
    assert (found.image_channels, found.upsamples) == (3, flags.inputs == 6)
    assert (found.scale_shift, found.blocks_resample) == (flags.scale_shift, flags.updown) and found.learns_variance


def test_every_released_file_of_a_network_has_its_flags_in_the_table() -> None:
    assert len(KNOWN) == 8 + 11 and LAYOUTS.keys() <= KNOWN.keys()
    for name, flags in LAYOUTS.items():
        assert (KNOWN[name].heads, KNOWN[name].head_channels) == (flags.heads, flags.head_channels)
        assert (KNOWN[name].new_order, KNOWN[name].guided) == (flags.new_order, flags.updown)


def images(side: int, seed: int = 1) -> Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(seed))


TWO = {"mults": (1, 2), "blocks": 1, "attention": (1,)}
SMALL = {
    "improved": (narrow(replace(CIFAR, **TWO)), {}),
    "plain": (narrow(replace(LSUN, **TWO)), {"network.heads": 1}),
    "one level": (narrow(replace(CIFAR, mults=(1,), attention=(0,))), {}),
    "classes": (narrow(replace(IMAGENET, **TWO, classes=5)), {"network.heads": 4}),
    "fixed variance": (narrow(replace(CIFAR, **TWO, outputs=3)), {}),
    "upsampler": (narrow(replace(CIFAR, **TWO, inputs=6, classes=5)), {}),
    "guided": (narrow(replace(ADM, **TWO)), {"network.head_channels": 16}),
    "guided, new order": (narrow(replace(ADM, **TWO, new_order=True)), {"network.head_channels": 16}),
    "guided, half": (narrow(replace(ADM, mults=(0.5, 1), blocks=1, attention=(1,)), 64), {"network.head_channels": 16}),
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_the_numbers_are_those_of_an_independent_network(tmp_path, name) -> None:
    flags, overrides = SMALL[name]
    theirs = weights(flags)
    torch.save(theirs, tmp_path / "model.pt")
    order = True if flags.new_order else None
    request = interop.Request(tmp_path / "model.pt", None, {"data.image_size": 16} | overrides, order)
    model = interop.read(request)
    network = build.network(model.config, model.facts).eval()
    network.load_state_dict(dict(model.tensors))
    x, time = images(16), torch.tensor([3.0, 999.75])
    y = torch.tensor([4, 0]) if flags.classes else None
    given = {} if y is None else {"y": y}
    low_res = images(4, seed=2)
    if flags.inputs == 6:
        given["low_res"] = low_res
    with torch.no_grad():
        both = torch.cat([x, F.interpolate(low_res, (16, 16), mode="bilinear")], 1) if flags.inputs == 6 else x
        expected = Network(flags, theirs)(both, time, y)
        made = network(x, time, **given)
    torch.testing.assert_close(made, expected, rtol=0, atol=2e-5 * float(expected.abs().max()))
    assert float(expected.std()) > 0.1


@pytest.mark.parametrize("name", ["improved", "guided", "guided, new order"])
def test_another_order_of_heads_gives_other_numbers(tmp_path, name) -> None:
    """So the test above sees the order of the rows."""
    flags, _ = SMALL[name]
    theirs, x, time = weights(flags), images(16), torch.tensor([3.0, 500.0])
    other = Network(replace(flags, new_order=not flags.new_order), theirs)(x, time)
    assert float((other - Network(flags, theirs)(x, time)).abs().max()) > 1e-2


def saved(tmp_path, name: str, flags: Flags) -> Any:
    torch.save(weights(flags), tmp_path / f"{name}.pt")
    return tmp_path / f"{name}.pt"


def test_a_released_file_needs_no_flags(tmp_path) -> None:
    path = saved(tmp_path, "cifar10_uncond_50M_500K", narrow(CIFAR))
    run, notes = alphabar.import_run(path, tmp_path / "run")
    config = alphabar.load(run, device="cpu").config
    assert notes == () and config.data.image_size == (32, 32)
    assert (config.diffusion.steps, config.diffusion.schedule, config.diffusion.time_scale) == (4000, "cosine", 0.25)
    assert config.diffusion.variance == "learned_range" and config.diffusion.vlb_weight == 0.001
    assert (config.network.heads, config.network.dropout) == (4, 0.3)
    assert config.network.attention_resolutions == (16, 8) and alphabar.load(run, device="cpu").loaded.step == 500_000


def test_rescaled_steps_and_learned_variances_reach_the_network_as_openai_s_do(tmp_path) -> None:
    """Step t of 4000 is 1000/4000 · (t − 1), and log σ² lies between log β̃ and log β by (v + 1)/2."""
    flags = narrow(CIFAR)
    path = saved(tmp_path, "cifar10_uncond_50M_500K", flags)
    denoiser = alphabar.load(path, device="cpu").denoiser
    x, t = images(32), 4000
    output = Network(flags, weights(flags))(x, torch.tensor([999.75, 999.75]))
    with torch.no_grad():
        prediction = denoiser(x, t)
    schedule = denoiser.schedule
    low, high = (float(table[t].log()) for table in (schedule.beta_tilde, schedule.beta))
    fraction = (output[:, 3:] + 1) / 2
    expected = fraction * high + (1 - fraction) * low
    torch.testing.assert_close(prediction.log_var.float(), expected, rtol=0, atol=1e-4)
    # ε̂ before clipping, by DDPM Eq. 4
    t = 2000
    root, rest = float(schedule.alpha_bar[t]) ** 0.5, (1 - float(schedule.alpha_bar[t])) ** 0.5
    output = Network(flags, weights(flags))(x, torch.full((2,), 1999 / 4))
    x0 = ((x - rest * output[:, :3]) / root).clamp(-1, 1)
    with torch.no_grad():
        torch.testing.assert_close(denoiser(x, t).x0, x0, rtol=0, atol=1e-4)


def test_of_an_unknown_file_the_flags_that_it_does_not_say_are_named(tmp_path) -> None:
    path = saved(tmp_path, "ema_0.9999_123456", narrow(CIFAR))
    _, (note,) = alphabar.import_run(path, tmp_path / "run", overrides=["diffusion.steps=4000"])
    assert "none of the released files" in note and "network.heads=4" in note and "diffusion.schedule=linear" in note
    assert "diffusion.time_scale=0.25" in note and "diffusion.steps" not in note and "attention" not in note
    assert alphabar.load(tmp_path / "run", device="cpu").loaded.step == 123_456
    path = saved(tmp_path, "model100000", narrow(replace(ADM, attention=(3, 4))))
    _, (note,) = alphabar.import_run(path, tmp_path / "guided", overrides=["network.head_channels=16"])
    assert "guided-diffusion's defaults" in note and "--new-attention-order" in note


@pytest.mark.parametrize("name", [name for name in SMALL if "half" not in name])  # theirs have halves at 512 alone
def test_export_gives_back_the_file(tmp_path, name) -> None:
    flags, overrides = SMALL[name]
    torch.save(weights(flags), tmp_path / "model.pt")
    size = {"data.image_size": 16} | overrides
    order = True if flags.new_order else None
    alphabar.import_run(tmp_path / "model.pt", tmp_path / "run", overrides=size, new_attention_order=order)
    alphabar.export(tmp_path / "run", tmp_path / "back.pt", to="openai")
    back = torch.load(tmp_path / "back.pt", weights_only=True)
    before = weights(flags)
    assert back.keys() == before.keys() and all(torch.equal(back[key], before[key]) for key in back)


def test_the_released_upsampler_enlarges_and_its_line_of_flags_is_that_of_the_readme(tmp_path) -> None:
    from alphabar.api.share import export_to

    flags = narrow(replace(LAYOUTS["upsample_cond_500K"], classes=1000))
    run, notes = alphabar.import_run(saved(tmp_path, "upsample_cond_500K", flags), tmp_path / "run")
    config = alphabar.load(run, device="cpu").config
    assert notes == () and config.network.low_resolution == (64, 64) and config.data.image_size == (256, 256)
    assert (config.diffusion.steps, config.diffusion.schedule, config.diffusion.vlb_weight) == (
        4000,
        "linear",
        1 / 4000,
    )
    _, (line,) = export_to(tmp_path / "run", tmp_path / "back.pt", "openai")
    assert "scripts/super_res_sample.py" in line and "--large_size 256 --small_size 64 --num_channels 32" in line
    assert "--image_size" not in line and "--class_cond True" in line


def test_the_line_of_flags_is_that_of_the_readme(tmp_path) -> None:
    from alphabar.api.share import export_to

    path = saved(tmp_path, "cifar10_uncond_50M_500K", narrow(CIFAR))
    alphabar.import_run(path, tmp_path / "run")
    _, (line,) = export_to(tmp_path / "run", tmp_path / "back.pt", "openai")
    assert line.startswith(f"improved-diffusion: python scripts/image_sample.py --model_path {tmp_path / 'back.pt'} ")
    for flag in (
        "--image_size 32 --num_channels 32 --num_res_blocks 3", "--num_heads 4", "--learn_sigma True", "--dropout 0.3",
        "--diffusion_steps 4000 --noise_schedule cosine", "--rescale_timesteps True", "--attention_resolutions 16,8",
    ):  # fmt: skip
        assert flag in line
