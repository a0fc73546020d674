"""A training on the device does what one on the CPU does, and no step waits for the device."""

from dataclasses import fields, replace

import pytest
import torch

from alphabar import build, data
from alphabar.networks.compiled import graphs
from alphabar.networks.precision import allow_tf32
from alphabar.runs import checkpoint
from alphabar.training import loop, saving
from alphabar.training.draws import Draws, Randomness
from alphabar.training.host_copy import HostCopy
from alphabar.training.state import TrainState
from alphabar.training.step import Update, train_step

CPU = torch.device("cpu")


def begun(config, device: torch.device) -> tuple[TrainState, Update, data.ShuffledStream]:
    image_set = build.image_set(config.data)
    state = TrainState(config, build.image_facts(image_set), device)
    return state, Update.of(state, device, 10), data.ShuffledStream(image_set, 0, False)


def losses_and_norms(config, device: torch.device, count: int = 3) -> list[tuple[float, float]]:
    """The mean loss so far and the norm of the gradient, after each of `count` steps."""
    state, update, stream = begun(config, device)
    size = config.training.batch_size
    norms = (train_step(update, state, stream.batch(state.images, size)) for _ in range(count))
    return [(state.meter.read()["loss"], float(norm)) for norm in norms]


@pytest.fixture
def drawn_on_the_cpu(monkeypatch) -> None:
    """Every device gets the random numbers of the CPU; those of its own generator are others."""
    real = Randomness.draws

    def draws(self, step, count, sampler, device, tables) -> Draws:
        own = real(self, step, count, sampler, CPU, CPU)
        tensors = {field.name: getattr(own, field.name) for field in fields(own)}
        tensors = {name: value.to(device) for name, value in tensors.items() if isinstance(value, torch.Tensor)}
        return replace(own, **tensors)

    monkeypatch.setattr(Randomness, "draws", draws)


@pytest.mark.parametrize("objective", ["simple", "hybrid"])
def test_the_first_losses_and_gradients_are_those_of_the_cpu(objective, device, tiny, drawn_on_the_cpu) -> None:
    variance = "learned_range" if objective == "hybrid" else "fixed_small"
    config = tiny(f"diffusion.objective={objective}", f"diffusion.variance={variance}", "network.dropout=0.1")
    expected, got = losses_and_norms(config, CPU), losses_and_norms(config, device)
    for (loss, norm), (own_loss, own_norm) in zip(expected, got, strict=True):
        assert own_loss == pytest.approx(loss, rel=1e-3) and own_norm == pytest.approx(norm, rel=1e-2)


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_steps_are_finite_in_every_precision(optimizer, precision, device, tiny) -> None:
    config = tiny(f"training.precision={precision}", f"optimizer.name={optimizer}")
    for loss, _ in losses_and_norms(config, device):
        assert 0 < loss < 10


