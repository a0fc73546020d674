"""A run that diverges stops with a sentence, keeps its last good checkpoint, and resumes with what is advised there."""

import io
import json
import re
from pathlib import Path

import pytest
import torch
from rich.console import Console

from alphabar import build, data
from alphabar import config as c
from alphabar.config import loading
from alphabar.errors import AlphabarError
from alphabar.runs import checkpoint
from alphabar.training import loop
from alphabar.training.mishaps import divergence
from alphabar.training.state import TrainState
from alphabar.training.step import Update, train_step

CPU = torch.device("cpu")
REMEDIES = {
    "optimizer.learning_rate": "1e-5",
    "optimizer.warmup_steps": "50",
    "optimizer.clip_norm": "0.1",
    "training.precision": "bf16",
}


def steps_kept(path: Path) -> list[int]:
    return [checkpoint.step_of(found) for found in checkpoint.steps(path / "checkpoints")]


def newest(path: Path) -> checkpoint.Checkpoint:
    found = checkpoint.latest(path / "checkpoints")
    assert found is not None
    return found


@pytest.mark.parametrize("rate", ["1e3", "1e20", "1e38"])
def test_a_rate_that_throws_the_weights_away_leaves_no_checkpoint_of_them(tiny, quiet, tmp_path, rate) -> None:
    """Each step is saved, so that the loss, which is that of the weights before the update, looks good at the first."""
    config = tiny(f"optimizer.learning_rate={rate}", "optimizer.warmup_steps=0", "training.checkpoint_every=1")
    with pytest.raises(AlphabarError, match=r"^Training diverged: .* \(no checkpoint was written yet\); start again"):
        loop.train(config, tmp_path / "run", CPU, quiet)
    assert steps_kept(tmp_path / "run") == []
    assert loop.train(tiny(), tmp_path / "run", CPU, quiet)  # before the first checkpoint nothing is refused


def test_the_last_checkpoint_before_an_explosion_is_kept_and_resumes_with_each_remedy(tiny, quiet, tmp_path) -> None:
    path, exploding = tmp_path / "run", "optimizer.learning_rate=1e20"
    loop.train(tiny("training.steps=4"), path, CPU, quiet)
    with pytest.raises(AlphabarError, match=r"the checkpoint of step 4 is kept\); resume with") as error:
        loop.train(tiny(exploding), path, CPU, quiet)
    assert steps_kept(path) == [2, 4] and newest(path).state["config"]["optimizer"]["learning_rate"] != 1e20
    advised = re.findall(r"\w+\.\w+", str(error.value).split("resume with")[1])
    assert advised and set(advised) <= REMEDIES.keys()
    for end, name in enumerate(advised, 5):
        assert loop.train(tiny(f"{name}={REMEDIES[name]}", f"training.steps={end}"), path, CPU, quiet)


@pytest.mark.parametrize("name", REMEDIES)
def test_a_changed_remedy_is_said_and_recorded(tiny, quiet, tmp_path, name) -> None:
    path, console = tmp_path / "run", Console(file=io.StringIO(), width=500)
    loop.train(tiny(), path, CPU, quiet)
    section, key = name.split(".")
    before = newest(path).state["config"][section][key]
    assert loop.train(tiny(f"{name}={REMEDIES[name]}", "training.steps=8"), path, CPU, console)
    after = newest(path).state["config"][section][key]
    assert str(after) == str(json.loads(json.dumps(after))) and after != before
    change = f"{name}: {before} -> {after}"
    assert f"changed setting {change}\n" in console.file.getvalue()
    rows = [json.loads(line) for line in (path / "environment.jsonl").read_text().splitlines()]
    assert [row["changed"] for row in rows] == [[], [change]]
    assert json.loads((path / "config.json").read_text())[section][key] == after


