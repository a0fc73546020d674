"""Several processes train as one does: the same numbers, the same files, and all of them stop together."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from alphabar import distributed
from alphabar.config import Config
from alphabar.errors import AlphabarError
from alphabar.runs import checkpoint
from alphabar.training import loop
from ranks import forked

CPU = torch.device("cpu")
EVERYTHING = (
    "network.dropout=0.2",
    "network.class_conditional=true",
    "network.label_dropout=0.2",
    "data.horizontal_flip=true",
    "data.augment=0.3",
    "diffusion.objective=hybrid",
    "diffusion.variance=learned_range",
    "diffusion.timestep_sampler=loss_second_moment",
    "training.ema_rates=[0.9, 0.99]",
    "training.log_every=1",
)
"""All that is random, and all that a checkpoint holds."""
ENGINES = ["parallel.strategy=ddp", "parallel.strategy=fsdp2"]


def trained(
    config: Config, path: Path, processes: int = 1, started: Callable[[list[int]], None] | None = None
) -> list[int]:
    return forked(processes, lambda: exit(0 if loop.train(config, path, CPU, Console(quiet=True)) else 4), started)


def losses(path: Path) -> list[float]:
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [row[name] for row in rows for name in ("loss", "mse", "vlb", "grad_norm")]


def content(path: Path) -> dict[str, Any]:
    """The tensors of the newest checkpoint, the previews, and the losses."""
    saved = checkpoint.latest(path / "checkpoints")
    assert saved is not None
    tensors = {f"{name}/{key}": tensor for name in saved.names() for key, tensor in saved.tensors(name).items()}
    pictures = {png.name: png.read_bytes() for png in sorted((path / "samples").iterdir())}
    return {"step": saved.state["step"], "losses": losses(path), **pictures, **tensors}


def assert_equal(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a.keys() == b.keys()
    for key, value in a.items():
        assert torch.equal(value, b[key]) if isinstance(value, torch.Tensor) else value == b[key], key


def assert_close(a: dict[str, Any], b: dict[str, Any], tolerance: float) -> None:
    assert a.keys() == b.keys()
    for key, value in a.items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            torch.testing.assert_close(value, b[key], rtol=tolerance, atol=tolerance, msg=key)


@pytest.fixture(scope="module")
def alone(tiny, tmp_path_factory) -> Callable[..., dict[str, Any]]:
    """What one process makes of a config."""
    known: dict[str, dict[str, Any]] = {}

    def of(*settings: str) -> dict[str, Any]:
        if (key := "".join(settings)) not in known:
            path = tmp_path_factory.mktemp("alone") / "run"
            assert loop.train(tiny(*settings), path, CPU, Console(quiet=True))
            known[key] = content(path)
        return known[key]

    return of


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("engine", "processes", "optimizer"),
    [(ENGINES[0], 2, "muon"), (ENGINES[0], 3, "adam"), (ENGINES[1], 2, "adam"), (ENGINES[1], 3, "muon")],
)
def test_any_number_of_processes_sees_the_losses_of_one_for_tens_of_steps(
    tiny, alone, tmp_path, engine, processes, optimizer
) -> None:
    steps = 50 if engine == ENGINES[0] else 20  # a step of fsdp2 takes several times as long here
    settings = (*EVERYTHING, f"training.steps={steps}", f"training.checkpoint_every={steps}")
    settings += (f"optimizer.name={optimizer}",)
    assert trained(tiny(*settings, engine), tmp_path / "run", processes) == [0] * processes
    here, there = alone(*settings), content(tmp_path / "run")
    assert there["losses"] == pytest.approx(here["losses"], rel=1e-6, abs=1e-6)
    assert_close(here, there, 1e-4)  # weights: Adam's first steps divide noise by noise


@pytest.mark.heavy
def test_noisenet_is_sharded_block_by_block_and_sees_the_losses_of_one_process(tiny, alone, tmp_path) -> None:
    hybrid = ("diffusion.objective=hybrid", "diffusion.variance=learned_range")
    settings = ("network.name=noisenet", *hybrid, "training.steps=8", "training.checkpoint_every=8")
    assert trained(tiny(*settings, "parallel.strategy=fsdp2"), tmp_path / "run", 2) == [0, 0]
    here, there = alone(*settings), content(tmp_path / "run")
    assert there["losses"] == pytest.approx(here["losses"], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("processes", [2, pytest.param(4, marks=pytest.mark.heavy)])
@pytest.mark.parametrize("micro_batch_size", ["none", pytest.param("3", marks=pytest.mark.heavy)])
def test_an_exact_run_has_the_same_bits_on_any_number_of_processes(
    tiny, alone, tmp_path, processes, micro_batch_size
) -> None:
    settings = (*EVERYTHING, "parallel.exact=true", f"training.micro_batch_size={micro_batch_size}")
    settings += ("training.batch_size=12", "training.sample_every=3")
    assert trained(tiny(*settings), tmp_path / "run", processes) == [0] * processes
    assert_equal(alone(*settings), content(tmp_path / "run"))


@pytest.mark.heavy
def test_accumulated_gradients_are_those_of_the_batch(tiny, alone, tmp_path) -> None:
    settings = (*EVERYTHING, "training.micro_batch_size=2", "training.batch_size=10")
    for engine in ENGINES:
        path = tmp_path / engine
        assert trained(tiny(*settings, engine), path, 2) == [0, 0]
        assert content(path)["losses"] == pytest.approx(alone(*settings)["losses"], rel=1e-5, abs=1e-6)


@pytest.mark.heavy
def test_a_run_goes_on_with_another_number_of_processes_and_another_engine(tiny, alone, tmp_path) -> None:
    path = tmp_path / "run"
    settings = (*EVERYTHING, "optimizer.decay=constant", "parallel.exact=true", "training.batch_size=12")
    settings += ("training.checkpoint_every=1",)
    for processes, steps in ((1, 1), (2, 2), (4, 4), (1, 6)):
        assert trained(tiny(*settings, f"training.steps={steps}"), path, processes) == [0] * processes
    whole = alone(*settings)
    assert_equal({key: whole[key] for key in whole if not key.endswith(".png")}, {
        key: value for key, value in content(path).items() if not key.endswith(".png")
    })  # fmt: skip


@pytest.mark.heavy
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_checkpoint_of_either_engine_is_read_by_the_other_and_by_one_process(
    tiny, alone, tmp_path, optimizer
) -> None:
    path = tmp_path / "run"
    settings = (*EVERYTHING, "optimizer.decay=constant", f"optimizer.name={optimizer}", "training.checkpoint_every=1")
    for processes, engine, steps in ((2, ENGINES[0], 2), (2, ENGINES[1], 4), (3, ENGINES[0], 5), (1, ENGINES[0], 6)):
        assert trained(tiny(*settings, engine, f"training.steps={steps}"), path, processes) == [0] * processes
    assert losses(path) == pytest.approx(alone(*settings)["losses"], rel=1e-5, abs=1e-6)


@pytest.mark.heavy
@pytest.mark.parametrize("engine", ENGINES)
def test_previews_and_scores_are_those_of_one_process(tiny, alone, tmp_path, engine) -> None:
    settings = (
        "training.sample_every=3", "evaluation.every=3", "evaluation.count=9", "evaluation.features=efficientnet-lite0",
        'evaluation.metrics=["kid"]', "sampling.num=5", "training.log_every=1",
    )  # fmt: skip
    assert trained(tiny(*settings, engine), tmp_path / "run", 2) == [0, 0]
    here, there = alone_rows(tiny, settings, tmp_path), rows(tmp_path / "run")
    assert [row["step"] for row in there] == [row["step"] for row in here]
    for one, two in zip(here, there, strict=True):
        if "evaluation" in one:
            assert two["evaluation"] == pytest.approx(one["evaluation"], rel=1e-3)
    assert {png.name for png in (tmp_path / "run" / "samples").iterdir()} == {
        "latest.png", "step-00000003.png", "step-00000006.png",
    }  # fmt: skip


def alone_rows(tiny, settings: tuple[str, ...], tmp_path: Path) -> list[dict[str, Any]]:
    assert loop.train(tiny(*settings), tmp_path / "one", CPU, Console(quiet=True))
    return rows(tmp_path / "one")


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("to", [pytest.param(0, marks=pytest.mark.heavy), 1])
def test_a_signal_to_any_process_makes_all_save_the_same_step_and_leave(tiny, alone, tmp_path, to) -> None:
    settings = (*EVERYTHING, "parallel.exact=true", "optimizer.decay=constant", "training.checkpoint_every=400")
    path = tmp_path / "run"

    def ask(processes: list[int]) -> None:
        wait_for(lambda: (path / "metrics.jsonl").exists() and len(rows(path)) > 3)
        os.kill(processes[to], signal.SIGTERM)

    assert forked(2, lambda: exit(0 if loop.train(tiny(*settings), path, CPU, Console(quiet=True)) else 4), ask) == [
        4,
        4,
    ]
    step = content(path)["step"]
    assert 3 < step < 400 and len(losses(path)) == 4 * step
    once = tmp_path / "once"
    assert loop.train(tiny(*settings, f"training.steps={step}"), once, CPU, Console(quiet=True))
    assert losses(once) == losses(path)


@pytest.mark.heavy
@pytest.mark.parametrize("victims", [[0], [1], [0, 1]])
def test_when_a_process_is_killed_all_are_gone_and_the_run_resumes_exactly(tiny, alone, tmp_path, victims) -> None:
    settings = (*EVERYTHING, "parallel.exact=true", "training.steps=20", "training.checkpoint_every=1")
    path = tmp_path / "run"
    killed_at = []

    def kill(processes: list[int]) -> None:
        wait_for(lambda: (path / "checkpoints" / "step-00000004").exists())
        for victim in victims:
            os.kill(processes[victim], signal.SIGKILL)
        killed_at.append(time.monotonic())

    ended = trained(tiny(*settings), path, 2, kill)
    assert time.monotonic() - killed_at[0] < 20
    assert all(ended) and all(ended[victim] == -signal.SIGKILL for victim in victims)
    assert trained(tiny(*settings), path, 2) == [0, 0]
    assert_equal(alone(*settings), content(path))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("training.batch_size=1",), "training.batch_size is 1, too few for 2 processes; start 1 at most."),
        (
            ("parallel.exact=true", "training.micro_batch_size=8"),
            "A batch of 8 images has 1 micro-batches of 8, too few for 2 processes; start 1 at most.",
        ),
        (("parallel.exact=true", "parallel.strategy=fsdp2"), "parallel.exact=true adds whole gradients"),
        (("parallel.strategy=fsdp2", "training.precision=fp16"), "does not train in fp16; set training.precision=bf16"),
    ],
)
def test_what_does_not_go_together_is_said_by_the_main_process_alone(tiny, tmp_path, settings, words) -> None:
    def work() -> None:
        try:
            loop.train(tiny(*settings), tmp_path / "run", CPU, Console(quiet=True))
        except AlphabarError as error:
            exit(3 if distributed.is_said_elsewhere(error) else 2 if words in str(error) else 5)

    assert forked(2, work) == [2, 3]
    assert not (tmp_path / "run").exists()


def test_a_mistake_in_one_process_alone_is_said_by_the_main_one(tmp_path) -> None:
    def work() -> None:
        try:
            with distributed.alike():
                if distributed.rank() == 1:
                    raise AlphabarError("The disk is full.")
        except AlphabarError as error:
            is_right = str(error) == "In process 1: The disk is full."
            exit(3 if distributed.is_said_elsewhere(error) else 2 if is_right else 5)

    assert forked(2, work) == [2, 3]
