"""The page's samplers make Python's steps: on an analytic network, for every sampler, schedule and number of steps."""

from itertools import product
from typing import Any

import pytest
import torch
from page_answers import Ask
from torch import Tensor

from alphabar import diffusion
from alphabar.diffusion import SAMPLERS, SCHEDULES, Denoiser, NoiseSchedule, SeededNoise, reverse_process
from alphabar.diffusion.samplers import network_calls

SHAPE = (2, 4, 5)
SIZE = 40
SEEDS = [3, 2**32 - 1]
NO_CLASS = 10
IN_THE_PAGE = ["ddim", "ddpm", "dpmpp_2m", "dpmpp_2m_sde", "heun"]


def about(schedule: str, parameterization: str, variance: str, transform: str) -> dict[str, Any]:
    """What an export says of a model."""
    return {
        "alpha_bar": SCHEDULES[schedule](100).alpha_bar.tolist(),
        "parameterization": parameterization,
        "variance": variance,
        "x0_transform": transform,
        "time_scale": 2.5,
        "no_class": NO_CLASS,
    }


def chain_of(model: dict[str, Any], sampler: str, rows: list[int], y: list[int] | None, guidance: float) -> list[Any]:
    """The steps that Python makes."""
    variance = diffusion.VARIANCES[model["variance"]]

    def network(x: Tensor, time: Tensor, y: Tensor | None = None) -> Tensor:
        shift = 0 if y is None else 0.1 * y.reshape(-1, 1, 1, 1)
        mean = torch.tanh(0.8 * x + time.reshape(-1, 1, 1, 1) / 1000 + shift)
        return torch.cat([mean, torch.sin(3 * x)], dim=1) if variance.learned else mean

    alpha_bar = torch.tensor(model["alpha_bar"], dtype=torch.float64)
    chain = NoiseSchedule(alpha_bar, torch.arange(len(alpha_bar))).respace(rows)
    denoiser = Denoiser(
        network,
        chain,
        diffusion.PARAMETERIZATIONS[model["parameterization"]],
        variance,
        model["time_scale"],
        diffusion.X0_TRANSFORMS[model["x0_transform"]],
    )
    if y is not None:
        denoiser = diffusion.guided(denoiser, torch.tensor(y), NO_CLASS, guidance)
    noise = SeededNoise(SEEDS)
    x = noise(torch.empty(len(SEEDS), *SHAPE))
    return list(reverse_process(SAMPLERS[sampler](), denoiser, x, noise=noise))


def check(ask: Ask, cases: list[dict[str, Any]]) -> None:
    """The page's chains are Python's, step by step."""
    asked = [{"what": "chain", "seeds": SEEDS, "size": SIZE, **case} for case in cases]
    for case, answer in zip(cases, ask(asked), strict=True):
        expected = chain_of(case["about"], case["sampler"], case["rows"], case["y"], case["guidance"])
        for theirs, ours in zip(answer, expected, strict=True):
            assert theirs["t"] == ours.t
            for name in ("x", "x0"):
                want = getattr(ours, name).flatten()
                scale = max(1.0, float(want.abs().max()))  # two steps of Heun's from σ = 2000 grow to it
                place = f"{case['sampler']}, rows {case['rows'][:5]}, t = {ours.t}: {name}"
                gap = float((torch.tensor(theirs[name]) - want).abs().max())
                assert gap <= 2e-5 * scale, place


def case(model: dict[str, Any], sampler: str, rows: list[int], y: list[int] | None = None, w: float = 1) -> Any:
    return {"about": model, "sampler": sampler, "rows": rows, "y": y, "guidance": w}


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_every_sampler_makes_pythons_steps(ask: Ask, schedule: str) -> None:
    chains = ([50], [1, 100], [1, 12, 40, 77, 100], list(range(1, 101)))
    model = about(schedule, "v", "learned_range", "clip")
    check(ask, [case(model, sampler, rows) for sampler, rows in product(IN_THE_PAGE, chains)])


@pytest.mark.parametrize("parameterization", list(diffusion.PARAMETERIZATIONS))
def test_every_kind_of_model_is_read_as_in_python(ask: Ask, parameterization: str) -> None:
    kinds = product(diffusion.VARIANCES, diffusion.X0_TRANSFORMS)
    models = [about("linear", parameterization, variance, transform) for variance, transform in kinds]
    check(ask, [case(model, "ddpm", [1, 9, 30, 60, 90]) for model in models])


@pytest.mark.parametrize("w", [0, 1, 2.5])
def test_guidance_is_pythons(ask: Ask, w: float) -> None:
    rows = [1, 20, 50, 80, 100]
    models = [about("cosine", "v", variance, "clip") for variance in ("learned_range", "fixed_large")]
    check(ask, [case(model, sampler, rows, [4, 9], w) for model, sampler in product(models, IN_THE_PAGE)])


@pytest.mark.parametrize("T", [4, 50, 1000])
def test_the_schedules_are_pythons(ask: Ask, T: int) -> None:
    rows = [1, 2, T] if T > 4 else None
    names = [name for name in ("linear", "cosine") if name == "cosine" or T > 20]
    answers = ask([{"what": "schedule", "name": name, "T": T, "rows": rows} for name in names])
    for name, answer in zip(names, answers, strict=True):
        schedule = SCHEDULES[name](T).respace(rows) if rows else SCHEDULES[name](T)
        for table in ("alpha_bar", "beta_tilde", "log_beta_tilde", "timesteps"):
            torch.testing.assert_close(
                torch.tensor(answer[table], dtype=torch.float64),
                getattr(schedule, table).double(),
                atol=1e-12,
                rtol=1e-9,
            )
        snr = torch.tensor(answer["half_log_snr"], dtype=torch.float64)
        torch.testing.assert_close(snr, schedule.half_log_snr[1:], atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", ["uniform", "half_log_snr", "karras"])
def test_the_spacings_choose_pythons_timesteps(ask: Ask, name: str) -> None:
    cases = list(product(("linear", "cosine"), (1, 2, 3, 10, 15, 50, 250, 1000)))
    tables = {schedule: SCHEDULES[schedule](1000) for schedule in ("linear", "cosine")}
    asked = [
        {"what": "spacing", "name": name, "alpha_bar": tables[schedule].alpha_bar.tolist(), "steps": steps}
        for schedule, steps in cases
    ]
    for (schedule, steps), answer in zip(cases, ask(asked), strict=True):
        assert answer == diffusion.spaced(tables[schedule], name, steps), (schedule, steps)


def test_a_number_of_steps_out_of_range_is_refused_in_a_sentence(ask: Ask) -> None:
    question = {"what": "spacing", "name": "uniform", "alpha_bar": [1, 0.5, 0.2], "steps": 3}
    with pytest.raises(AssertionError, match="Steps are a whole number from 1 to 2"):
        ask([question])


def test_the_samplers_visit_pythons_timesteps_by_default(ask: Ask) -> None:
    (answer,) = ask([{"what": "samplers"}])
    assert sorted(one["name"] for one in answer) == IN_THE_PAGE
    for one in answer:
        sampler = SAMPLERS[one["name"]]
        assert (one["spacing"], one["steps"]) == (sampler.grid.spacing, sampler.grid.steps)
        assert one["calls"] * 9 + 1 == network_calls(sampler(), 10)
