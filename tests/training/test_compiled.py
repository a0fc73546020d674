"""Compiled blocks train what the others train, under the same names, and are compiled once."""

from functools import partial

import pytest
import torch

from alphabar import build, data
from alphabar.errors import AlphabarError
from alphabar.files.json_lines import lines
from alphabar.networks import compiled
from alphabar.networks.compiled import graphs
from alphabar.runs import checkpoint
from alphabar.training import loop
from alphabar.training.state import TrainState
from alphabar.training.step import Update, train_step

CPU = torch.device("cpu")
SMALL = ["network.attention_resolutions=[]", "network.channel_mult=[1]"]
"""One level; each shape of a block takes seconds."""
COMPILED = [*SMALL, "training.compile=true"]


@pytest.fixture(autouse=True)
def forgotten():
    """No graph is left over from another test, nor a limit."""
    before = torch._dynamo.config.recompile_limit
    torch.compiler.reset()
    yield
    torch.compiler.reset()
    torch._dynamo.config.recompile_limit = before


@pytest.fixture
def traced(monkeypatch) -> None:
    """Graphs are made as for Inductor, but run by torch's own kernels, which takes no compiler and less time."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    monkeypatch.setattr(compiled, "check_compiler", lambda device: None)


def trained(config, count: int = 3) -> tuple[TrainState, list[float], list[int]]:
    """The state after `count` steps, the norms of the gradients, and the graphs that there were after each step."""
    image_set = build.image_set(config.data)
    state = TrainState(config, build.image_facts(image_set), CPU)
    update = Update.of(state, CPU, count)
    stream = data.ShuffledStream(image_set, 0, False)
    norms, counts = [], []
    for _ in range(count):
        norms.append(float(train_step(update, state, stream.batch(state.images, config.training.batch_size))))
        counts.append(graphs())
    return state, norms, counts


MORE = {
    "plain": [],
    "half precision, dropout, micro-batches": [
        "training.precision=bf16", "network.dropout=0.2", "training.micro_batch_size=3",
    ],
    "gradient checkpointing": ["network.gradient_checkpointing=true", "network.dropout=0.2"],
    "noisenet": ["network.name=noisenet", "network.channels=16"],
}  # fmt: skip


@pytest.mark.heavy
@pytest.mark.parametrize("more", MORE.values(), ids=MORE)
def test_compiled_blocks_train_what_the_others_train_and_are_compiled_in_the_first_step_alone(
    more: list[str], tiny, traced
) -> None:
    before = graphs()
    state, norms, counts = trained(tiny(*COMPILED, *more))
    plain, plain_norms, _ = trained(tiny(*SMALL, *more))
    assert before < counts[0] == counts[-1]
    assert norms == pytest.approx(plain_norms, rel=2e-2 if "training.precision=bf16" in more else 1e-5)
    ours, theirs = state.tensors(), plain.tensors()
    assert {name: list(file) for name, file in ours.items()} == {name: list(file) for name, file in theirs.items()}
    for file in (name for name in theirs if name.startswith(("network", "ema"))):
        assert all(torch.allclose(ours[file][name], theirs[file][name], atol=1e-3) for name in theirs[file])


@pytest.mark.heavy
def test_a_compiled_run_is_resumed_to_the_bit_and_counts_its_graphs(tiny, traced, quiet, tmp_path) -> None:
    def run(name: str, steps: int) -> dict[str, str]:
        config = tiny(*COMPILED, "optimizer.decay=constant", f"training.steps={steps}")
        assert loop.train(config, tmp_path / name, CPU, quiet)
        files = checkpoint.latest(tmp_path / name / "checkpoints").sha256
        return {file: files[file] for file in files if file != "state.json"}

    whole = run("whole", 6)
    run("parts", 2)
    assert run("parts", 6) == whole
    first, *others = [line.row for line in lines(tmp_path / "whole" / "metrics.jsonl")]
    assert first["graphs_compiled"] > 0 and not any("graphs_compiled" in row for row in others)
    assert loop.train(tiny(*SMALL, "optimizer.decay=constant", "training.steps=7"), tmp_path / "whole", CPU, quiet)


@pytest.mark.parametrize(
    ("device", "words"), [("cpu", r"needs a C\+\+ compiler on a CPU"), ("cuda", "needs Triton on this GPU")]
)
def test_a_missing_compiler_is_said_before_the_work(device: str, words: str, monkeypatch) -> None:
    def missing() -> None:
        from torch._inductor.exc import InvalidCxxCompiler

        raise InvalidCxxCompiler

    monkeypatch.setattr("torch._inductor.cpp_builder.get_cpp_compiler", missing)
    monkeypatch.setattr("torch.utils._triton.has_triton", lambda: False)
    with pytest.raises(AlphabarError, match=words):
        compiled.check_compiler(torch.device(device))


@pytest.mark.heavy
def test_blocks_that_inductor_compiled_train_what_the_others_train(tiny) -> None:
    _, norms, counts = trained(tiny(*COMPILED, "network.dropout=0.2"))
    assert norms == pytest.approx(trained(tiny(*SMALL, "network.dropout=0.2"))[1], rel=1e-4)
    assert counts[0] == counts[-1] > 0