@pytest.mark.parametrize(("before", "after"), [("fp16", "fp32"), ("fp32", "fp16"), ("fp16", "bf16"), ("bf16", "fp16")])
def test_the_precision_may_change_in_either_direction(tiny, quiet, tmp_path, before, after) -> None:
    loop.train(tiny(f"training.precision={before}", "training.steps=2"), tmp_path / "run", CPU, quiet)
    assert loop.train(tiny(f"training.precision={after}", "training.steps=4"), tmp_path / "run", CPU, quiet)
    assert newest(tmp_path / "run").state["step"] == 4
    assert bool(newest(tmp_path / "run").state["loss_scale"]) == (after == "fp16")


@pytest.mark.parametrize(
    "change",
    [
        "optimizer.betas=[0.8, 0.99]",
        "optimizer.eps=1e-6",
        "optimizer.weight_decay=0.1",
        "optimizer.decay=linear",
        "training.ema_rates=[0.5]",
        "network.dropout=0.1",
    ],
)
def test_what_is_no_remedy_is_still_refused(tiny, quiet, tmp_path, change) -> None:
    loop.train(tiny(), tmp_path / "run", CPU, quiet)
    with pytest.raises(AlphabarError, match=f"other settings \\({change.split('=')[0]}: "):
        loop.train(tiny(change, "optimizer.learning_rate=1e-5"), tmp_path / "run", CPU, quiet)


def test_remedies_and_free_settings_are_settings() -> None:
    every = {f"{name}.{key}" for name, section in c.sections().items() for key in section.model_fields}
    assert REMEDIES.keys() == loading.REMEDIES
    assert every | set(c.sections()) >= loading.REMEDIES | loading.FREE_TO_CHANGE
    assert not loading.REMEDIES & loading.FREE_TO_CHANGE


