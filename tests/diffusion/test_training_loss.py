"""The loss is the mean squared distance to the target, image by image."""

import pytest
import torch
from diffusion_cases import STEPS, denoiser, images, normal, pairs, wide
from gaussian_data import GaussianData

from alphabar.diffusion import (
    EPS,
    FIXED_SMALL,
    OBJECTIVES,
    PARAMETERIZATIONS,
    SCHEDULES,
    VARIANCES,
    X0,
    Denoiser,
    Objective,
    cosine,
    linear,
    q_sample,
    training_loss,
)


def test_by_hand():
    x0 = torch.tensor([[[[0.0, 1.0]]], [[[-1.0, 0.5]]]])
    eps = torch.tensor([[[[1.0, -1.0]]], [[[0.5, 2.0]]]])
    silent = Denoiser(lambda x, time: torch.zeros_like(x), linear(100), EPS, FIXED_SMALL)
    losses = training_loss(silent, Objective(), x0, torch.tensor([1, 100]), eps)
    assert losses["loss"].tolist() == [1.0, 2.125] and losses["mse"].tolist() == [1.0, 2.125]


def test_by_hand_for_x0():
    x0, eps = torch.full((1, 1, 2, 2), 0.5), torch.ones(1, 1, 2, 2)
    echo = Denoiser(lambda x, time: x, linear(100), X0, FIXED_SMALL)
    alpha_bar = linear(100).alpha_bar[30]
    expected = (0.5 - alpha_bar.sqrt() * 0.5 - (1 - alpha_bar).sqrt()) ** 2
    loss = training_loss(echo, Objective(), x0, torch.tensor([30]), eps)["loss"]
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("schedule, parameterization", pairs())
def test_the_network_that_knows_the_answer_has_no_loss(schedule, parameterization):
    schedule, p = SCHEDULES[schedule](STEPS), PARAMETERIZATIONS[parameterization]
    t, x0, eps = torch.tensor([1, 2, 25, 50]), images(4), normal(4)
    knows = Denoiser(lambda x, time: p.target(schedule, x0, eps, t), schedule, p, FIXED_SMALL)
    assert training_loss(knows, Objective(), x0, t, eps)["loss"].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_no_network_does_better_than_the_conditional_mean(parameterization):
    data, schedule, count = GaussianData(), cosine(STEPS), 40_000
    x0 = data.mean + data.std * normal(count, 3, (1, 1, 1))
    best = data.network(schedule, parameterization)

    def loss(network) -> float:
        d = denoiser(schedule, parameterization, FIXED_SMALL, network)
        return float(
            training_loss(d, Objective(), x0, torch.full((count,), 25), normal(count, 4, (1, 1, 1)))["loss"].mean()
        )

    reached = loss(best)
    assert reached < loss(lambda x, time: best(x, time) + 0.1)
    assert reached < loss(lambda x, time: 0.8 * best(x, time))
    assert reached < loss(lambda x, time: 1.2 * best(x, time))


def test_each_image_has_its_own_loss():
    d, x0, eps, t = denoiser(cosine(50), "v", FIXED_SMALL), images(4), normal(4), torch.tensor([1, 9, 30, 50])
    together = training_loss(d, Objective(), x0, t, eps)["loss"]
    assert together.shape == (4,)
    for k in range(4):
        one = slice(k, k + 1)
        torch.testing.assert_close(training_loss(d, Objective(), x0[one], t[one], eps[one])["loss"], together[one])


def test_the_network_sees_x_t():
    seen = []
    d = Denoiser(lambda x, time: seen.append(x) or x, linear(50), EPS, FIXED_SMALL)
    t = torch.tensor([1, 20, 50])
    training_loss(d, Objective(), images(3), t, normal(3))
    assert torch.equal(seen[0], q_sample(linear(50), images(3), t, normal(3)))


@pytest.mark.parametrize("variance", VARIANCES)
def test_the_mse_does_not_depend_on_the_variance(variance):
    v = VARIANCES[variance]
    d = Denoiser(wide(lambda x, time: 0.3 * x, v), linear(50), EPS, v)
    plain = Denoiser(lambda x, time: 0.3 * x, linear(50), EPS, FIXED_SMALL)
    args = (images(3), torch.tensor([1, 20, 50]), normal(3))
    kind = Objective("hybrid" if v.learned else "simple")
    torch.testing.assert_close(training_loss(d, kind, *args)["mse"], training_loss(plain, Objective(), *args)["mse"])


def test_the_loss_of_a_half_precision_output_is_float32():
    d = Denoiser(lambda x, time: x.bfloat16(), linear(50), EPS, FIXED_SMALL)
    losses = training_loss(d, Objective(), images(3).float(), torch.tensor([1, 20, 50]), normal(3).float())
    assert all(loss.dtype == torch.float32 for loss in losses.values())


def test_gradients_reach_the_network():
    weight = torch.tensor(0.5, requires_grad=True)
    d = Denoiser(lambda x, time: weight.double() * x, linear(50), EPS, FIXED_SMALL)
    training_loss(d, Objective(), images(3), torch.tensor([1, 20, 50]), normal(3))["loss"].mean().backward()
    assert weight.grad is not None and float(weight.grad) != 0


def test_an_unknown_objective_is_refused_with_the_choices():
    with pytest.raises(ValueError, match=f"'kl'.*{OBJECTIVES[0]}"):
        Objective("kl")
