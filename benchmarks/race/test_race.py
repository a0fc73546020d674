"""Whether the sides are what they claim to be: python -m pytest benchmarks/race."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.race.clock import Clock
from benchmarks.race.likelihood import with_best_variance
from benchmarks.race.peer import Peer
from benchmarks.race.peer_training import go_on, restore, save
from benchmarks.race.rows import Row, best, ratios
from benchmarks.race.shared import classes_for, shared
from torch import nn

from alphabar import config, data, diffusion
from alphabar.config import ImageFacts
from alphabar.diffusion import Denoiser, q_sample
from alphabar.sampling.job import Job

FACTS = ImageFacts(shape=(1, 32, 32), class_names=tuple("0123456789"), fingerprint="")
RECIPE = config.load("fashion_mnist")
TIMES = torch.tensor([0, 1, 250, 700, 998])


def diffusers_peer(conditional: bool = False) -> Peer:
    side = pytest.importorskip("benchmarks.race.diffusers_side")
    torch.manual_seed(0)
    return side.Diffusers(side.options(RECIPE, FACTS, conditional))


def lucidrains_peer() -> Peer:
    if find_spec("denoising_diffusion_pytorch") is None:
        pytest.skip("denoising-diffusion-pytorch is not installed")
    from benchmarks.race import lucidrains_side as side

    torch.manual_seed(0)
    return side.Lucidrains(side.options(RECIPE, FACTS, 8, 0), (32, 32))


PEERS = {"diffusers": diffusers_peer, "lucidrains": lucidrains_peer}


@pytest.fixture
def x() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.rand(5, 1, 32, 32) * 2 - 1, torch.randn(5, 1, 32, 32)


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.allclose(a, b, rtol=0, atol=1e-5)


def test_diffusers_is_read_as_it_reads_itself(x: tuple[torch.Tensor, torch.Tensor]) -> None:
    from benchmarks.race import diffusers_side

    peer: Any = diffusers_peer()
    ours: Denoiser = diffusers_side.denoiser(peer.network.eval(), peer.scheduler)
    x0, eps = x
    noisy = peer.scheduler.add_noise(x0, eps, TIMES)
    assert close(noisy, q_sample(ours.schedule, x0, TIMES + 1, eps))
    with torch.no_grad():
        for k, t in enumerate(TIMES.tolist()):
            one = noisy[k : k + 1]
            theirs = peer.scheduler.step(peer.network(one, t).sample, t, one).pred_original_sample
            assert close(ours(one, t + 1).x0, theirs)
    table = ours.schedule.alpha_bar - diffusion.linear(1000).alpha_bar
    assert float(table.abs().max()) < 1e-6


def test_lucidrains_is_read_as_it_reads_itself(x: tuple[torch.Tensor, torch.Tensor]) -> None:
    peer: Any = lucidrains_peer()
    from benchmarks.race import lucidrains_side

    ours: Denoiser = lucidrains_side.denoiser(peer.network.eval())
    x0, eps = x
    noisy = peer.network.q_sample(x0, TIMES, eps)
    assert close(noisy, q_sample(ours.schedule, x0, TIMES + 1, eps))
    assert close(peer.network.predict_v(x0, TIMES, eps), ours.target(x0, eps, TIMES + 1))
    with torch.no_grad():
        theirs = peer.network.model_predictions(noisy, TIMES, clip_x_start=True)
        found = ours(noisy, TIMES + 1)
    assert close(found.x0, theirs.pred_x_start)
    assert torch.allclose(found.eps[1:], theirs.pred_noise[1:], atol=1e-4)  # at t = 0 they divide by 0.001 in float32


def test_what_we_draw_with_ddim_from_lucidrains_is_what_it_draws() -> None:
    """On its own grid, from its own noise: the two samplers are one equation."""
    peer: Any = lucidrains_peer()
    from benchmarks.race import lucidrains_side as side

    batch = Job((3, 4), None, (1, 32, 32))
    theirs = side.draw(peer.network.eval(), batch, 10)
    torch.manual_seed(3)
    start = torch.randn(2, 1, 32, 32)
    rows = [t + 1 for t in torch.linspace(-1, 999, 11).int().tolist()[1:]]
    denoiser = side.denoiser(peer.network).respaced(rows)
    for step in diffusion.reverse_process(diffusion.DDIM(), denoiser, start, noise=torch.randn_like):
        drawn = step.x
    assert torch.allclose(drawn, theirs, atol=1e-3)


def test_diffusers_draws_as_its_pipeline_does() -> None:
    from benchmarks.race import diffusers_side as side

    peer: Any = diffusers_peer()
    import diffusers

    scheduler = diffusers.DDIMScheduler.from_config(peer.scheduler.config)
    pipeline = diffusers.DDIMPipeline(peer.network.eval(), scheduler)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(7)
    theirs = pipeline(batch_size=2, generator=generator, num_inference_steps=4, output_type="np").images
    ours = side.draw(peer.network, scheduler, Job((7, 8), None, (1, 32, 32)), 4)
    assert close((ours / 2 + 0.5).clamp(0, 1), torch.from_numpy(theirs).permute(0, 3, 1, 2))


@dataclass
class Ticks:
    """A clock that takes a second for each look."""

    cpu_s: float = 0.0

    @property
    def cpu(self) -> float:
        self.cpu_s += 1
        return self.cpu_s - 1


@pytest.mark.parametrize("name", PEERS)
def test_a_resumed_training_ends_where_an_uninterrupted_one_does(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    images = torch.randint(0, 256, (40, 1, 32, 32), dtype=torch.uint8)
    stream = data.ShuffledStream(data.ImageSet("noise", images, None, (), ""), seed=5)
    whole, first, second = PEERS[name](), PEERS[name](), PEERS[name]()
    go_on(whole, stream, 4, Ticks(), 6)
    go_on(first, stream, 4, Ticks(), 6, leave=lambda: first.updates == 3)
    save(tmp_path / "checkpoint.pt", first, Clock(cpu=3))
    with torch.no_grad():
        for p in second.network.parameters():
            p.zero_()
    assert restore(tmp_path / "checkpoint.pt", second)["cpu"] == pytest.approx(3, abs=0.5)
    go_on(second, stream, 4, Ticks(3), 6)
    assert (whole.updates, whole.images) == (second.updates, second.images) == (6, 24)
    same(whole.network, second.network)
    same(whole.average(), second.average())
    start = PEERS[name]()
    assert any(
        not torch.equal(a, b) for a, b in zip(start.network.parameters(), whole.network.parameters(), strict=True)
    )


def same(a: nn.Module, b: nn.Module) -> None:
    for (name, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.equal(x, y), name


def test_the_learning_rate_of_diffusers_warms_up_and_ends_at_0() -> None:
    peer: Any = diffusers_peer()
    paces = []
    for step in range(2001):
        peer.updates = step
        paces.append(peer._pace(step / 2000))
    from diffusers.optimization import get_scheduler

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = get_scheduler("cosine", optimizer, num_warmup_steps=500, num_training_steps=2000)
    for pace in paces:
        assert pace == pytest.approx(theirs.get_last_lr()[0], abs=5e-3)
        optimizer.step()
        theirs.step()


def test_every_network_is_drawn_from_the_same_seeds() -> None:
    class Seen(nn.Module):
        def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
            seen.append(x.clone())
            return torch.zeros_like(x)

    seen: list[torch.Tensor] = []
    for schedule in (diffusion.linear(1000), diffusion.cosine(1000)):
        denoiser = Denoiser(Seen(), schedule, diffusion.V, diffusion.FIXED_SMALL)
        for way in shared(denoiser):
            assert way.draw(Job((0, 1), None, (1, 8, 8))).shape == (2, 1, 8, 8)
            first, seen = seen[0], []
            assert torch.equal(first[0], torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("count", [10, 16, 300])
def test_classes_come_in_the_proportions_of_the_data(count: int) -> None:
    labels = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)[torch.randperm(100)]
    found = torch.tensor(classes_for(labels, count)).bincount(minlength=3) / count
    assert torch.allclose(found, torch.tensor([0.6, 0.3, 0.1]), atol=2 / count)


def row(side: str, sampler: str, own: bool, conditional: bool, values: list[float], count: int = 64) -> Row:
    metrics = [{"FD-x": {"value": v, "interval": None, "standard_error": 0.1}} for v in values]
    return Row(
        side, sampler, count, own, conditional, {s: {"evaluation": {"metrics": m}} for s, m in enumerate(metrics)}
    )


def test_a_side_is_shown_by_the_best_of_its_own_samplers_at_its_most_images() -> None:
    wanted = [row("alphabar", "b", True, True, [2.0, 4.0]), row("diffusers", "a", True, False, [6.0])]
    others = [
        row("alphabar", "a", True, True, [3.0, 4.0]),
        row("alphabar", "b", True, True, [1.0], count=10),
        row("alphabar", "c", False, True, [1.0]),
    ]
    assert list(best([*others, *wanted]).values()) == wanted


def test_like_is_compared_with_like() -> None:
    found = [
        row("alphabar", "alphabar-a", True, True, [1.0, 2.0]),
        row("alphabar-unconditional", "alphabar-a", True, False, [3.0]),
        row("diffusers", "diffusers-b", True, False, [6.0]),
        row("diffusers", "diffusers-c", True, False, [6.0], count=10),
        row("diffusers-conditional", "diffusers-b", True, True, [2.0, 5.0]),
        row("diffusers-conditional", "alphabar-a", False, True, [4.0]),
    ]
    own, same = ratios(found, "own"), ratios(found, "shared")
    assert [(r.ours.side, r.theirs.side, r.values) for r in own] == [
        ("alphabar", "diffusers-conditional", (0.5, 0.4)),
        ("alphabar-unconditional", "diffusers", (0.5,)),
    ]
    assert [(r.ours.side, r.theirs.side, r.values) for r in same] == [("alphabar", "diffusers-conditional", (0.25,))]
    assert own[0].value == pytest.approx(0.45) and own[0].error == pytest.approx(0.05)


@pytest.mark.parametrize("name", diffusion.VARIANCES)
def test_the_better_fixed_variance_stands_in_for_a_fixed_one_alone(name: str) -> None:
    variance = diffusion.VARIANCES[name]
    denoiser = Denoiser(nn.Identity(), diffusion.cosine(1000), diffusion.V, variance)
    expected = variance if variance.learned else diffusion.FIXED_LARGE
    assert with_best_variance(denoiser).variance == expected
