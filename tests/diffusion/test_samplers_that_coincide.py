"""Where two samplers are the same by theory, and what one step of each is by its paper, in plain floats."""

import math

import numpy as np
import pytest
import torch
from diffusion_cases import denoiser, no_noise, normal, pairs, replayed, wavy
from solver_cases import chain, even, uneven

from alphabar.diffusion import DDIM, FIXED_SMALL, SCHEDULES, Ancestral, Step, clip, cosine, reverse_process
from alphabar.diffusion.samplers import PNDM, DPMpp2M, DPMpp2MSDE, DPMpp2S, DPMpp3MSDE, Euler, Heun, UniPC
from alphabar.diffusion.thresholding import DynamicThreshold
from covering import covering

ROWS = [1, 3, 4, 10, 22, 37, 50]
SCHEDULE = cosine(50).respace(ROWS)


def run(sampler, d, noise=None) -> list[Step]:
    return list(reverse_process(sampler, d, normal(2), noise=noise or replayed()))


def same(one: list[Step], other: list[Step]) -> None:
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a.x, b.x, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(a.x0, b.x0, rtol=1e-8, atol=1e-8)


@covering({"schedule, parameterization": pairs(), "transform": [None, clip, DynamicThreshold()]})
def test_euler_without_churn_is_ddim_without_noise(schedule, parameterization, transform):
    d = denoiser(SCHEDULES[schedule](50).respace(ROWS), parameterization, FIXED_SMALL, x0_transform=transform)
    same(run(Euler(0.0), d, no_noise), run(DDIM(0.0), d, no_noise))


@covering({"schedule, parameterization": pairs(), "transform": [None, clip]})
def test_the_two_step_sde_solver_without_noise_is_the_one_of_the_flow(schedule, parameterization, transform):
    d = denoiser(SCHEDULES[schedule](50).respace(ROWS), parameterization, FIXED_SMALL, x0_transform=transform)
    same(run(DPMpp2MSDE(0.0), d, no_noise), run(DPMpp2M(), d, no_noise))


