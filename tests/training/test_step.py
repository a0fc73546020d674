"""One update does what the formulas say, however it is cut into pieces."""

import math

import pytest
import torch

from alphabar import build, data
from alphabar.errors import AlphabarError
from alphabar.training import EMA, loop
from alphabar.training.clock.length import Length, total_steps
from alphabar.training.clock.pace import Pace
from alphabar.training.meter import LossMeter
from alphabar.training.optimizers.lr import learning_rate
from alphabar.training.state import TrainState
from alphabar.training.step import Update, train_step

CPU = torch.device("cpu")


def run_steps(config, count: int) -> tuple[TrainState, list[float]]:
    image_set = build.image_set(config.data)
    state = TrainState(config, build.image_facts(image_set), CPU)
    update = Update.of(state, CPU, count)
    stream = data.ShuffledStream(image_set, config.training.seed, config.data.horizontal_flip)
    batches = (stream.batch(state.images, config.training.batch_size) for _ in range(count))
    return state, [float(train_step(update, state, batch)) for batch in batches]


class Fixed:
    """A timestep sampler of t = 1..B and one weight, which keeps the losses that it is told."""

    def __init__(self, weight: float) -> None:
        self.weight, self.losses = weight, []

    def sample(self, batch: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.arange(1, batch + 1, device=device), torch.full((batch,), self.weight, device=device)

    def update(self, t: torch.Tensor, loss: torch.Tensor) -> None:
        self.losses.append(loss)


def one_step(config, sampler: Fixed) -> tuple[TrainState, float]:
    image_set = build.image_set(config.data)
    state = TrainState(config, build.image_facts(image_set), CPU)
    state.timestep_sampler = sampler
    batch = data.ShuffledStream(image_set, 0, False).batch(0, config.training.batch_size)
    return state, float(train_step(Update.of(state, CPU, 10), state, batch))


def test_the_weights_of_the_timestep_sampler_multiply_the_loss(tiny) -> None:
    (_, plain), (_, tripled) = (one_step(tiny(), Fixed(weight)) for weight in (1.0, 3.0))
    assert plain > 0 and tripled == pytest.approx(3 * plain, rel=1e-4)


def test_the_timestep_sampler_is_told_the_bound_if_there_is_one(tiny) -> None:
    """IDDPM §3.3: importance sampling is for L_vlb, the squared error does not count."""
    sampler = Fixed(1.0)
    state, _ = one_step(tiny("diffusion.objective=hybrid", "diffusion.variance=learned_range"), sampler)
    means = state.meter.read()
    assert float(torch.cat(sampler.losses).mean()) == pytest.approx(means["vlb"], rel=1e-6)
    assert means["vlb"] != pytest.approx(means["loss"], rel=0.01)


def test_each_update_has_the_learning_rate_of_its_own_step(tiny) -> None:
    config = tiny("optimizer.warmup_steps=4", "optimizer.decay=linear")
    for count in (1, 3, 6):
        state, _ = run_steps(config, count)
        assert state.optimizer.param_groups[0]["lr"] == learning_rate(config.optimizer, count - 1, count)


@pytest.mark.parametrize("pieces", [1, 3, 4, 8])
def test_the_gradient_of_the_whole_batch_is_the_mean_over_its_micro_batches(tiny, pieces: int) -> None:
    """Peers sum them: then clipping and logged norms depend on how the batch is cut."""
    whole, whole_norms = run_steps(tiny(), 3)
    cut, cut_norms = run_steps(tiny(f"training.micro_batch_size={pieces}"), 3)
    assert cut_norms == pytest.approx(whole_norms, rel=1e-4)
    for a, b in zip(whole.network.parameters(), cut.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-5)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tiny) -> None:
    first, again, other = (run_steps(tiny(f"training.seed={seed}"), 2)[0].network.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_no_step_clips_a_gradient_that_is_within_bounds_and_none_exceeds_them(tiny, monkeypatch) -> None:
    norms = []
    real = torch.optim.Adam.step

    def spy(self, *args, **kwargs):
        norms.append(torch.cat([p.grad.flatten() for g in self.param_groups for p in g["params"]]).norm().item())
        return real(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", spy)
    _, raw = run_steps(tiny("optimizer.clip_norm=0.05"), 3)
    assert min(raw) > 0.05 and norms == pytest.approx([0.05] * 3, rel=1e-3)
    norms.clear()
    _, raw = run_steps(tiny("optimizer.clip_norm=none"), 3)
    assert norms == pytest.approx(raw, rel=1e-5)


def labels_told(config, batches: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What the network was told in so many steps, and the labels of the images."""
    image_set = build.image_set(config.data)
    state, told, true = TrainState(config, build.image_facts(image_set), CPU), [], []
    state.network.register_forward_pre_hook(lambda module, args, kwargs: told.append(kwargs["y"]), with_kwargs=True)
    update = Update.of(state, CPU, batches)
    stream = data.ShuffledStream(image_set, 0, False)
    for _ in range(batches):
        batch = stream.batch(state.images, config.training.batch_size)
        true.append(batch.labels)
        train_step(update, state, batch)
    return torch.cat(told), torch.cat(true)


@pytest.mark.heavy
def test_label_dropout_withholds_the_class_of_each_image_on_its_own(tiny) -> None:
    settings = ["network.class_conditional=true", "training.batch_size=200", "training.micro_batch_size=77"]
    told, true = labels_told(tiny(*settings, "network.label_dropout=0.3"), 5)
    withheld = told == 10  # the digits' classes are 0..9
    assert torch.equal(told[~withheld], true[~withheld])
    share = withheld.float().view(5, 200).mean(1)
    assert float(share.mean()) == pytest.approx(0.3, abs=4 * math.sqrt(0.3 * 0.7 / 1000)) and len(share.unique()) > 1
    again, _ = labels_told(tiny(*settings, "network.label_dropout=0.3"), 5)
    assert torch.equal(told, again)
    assert torch.equal(*labels_told(tiny(*settings), 2))


def test_label_dropout_without_classes_is_refused(tiny) -> None:
    with pytest.raises(AlphabarError, match=r"label_dropout .* network\.class_conditional=true"):
        tiny("network.label_dropout=0.1")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_stays_inside_the_network(tiny, precision: str) -> None:
    state, norms = run_steps(tiny(f"training.precision={precision}"), 3)
    _, reference = run_steps(tiny(), 3)
    assert {p.dtype for p in state.network.parameters()} == {torch.float32}
    assert norms == pytest.approx(reference, rel=0.1)


@pytest.mark.parametrize("warmup", [True, False])
def test_ema_is_the_recursion_with_or_without_its_ramp(warmup: bool) -> None:
    network = torch.nn.Linear(2, 1)
    ema = EMA(network, (0.5, 0.999), warmup)
    expected = {rate: [p.detach().clone() for p in network.parameters()] for rate in (0.5, 0.999)}
    for n in range(1, 30):
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter)
        ema.update(network)
        for rate, averages in expected.items():
            r = min(rate, (1 + n) / (10 + n)) if warmup else rate
            expected[rate] = [r * a + (1 - r) * p.detach() for a, p in zip(averages, network.parameters(), strict=True)]
    for rate, average in ema.networks.items():
        torch.testing.assert_close(list(average.parameters()), expected[rate])
        assert not average.training and not any(parameter.requires_grad for parameter in average.parameters())


@pytest.mark.parametrize(
    ("decay", "expected"),
    [
        ("constant", {0: 0.25, 3: 1.0, 50: 1.0, 99: 1.0}),
        ("linear", {0: 0.25, 50: 0.5, 99: 0.01}),
        ("cooldown", {0: 0.25, 4: 1.0, 80: 1.0, 90: 0.5, 99: 0.05}),
        ("cosine", {0: 0.25, 50: 0.5, 75: 0.5 * (1 + math.cos(0.75 * math.pi))}),
    ],
)
def test_learning_rate_warms_up_and_decays(tiny, decay: str, expected: dict[int, float]) -> None:
    section = tiny(f"optimizer.decay={decay}", "optimizer.learning_rate=1.0", "optimizer.warmup_steps=4").optimizer
    for step, value in expected.items():
        assert learning_rate(section, step, 100) == pytest.approx(value)
    assert all(learning_rate(section, step, 100) > 0 for step in range(100))


@pytest.mark.parametrize(
    ("settings", "end"),
    [
        (["training.steps=7"], 7),
        (["training.steps=none", "training.images=17"], 3),
        (["training.steps=none", "training.epochs=0.5"], 7),
        (["training.steps=5", "training.images=800", "training.epochs=9"], 5),
        (["training.steps=none", "training.minutes=1", "optimizer.decay=constant"], None),
    ],
)
def test_whichever_comes_first_ends_the_run(tiny, settings: list[str], end: int | None) -> None:
    assert total_steps(tiny(*settings).training, set_size=100) == end


def test_minutes_end_a_run_that_has_no_other_end(tiny, quiet, tmp_path) -> None:
    config = tiny("training.steps=none", "training.minutes=0.01", "optimizer.decay=constant", "training.log_every=50")
    assert loop.train(config, tmp_path / "run", CPU, quiet)
    length = Length.of(config, 100)
    assert length.is_over(Pace(), 10**9, 0.61) and not length.is_over(Pace(), 10**9, 0.59)


def test_the_meter_does_not_mind_how_t_is_drawn() -> None:
    """Losses 1 and 9 at two steps; the larger is drawn three times as often and weighs a third."""
    meter = LossMeter(100, CPU)
    t = torch.tensor([10, 60, 60, 60])
    losses = {"loss": torch.tensor([1.0, 9.0, 9.0, 9.0]), "vlb": torch.tensor([2.0, 6.0, 6.0, 6.0])}
    meter.update(t, losses, torch.tensor([2.0, 2 / 3, 2 / 3, 2 / 3]))
    found = meter.read()
    assert (found["loss"], found["loss_q1"], found["loss_q3"], found["vlb"]) == pytest.approx((5.0, 1.0, 9.0, 4.0))
    assert "mse" not in found


@pytest.mark.parametrize(
    ("objective", "variance"), [("hybrid", "learned_range"), ("vlb", "learned"), ("vlb", "fixed_small")]
)
@pytest.mark.parametrize("sampler", ["uniform", "antithetic", "loss_second_moment"])
def test_every_objective_trains_with_every_timestep_sampler(tiny, objective, variance, sampler) -> None:
    config = tiny(
        f"diffusion.objective={objective}", f"diffusion.variance={variance}", f"diffusion.timestep_sampler={sampler}"
    )
    state, norms = run_steps(config, 4)
    assert all(0 < norm < math.inf for norm in norms)
    assert state.meter.read()["vlb"] > 0
    if sampler == "loss_second_moment":
        assert int(state.timestep_sampler.state_dict()["count"].sum()) == 4 * config.training.batch_size


def test_the_meter_tells_the_quartiles_of_t_apart() -> None:
    meter = LossMeter(100, CPU)
    assert meter.read()["loss"] is None
    losses = torch.tensor([1.0, 3.0, 5.0, 7.0, 9.0, 11.0])
    meter.update(torch.tensor([1, 25, 26, 51, 76, 100]), {"loss": losses, "mse": 2 * losses}, torch.ones(6))
    quartiles = {"loss_q1": 2.0, "loss_q2": 5.0, "loss_q3": 7.0, "loss_q4": 10.0}
    assert meter.read() == {"loss": 6.0, **quartiles, "mse": 12.0}
    assert meter.read()["loss_q1"] is None


def test_a_run_that_diverges_stops_before_it_can_spoil_a_checkpoint(tiny, quiet, tmp_path, monkeypatch) -> None:
    real = loop.train_step

    def explode(update, state, batch):
        if state.step == 4:
            state.is_copied.wait()  # as the update does: a checkpoint is copied during the step that follows it
            next(state.network.parameters()).data.fill_(float("nan"))
        return real(update, state, batch)

    monkeypatch.setattr(loop, "train_step", explode)
    with pytest.raises(AlphabarError, match=r"not finite at step 6 \(the checkpoint of step 4 is kept\)"):
        loop.train(tiny(), tmp_path / "run", CPU, quiet)
    assert sorted(p.name for p in (tmp_path / "run/checkpoints").iterdir()) == ["step-00000002", "step-00000004"]


@pytest.mark.heavy
def test_training_learns(tiny, quiet, tmp_path) -> None:
    """80 steps of a small network take the loss from 1, that of predicting nothing, to less than half of it."""
    state, _ = run_steps(tiny("network.channels=16", "training.batch_size=32", "optimizer.learning_rate=5e-3"), 80)
    assert state.meter.read()["loss_q4"] < 0.5