@pytest.mark.parametrize("where", ["images_here", "images_on_device"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_no_step_waits_for_the_device(precision, where, device, tiny) -> None:
    config = tiny(f"training.precision={precision}", "data.horizontal_flip=true")
    state, update, stream = begun(config, device)
    if where == "images_on_device":
        stream = replace(stream, image_set=data.resident(stream.image_set, device, "always"))
    for number in range(2):  # the first ones take memory and choose kernels
        train_step(update, state, stream.batch(8 * number, 8))
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        norms = [train_step(update, state, stream.batch(8 * number, 8)) for number in (2, 3)]
    finally:
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")
    assert state.step == 4 and all(norm.device.type == device.type for norm in norms)


@pytest.mark.heavy
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_compiled_steps_are_those_of_the_network_itself_and_are_compiled_once(precision, device, tiny) -> None:
    if device.type == "cpu":
        pytest.skip("compiling takes minutes on a CPU; tests/training/test_compiled.py does it once")
    small = ["network.channel_mult=[1]", "network.attention_resolutions=[]"]
    overrides = [f"training.precision={precision}", "network.dropout=0.1", *small]
    expected = [norm for _, norm in losses_and_norms(tiny(*overrides), device)]
    state, update, stream = begun(tiny(*overrides, "training.compile=true"), device)
    norms, counts = [], [graphs()]
    for _ in expected:
        norms.append(float(train_step(update, state, stream.batch(state.images, 8))))
        counts.append(graphs())
    assert norms == pytest.approx(expected, rel=1e-2 if precision == "fp32" else 0.1)
    assert counts[0] < counts[1] == counts[-1]


def test_batches_of_images_on_the_device_are_those_of_the_cpu(device, tiny) -> None:
    image_set = build.image_set(tiny().data)
    kept = data.resident(image_set, device, "always")
    here, there = (data.ShuffledStream(images, 5, True).batch(1790, 32) for images in (image_set, kept))
    assert there.images.device.type == device.type
    assert torch.equal(there.images.cpu(), here.images) and torch.equal(there.labels.cpu(), here.labels)


def test_a_copy_for_a_checkpoint_is_what_the_tensor_was_when_it_was_asked_for(device) -> None:
    """The next update changes the tensor while the copy is still under way."""
    tensor = torch.ones(2_000_000, device=device)
    copies = HostCopy()
    copies.prepare({"network": {"w": tensor}})
    for round_number in range(3):
        tensor.fill_(round_number)
        copy = copies.of({"network": {"w": tensor}})["network"]["w"]
        tensor.fill_(-1)
        copies.finish()
        assert copy.device.type == "cpu" and bool((copy == round_number).all())


def test_a_checkpoint_holds_what_was_in_memory(device, tiny, quiet, tmp_path, monkeypatch) -> None:
    real, held = saving.Saver.begin, {}

    def begin(self, state) -> None:
        held[state.step] = {
            file: {name: tensor.detach().clone().cpu() for name, tensor in tensors.items()}
            for file, tensors in state.tensors().items()
        }
        real(self, state)

    monkeypatch.setattr(saving.Saver, "begin", begin)
    assert loop.train(tiny("training.keep_checkpoints=10"), tmp_path / "run", device, quiet)
    assert list(held) == [2, 4, 6]
    for path in checkpoint.steps(tmp_path / "run" / "checkpoints"):
        for file, tensors in held[checkpoint.step_of(path)].items():
            saved = checkpoint.read(path).tensors(file)
            assert all(torch.equal(saved[name], tensor) for name, tensor in tensors.items()), file


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_resumed_run_is_the_run_that_was_not_interrupted(
    precision, device, tiny, quiet, tmp_path, repeatable
) -> None:
    def run(name: str, steps: int) -> None:
        overrides = (f"training.precision={precision}", "optimizer.decay=constant", f"training.steps={steps}")
        assert loop.train(tiny(*overrides), tmp_path / name, device, quiet)

    run("whole", 6)
    run("parts", 2)
    run("parts", 6)
    whole, parts = (
        checkpoint.read(checkpoint.latest(tmp_path / name / "checkpoints").path).sha256 for name in ("whole", "parts")
    )
    assert {name: parts[name] for name in parts if name != "state.json"} == {
        name: whole[name] for name in whole if name != "state.json"
    }


def test_a_measured_precision_trains(device, tiny, quiet, tmp_path) -> None:
    assert loop.train(tiny("training.precision=auto"), tmp_path / "run", device, quiet)
    saved = checkpoint.latest(tmp_path / "run" / "checkpoints")
    assert saved.state["config"]["training"]["precision"] in ("fp32", "bf16")
    assert saved.state["computed_on"]["device"] == device.type


@pytest.mark.parametrize(("precision", "is_rounded"), [("fp32", False), ("bf16", True), ("fp16", True)])
def test_fp32_is_rounded_to_tf32_in_trainings_in_half_precision_alone(precision, is_rounded, tiny, monkeypatch) -> None:
    """No network can be placed on CUDA here, so that only the decision is looked at."""
    told: list[bool] = []
    monkeypatch.setattr("alphabar.training.state.allow_tf32", told.append)
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, *args, **more: self)
    for name in ("LossMeter", "Skips"):
        monkeypatch.setattr(f"alphabar.training.state.{name}", lambda *args: None)
    monkeypatch.setattr(torch.amp, "GradScaler", lambda *args, **more: None)
    config = tiny(f"training.precision={precision}")
    TrainState(config, build.image_facts(build.image_set(config.data)), torch.device("cuda"))
    assert told == [is_rounded]


def test_tf32_is_allowed_to_products_and_convolutions_alike() -> None:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        for is_allowed in (True, False):
            allow_tf32(is_allowed)
            assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == (is_allowed,) * 2
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