@covering(
    {
        "schedule, parameterization": pairs(),
        "sampler": [DPMpp2M(), DPMpp2S(), DPMpp3MSDE(0.0), UniPC(1), UniPC(3), PNDM()],
    }
)
def test_without_history_a_solver_of_the_flow_takes_ddims_step(schedule, parameterization, sampler):
    d = denoiser(SCHEDULES[schedule](50).respace(ROWS), parameterization, FIXED_SMALL)
    for t in range(1, 8):
        one, other = (s.step(d, normal(2), t, (), no_noise) for s in (sampler, DDIM(0.0)))
        torch.testing.assert_close(one.x, other.x, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sampler", [DPMpp2MSDE(1.0), DPMpp3MSDE(1.0)], ids=repr)
def test_without_history_a_solver_of_the_sde_takes_ddpms_step(sampler):
    """Ancestral sampling with the small variance is SDE-DPM-Solver++-1 (Lu et al. 2022b, §4.3)."""
    d, z = denoiser(SCHEDULE, "v", FIXED_SMALL), normal(2, 9)
    for t in range(1, 8):
        one, other = (s.step(d, normal(2), t, (), lambda _: z) for s in (sampler, Ancestral()))
        torch.testing.assert_close(one.x, other.x, rtol=1e-9, atol=1e-9)


def test_unipc_1_is_ddim_from_where_the_trapezoidal_rule_corrects_to():
    """UniP-1 is DDIM; UniC-1 takes the step before once more, with the mean of x̂_0 at both of its ends."""
    d, x, before = denoiser(SCHEDULE, "v", FIXED_SMALL), normal(2), None
    ddim, history = DDIM(0.0), ()
    for t in range(7, 0, -1):
        step = UniPC(1).step(d, x, t, history, no_noise)
        if before is not None:
            trapezoid = denoiser(SCHEDULE, "x0", FIXED_SMALL, lambda *_, m=(before.x0 + step.x0) / 2: m)
            corrected = ddim.step(trapezoid, before.source, t + 1, (), no_noise).x
            torch.testing.assert_close(step.source, corrected, rtol=1e-10, atol=1e-10)
            assert float((corrected - x).abs().max()) > 1e-3
        held = denoiser(SCHEDULE, "x0", FIXED_SMALL, lambda *_, x0=step.x0: x0)
        torch.testing.assert_close(step.x, ddim.step(held, step.source, t, (), no_noise).x, rtol=1e-10, atol=1e-10)
        before, x, history = step, step.x, (step,)


def coefficients(t: int) -> tuple[float, float, float]:
    """α, σ and λ of DPM-Solver at row t."""
    a = float(SCHEDULE.alpha_bar[t])
    return math.sqrt(a), math.sqrt(1 - a), math.log(math.sqrt(a / (1 - a)))


def test_dpmpp_2m_is_algorithm_2_of_its_paper():
    d = denoiser(SCHEDULE, "v", FIXED_SMALL)
    steps = run(DPMpp2M(), d, no_noise)
    for t in range(6, 1, -1):
        before, here, now = steps[6 - t], steps[7 - t], [coefficients(k) for k in (t + 1, t, t - 1)]
        (_, _, l_before), (_, sigma, l_here), (alpha_to, sigma_to, l_to) = now
        h, r = l_to - l_here, (l_here - l_before) / (l_to - l_here)
        D = (1 + 1 / (2 * r)) * here.x0 - 1 / (2 * r) * before.x0
        expected = sigma_to / sigma * before.x - alpha_to * (math.exp(-h) - 1) * D
        torch.testing.assert_close(here.x, expected, rtol=1e-9, atol=1e-9)


def test_dpmpp_2s_is_algorithm_1_of_its_paper_with_the_row_between_as_its_midpoint():
    d = denoiser(SCHEDULE, "v", FIXED_SMALL)
    x, middle, end = normal(2), *run(DPMpp2S(), d, no_noise)[:2]
    (_, sigma, l_start), (alpha_m, sigma_m, l_m), (alpha_e, sigma_e, l_e) = (coefficients(k) for k in (7, 6, 5))
    h, r = l_e - l_start, (l_m - l_start) / (l_e - l_start)
    u = sigma_m / sigma * x - alpha_m * (math.exp(-r * h) - 1) * d(x, 7).x0
    torch.testing.assert_close(middle.x, u, rtol=1e-9, atol=1e-9)
    D = (1 - 1 / (2 * r)) * d(x, 7).x0 + 1 / (2 * r) * d(u, 6).x0
    expected = sigma_e / sigma * x - alpha_e * (math.exp(-h) - 1) * D
    torch.testing.assert_close(end.x, expected, rtol=1e-9, atol=1e-9)


def test_heun_is_algorithm_1_of_edm_in_x_over_alpha():
    d, x = denoiser(SCHEDULE, "v", FIXED_SMALL), normal(2)
    for step in run(Heun(), d, no_noise)[:-1]:
        (alpha, width, _), (alpha_s, width_s, _) = (coefficients(k) for k in (step.t + 1, step.t))
        sigma, sigma_s, bar = width / alpha, width_s / alpha_s, x / alpha
        slope = (bar - d(x, step.t + 1).x0) / sigma
        euler = bar + (sigma_s - sigma) * slope
        end = (euler - d(alpha_s * euler, step.t).x0) / sigma_s
        torch.testing.assert_close(
            step.x, alpha_s * (bar + (sigma_s - sigma) * (slope + end) / 2), rtol=1e-8, atol=1e-8
        )
        x = step.x


def test_pndm_is_equation_11_of_its_paper_with_the_eps_of_equation_12():
    d, x, known = denoiser(SCHEDULE, "v", FIXED_SMALL), normal(2), []
    weights = {1: [1], 2: [3 / 2, -1 / 2], 3: [23 / 12, -16 / 12, 5 / 12], 4: [55 / 24, -59 / 24, 37 / 24, -9 / 24]}
    for step in run(PNDM(), d, no_noise)[:-1]:
        a, a_s = (float(SCHEDULE.alpha_bar[k]) for k in (step.t + 1, step.t))
        known = [d(x, step.t + 1).eps, *known][:4]
        eps = sum(w * e for w, e in zip(weights[len(known)], known, strict=True))
        change = (a_s - a) / (math.sqrt(a) * (math.sqrt((1 - a_s) * a) + math.sqrt((1 - a) * a_s)))
        torch.testing.assert_close(step.x, math.sqrt(a_s / a) * x - change * eps, rtol=1e-8, atol=1e-8)
        x = step.x


def integral(h: float, eta: float, x0, points: int = 60) -> float:
    """(1 + η) ∫_0^h e^{−(1+η)(h−τ)} x̂_0(τ) dτ, by Gauss–Legendre."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    tau = h * (nodes + 1) / 2
    return float((1 + eta) * h / 2 * (weights * np.exp(-(1 + eta) * (h - tau)) * x0(tau)).sum())


@pytest.mark.parametrize("degree", [0, 1, 2])
@pytest.mark.parametrize("sampler", [DPMpp3MSDE(0.0), DPMpp3MSDE(0.5), DPMpp3MSDE(1.0), UniPC(3)], ids=repr)
def test_three_x0_integrate_a_parabola_in_lambda_exactly(sampler, degree):
    """x_s = (σ_s/σ_t) e^{−ηh} x_t + α_s (1 + η) ∫ e^{−(1+η)(λ_s−λ)} x̂_0(λ) dλ: their polynomial is x̂_0 itself then."""
    schedule, eta = uneven(3), getattr(sampler, "eta", 0.0)
    level = schedule.half_log_snr.tolist()
    parabola = np.polynomial.Polynomial([0.3, 0.5, -0.2][: degree + 1])
    d = denoiser(schedule, "x0", FIXED_SMALL, lambda x, time: torch.full_like(x, parabola(level[int(time[0]) + 1])))
    x, history = normal(1, 3, (1, 1, 1)), ()
    for t in range(schedule.T, schedule.T - 4, -1):
        before, step = x, sampler.step(d, x, t, history, torch.zeros_like)
        x, history = step.x, (*history, step)[-sampler.memory :]
    a, a_s, h = float(schedule.alpha_bar[t]), float(schedule.alpha_bar[t - 1]), level[t - 1] - level[t]
    start = before if step.source is None else step.source
    kept = math.sqrt((1 - a_s) / (1 - a)) * math.exp(-eta * h)
    expected = kept * start + math.sqrt(a_s) * integral(h, eta, lambda tau: parabola(level[t] + tau))
    torch.testing.assert_close(x, expected, rtol=1e-10, atol=1e-10)


def test_the_first_steps_of_a_multistep_solver_use_all_that_there_is():
    """Two x̂_0 integrate a line exactly: 3M from its second step on."""
    schedule = chain([0.9, 0.5, 0.2, -0.7])
    level = schedule.half_log_snr.tolist()
    d = denoiser(schedule, "x0", FIXED_SMALL, lambda x, time: torch.full_like(x, 1 + level[int(time[0]) + 1]))
    first = DPMpp3MSDE(0.0).step(d, normal(1), 4, (), no_noise)
    second = DPMpp3MSDE(0.0).step(d, first.x, 3, (first,), no_noise)
    a, a_s, h = float(schedule.alpha_bar[3]), float(schedule.alpha_bar[2]), level[2] - level[3]
    expected = math.sqrt((1 - a_s) / (1 - a)) * first.x
    expected = expected + math.sqrt(a_s) * integral(h, 0.0, lambda tau: 1 + level[3] + tau)
    torch.testing.assert_close(second.x, expected, rtol=1e-10, atol=1e-10)


def test_none_of_them_coincide_by_accident():
    """On a network that bends, with steps of all lengths: no two samplers of the flow end at the same image."""
    d = denoiser(even(8), "v", FIXED_SMALL, wavy)
    solvers = [DDIM(0.0), Heun(), DPMpp2M(), DPMpp2S(), DPMpp3MSDE(0.0), UniPC(1), UniPC(2), UniPC(3), PNDM()]
    ends = torch.stack([run(s, d, no_noise)[-1].x for s in solvers])
    apart = (ends[:, None] - ends[None]).flatten(2).abs().amax(2) + torch.eye(len(solvers))
    assert float(apart.min()) > 1e-4
