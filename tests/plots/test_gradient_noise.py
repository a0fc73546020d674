"""tr Σ and |G|²: against sums that are known, and against batches that are drawn."""

import pytest
import torch

from alphabar import diffusion, images
from alphabar.diffusion import training_loss
from alphabar.diffusion.timesteps import LossSecondMoment
from alphabar.figures.gradient_noise import GROUPS, VLB, Draws, draws, importance, noise
from alphabar.runs.model import load_model

CPU = torch.device("cpu")


def test_the_estimates_are_unbiased_whatever_q_is() -> None:
    """Gradients that depend on t alone: every moment is then a sum over t."""
    T, n = 6, 4000
    gradient = (
        torch.randn(T, 5, generator=torch.Generator().manual_seed(0)) * torch.tensor([9, 5, 3, 1, 0.5, 0.1])[:, None]
    )
    uniform = torch.full((T,), 1 / T, dtype=torch.float64)
    skewed = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.04, 0.01], dtype=torch.float64)
    p, q = {"uniform": uniform, "skewed": skewed}, (uniform + skewed) / 2
    t = torch.multinomial(q, n, replacement=True, generator=torch.Generator().manual_seed(1)) + 1
    group = torch.arange(n) % GROUPS
    weighted = (gradient / (T * q[:, None]))[t - 1].float()
    sums = torch.zeros(GROUPS, 5).index_add(0, group, weighted)
    traces, squared_mean = noise(Draws(t, group, gradient[t - 1].double().square().sum(1), sums), p, q)

    size = gradient.double().square().sum(1)
    exact = float(gradient.double().mean(0).square().sum())
    assert abs(squared_mean.value - exact) < 3 * squared_mean.error and squared_mean.error < 0.1 * exact
    for name, chosen in p.items():
        trace = float((size / (T**2 * chosen)).sum()) - exact
        assert abs(traces[name].value - trace) < 3 * traces[name].error
        assert traces[name].error < 0.1 * trace and traces[name].low < traces[name].value < traces[name].high


@pytest.mark.heavy
def test_a_batch_has_the_variance_that_is_plotted(runs, plot) -> None:
    """Batches of 8, drawn as training draws them, against 1/8 of the variance of single draws."""
    rows = plot("gradient-noise", runs["linear"], "--batches", 16)
    variance = {row["sampler"]: float(row["variance"]) for row in rows if row["batch_size"] == "8"}
    assert variance["importance"] < variance["uniform"]

    model = load_model(runs["linear"], "raw")
    found = model.images("train")
    generator = torch.Generator().manual_seed(9)
    p = {"uniform": torch.full((24,), 1 / 24).double(), "importance": importance(model, found, generator)}
    parameters = [parameter.requires_grad_() for parameter in model.denoiser.network.parameters()]
    for name, chosen in p.items():
        gradients = []
        for _ in range(150):
            t = torch.multinomial(chosen, 8, replacement=True, generator=generator) + 1
            picked = torch.randint(40, (8,), generator=generator)
            x0, eps = images.to_signed(found.images[picked]), torch.randn(8, 1, 8, 8, generator=generator)
            terms = training_loss(model.denoiser.given(found.labels[picked]), VLB, x0, t, eps)["vlb"]
            batch = (terms / (24 * chosen[t - 1])).mean()
            gradients.append(torch.cat([g.flatten() for g in torch.autograd.grad(batch, parameters)]))
        direct = float(torch.stack(gradients).double().var(0).sum())
        assert 0.7 < variance[name] / direct < 1.4, name


def test_importance_is_the_sampler_of_training_once_it_is_warm(runs) -> None:
    model = load_model(runs["cosine"], "raw")
    found = model.images("train")
    p = importance(model, found, torch.Generator().manual_seed(0))
    assert p.shape == (24,) and abs(float(p.sum()) - 1) < 1e-9 and float(p.min()) >= 0.001 / 24
    assert not torch.allclose(p, torch.full_like(p, 1 / 24))
    assert isinstance(diffusion.TIMESTEP_SAMPLERS["loss_second_moment"](24), LossSecondMoment)


@pytest.mark.heavy
def test_draws_are_dealt_to_all_groups(runs) -> None:
    model = load_model(runs["cosine"], "raw")
    q = torch.full((24,), 1 / 24, dtype=torch.float64)
    drawn = draws(model, model.images("train"), q, 8 * 32, torch.Generator().manual_seed(0))
    assert drawn.group.bincount().tolist() == [32] * 8 and bool((drawn.squared > 0).all())
    assert drawn.sums.shape == (8, sum(p.numel() for p in model.denoiser.network.parameters()))