def without_gradient(monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    """From step `first` on no gradient is finite, though every loss is."""
    real = loop.train_step

    def step(update, state, batch):
        hooks = [] if state.step < first else [next(state.network.parameters()).register_hook(lambda g: g * torch.nan)]
        norm = real(update, state, batch)
        for hook in hooks:
            hook.remove()
        return norm

    monkeypatch.setattr(loop, "train_step", step)


@pytest.mark.heavy
@pytest.mark.parametrize("first", [0, 3])
def test_gradients_in_fp16_that_are_never_finite_stop_the_run(tiny, quiet, tmp_path, monkeypatch, first) -> None:
    without_gradient(monkeypatch, first)
    config = tiny("training.precision=fp16", "training.steps=60")
    with pytest.raises(
        AlphabarError, match=r"gradient is not finite in the last \d+ updates .*training\.precision=fp32"
    ):
        loop.train(config, tmp_path / "run", CPU, quiet)
    assert max([*steps_kept(tmp_path / "run"), 0]) < first + divergence.MOST_SKIPPED
    text = (tmp_path / "run" / "metrics.jsonl").read_text() if first else ""
    rows = [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]
    assert not first or None in [row["grad_norm"] for row in rows]


def test_a_run_in_fp16_that_never_took_a_step_does_not_end_well(tiny, quiet, tmp_path, monkeypatch) -> None:
    without_gradient(monkeypatch, 0)
    config = tiny("training.precision=fp16", "training.log_every=100", "training.checkpoint_every=100")
    with pytest.raises(AlphabarError, match="in the last 6 updates by step 6, which were skipped"):
        loop.train(config, tmp_path / "run", CPU, quiet)


@pytest.mark.heavy
def test_a_few_skipped_updates_in_fp16_are_no_divergence(tiny, quiet, tmp_path, monkeypatch) -> None:
    real = loop.train_step

    def step(update, state, batch):
        state.scaler.update(1e38 if state.step in (2, 5) else None) if state.step in (2, 5) else None
        return real(update, state, batch)

    monkeypatch.setattr(loop, "train_step", step)
    assert loop.train(tiny("training.precision=fp16", "training.steps=8"), tmp_path / "run", CPU, quiet)
    scale = newest(tmp_path / "run").state["loss_scale"]["scale"]
    assert 65536 < scale < 1e38  # it was halved, so updates were skipped


@pytest.mark.heavy
def test_the_count_of_skipped_updates_goes_on_after_a_resume(tiny, quiet, tmp_path, monkeypatch) -> None:
    without_gradient(monkeypatch, 3)
    monkeypatch.setattr(divergence, "MOST_SKIPPED", 4)
    with pytest.raises(AlphabarError, match="diverged"):
        for end in (4, 5, 6, 7):
            config = tiny("training.precision=fp16", f"training.steps={end}", "training.checkpoint_every=100")
            loop.train(config, tmp_path / "run", CPU, quiet)
    assert steps_kept(tmp_path / "run")[-1] < 3 + divergence.MOST_SKIPPED


def broken(state: TrainState, what: str) -> None:
    if what == "network":
        next(state.network.parameters()).data.view(-1)[0] = torch.nan
    elif what == "average":
        next(next(iter(state.ema.networks.values())).parameters()).data.view(-1)[0] = torch.inf
    else:
        moment = next(iter(state.optimizer.state.values()))[{"moment": "exp_avg", "square": "exp_avg_sq"}[what]]
        moment.view(-1)[-1] = -torch.inf


@pytest.mark.parametrize("what", ["network", "average", "moment", "square"])
def test_no_tensor_that_is_not_finite_is_committed(tiny, quiet, tmp_path, monkeypatch, what) -> None:
    real = loop.train_step

    def step(update, state, batch):
        norm = real(update, state, batch)
        if state.step == 4:
            broken(state, what)
        return norm

    monkeypatch.setattr(loop, "train_step", step)
    with pytest.raises(AlphabarError, match=r"is not finite at step 4 \(the checkpoint of step 2 is kept\)"):
        loop.train(tiny(), tmp_path / "run", CPU, quiet)
    assert steps_kept(tmp_path / "run") == [2]


def trained(config: c.Config, steps: int) -> tuple[Update, TrainState, data.Batch]:
    image_set = build.image_set(config.data)
    state = TrainState(config, build.image_facts(image_set), CPU)
    update, stream = Update.of(state, CPU, 1000), data.ShuffledStream(image_set, 0, False)
    for _ in range(steps):
        batch = stream.batch(state.images, 8)
        train_step(update, state, batch)
    return update, state, batch


OBJECTIVES = [
    [f"diffusion.parameterization={kind}", f"network.class_conditional={conditional}"]
    for kind, conditional in (("eps", "true"), ("x0", "false"), ("v", "true"), ("mu", "false"))
] + [
    ["diffusion.variance=learned_range", "diffusion.objective=hybrid"],
    ["diffusion.variance=learned_range", "diffusion.objective=vlb", "training.micro_batch_size=3"],
    ["diffusion.weighting=min_snr", "network.dropout=0.5"],
]


@pytest.mark.parametrize("overrides", OBJECTIVES, ids="|".join)
def test_weights_that_were_thrown_away_are_recognised_and_trained_ones_are_left_alone(tiny, overrides) -> None:
    update, state, batch = trained(tiny(*overrides), 3)
    before = {key: tensor.clone() for key, tensor in state.network.state_dict().items()}
    divergence.check_weights(update, state, batch, 2)
    assert all(torch.equal(tensor, before[key]) for key, tensor in state.network.state_dict().items())
    loss, zero = divergence._losses(update, state, batch)
    assert loss < 3 * max(zero, 1)
    with torch.no_grad():
        for tensor in state.network.parameters():
            tensor.add_(torch.randn_like(tensor), alpha=30)
    assert divergence._losses(update, state, batch)[0] < torch.inf or update.denoiser.variance.learned
    with pytest.raises(AlphabarError, match=r"network that outputs 0 is \S+ \(the checkpoint of step 2 is kept\)"):
        divergence.check_weights(update, state, batch, 2)
