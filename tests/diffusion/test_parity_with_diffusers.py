"""Our samplers are those of diffusers, where diffusers is right (where not: test_where_diffusers_is_wrong.py).

A smooth nonlinear network, the same start, the same noise, the timesteps read from the scheduler; every state of the
chain is compared. Measured with diffusers 0.42.1 is the largest difference, relative to the chain's largest pixel or 1:

    scheduler              ours                     its tables in float64    as shipped, in float32
    DDPM                   ddpm                           4e-16                    2e-6
    DDIM                   ddim                           2e-15                    7e-6
    DPMSolverSinglestep    dpmpp_2s                       1e-15                    4e-6
    UniPCMultistep         unipc                          4e-15                    2e-6
    HeunDiscrete           heun                           2e-15                    7e-6
    PNDM                   pndm, step by step             1e-15
    DPMSolverMultistep     dpmpp_2m                       6e-7                     3e-6    it casts images to float32
                           dpmpp_2m_sde                   4e-7                     7e-6
    EulerDiscrete          euler                          2e-7                     1e-6    so does it

DPMSolverMultistep of third order is not dpmpp_3m_sde, see the other file.
"""

from typing import Any

import pytest
from diffusers_chains import PREDICTS, SEED, differences, diffusers_scheduler, twin
from diffusion_cases import normal, replayed

from alphabar.diffusion import (
    DDIM,
    FIXED_SMALL,
    VARIANCES,
    X0_TRANSFORMS,
    Ancestral,
    ReverseVariance,
    Sampler,
    reverse_process,
)
from alphabar.diffusion.samplers import PNDM, DPMpp2M, DPMpp2MSDE, DPMpp2S, Euler, Heun, UniPC
from covering import covering

FLOAT64, CAST_TO_FLOAT32, SHIPPED = 1e-12, 5e-6, 5e-5
TRANSFORMS: dict[str, dict[str, Any]] = {
    "none": {"clip_sample": False},
    "clip": {"clip_sample": True},
    "dynamic": {"thresholding": True, "sample_max_value": 1e9},  # at its default of 1 it is a clip
}
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # numpy on diffusers' tensors
predictions = pytest.mark.parametrize("predicts", PREDICTS)
spacings = pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
transforms = pytest.mark.parametrize("transform", TRANSFORMS)


def gaps(
    sampler: Sampler,
    name: str,
    steps: int | list[int],
    variance: ReverseVariance = FIXED_SMALL,
    transform: str = "none",
    step: dict[str, Any] | None = None,
    **config: Any,
) -> list[list[float]]:
    """The differences after each step, with the tables in float64 and as diffusers ships them."""
    both = [diffusers_scheduler(name, steps, exact, **config) for exact in (True, False)]
    more = {"x0_transform": X0_TRANSFORMS[transform]}
    return [differences(sampler, twin(s, variance, **more), s, **(step or {})) for s in both]


def agree(*case: Any, tolerance: float = FLOAT64, **more: Any) -> None:
    below(*gaps(*case, **more), tolerance=tolerance)


def below(exact: list[float], shipped: list[float], tolerance: float = FLOAT64) -> None:
    assert all(gap < tolerance for gap in exact), exact  # and none is NaN
    assert all(gap < SHIPPED for gap in shipped), shipped


@covering(
    {
        "variance": ["fixed_small", "fixed_large", "learned_range"],
        "spacing": ["leading", "trailing", "linspace"],
        "predicts": PREDICTS,
        "transform": TRANSFORMS,
    }
)
def test_ddpm_is_the_ddpm_scheduler(variance, spacing, predicts, transform):
    """To the last state: where the list does not end at t = 0, diffusers adds noise to the finished image."""
    exact, shipped = gaps(
        Ancestral(),
        "DDPMScheduler",
        13,
        VARIANCES[variance],
        transform,
        variance_type=variance,
        timestep_spacing=spacing,
        prediction_type=predicts,
        **TRANSFORMS[transform],
    )
    compared = 12 if spacing == "trailing" else 13
    below(exact[:compared], shipped[:compared])


@covering(
    {
        "spacing, steps": [("leading", 10), ("leading", 13), ("trailing", 20)],
        "eta": [0.0, 0.5, 1.0],
        "predicts": PREDICTS,
        "transform": TRANSFORMS,
    }
)
def test_ddim_is_the_ddim_scheduler_on_grids_of_one_stride(spacing, steps, eta, predicts, transform):
    """With use_clipped_model_output, as OpenAI and we do: ε̂ is the one that belongs to the clipped x̂_0."""
    agree(
        DDIM(eta),
        "DDIMScheduler",
        steps,
        transform=transform,
        step={"eta": eta, "use_clipped_model_output": True},
        timestep_spacing=spacing,
        prediction_type=predicts,
        **TRANSFORMS[transform],
    )


@pytest.mark.parametrize("predicts", ["sample", "v_prediction"])
@pytest.mark.parametrize(("sampler", "name"), [(Ancestral(), "DDPMScheduler"), (DDIM(), "DDIMScheduler")])
def test_chains_of_zero_terminal_snr_agree(sampler, name, predicts):
    agree(
        sampler,
        name,
        [999, 600, 300, 0] if name == "DDPMScheduler" else 10,
        prediction_type=predicts,
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
    )


@covering(
    {
        "steps": [10, 17],
        "transform": ["none", "dynamic"],
        "spacing": ["leading", "trailing", "linspace"],
        "predicts": PREDICTS,
    }
)
def test_dpmpp_2m_is_the_multistep_scheduler(steps, transform, spacing, predicts):
    """diffusers casts the image to float32."""
    agree(
        DPMpp2M(),
        "DPMSolverMultistepScheduler",
        steps,
        transform=transform,
        tolerance=CAST_TO_FLOAT32,
        timestep_spacing=spacing,
        prediction_type=predicts,
        thresholding=transform == "dynamic",
        sample_max_value=1e9,
    )


MULTISTEP: list[tuple[Sampler, dict[str, Any]]] = [
    (DDIM(), {"solver_order": 1}),
    (Ancestral(), {"solver_order": 1, "algorithm_type": "sde-dpmsolver++"}),
    (DPMpp2MSDE(), {"solver_order": 2, "algorithm_type": "sde-dpmsolver++"}),
]


@predictions
@spacings
@pytest.mark.parametrize(("sampler", "config"), MULTISTEP, ids=["1", "1 sde", "2 sde"])
def test_multistep_solvers_of_first_order_and_the_sde_agree(sampler, config, spacing, predicts):
    """Of first order, the flow is DDIM, and the reverse SDE is ancestral sampling with β̃_t."""
    agree(
        sampler,
        "DPMSolverMultistepScheduler",
        10,
        tolerance=CAST_TO_FLOAT32,
        timestep_spacing=spacing,
        prediction_type=predicts,
        **config,
    )


@predictions
@pytest.mark.parametrize("steps", [2, 5, 6, 9, 10, [999, 700, 450, 200, 90, 40, 0]], ids=str)
def test_dpmpp_2s_is_the_singlestep_scheduler(steps, predicts):
    """For odd and even numbers of steps: a row left over at the end is a step of first order."""
    agree(DPMpp2S(), "DPMSolverSinglestepScheduler", steps, prediction_type=predicts, lower_order_final=True)


@covering(
    {
        "order": [1, 2, 3],
        "transform": ["none", "dynamic"],
        "spacing": ["leading", "trailing", "linspace"],
        "predicts": PREDICTS,
    }
)
def test_unipc_is_the_unipc_scheduler(order, transform, spacing, predicts):
    agree(
        UniPC(order),
        "UniPCMultistepScheduler",
        10,
        transform=transform,
        solver_order=order,
        timestep_spacing=spacing,
        prediction_type=predicts,
        thresholding=transform == "dynamic",
        sample_max_value=1e9,
    )


KARRAS = [999, 850, 640, 430, 270, 150, 70, 30, 9, 0]  # roughly


@predictions
@pytest.mark.parametrize("transform", ["none", "clip"])
@pytest.mark.parametrize("steps", [10, KARRAS], ids=["linspace", "listed"])
def test_heun_is_the_heun_scheduler(steps, transform, predicts):
    agree(
        Heun(),
        "HeunDiscreteScheduler",
        steps,
        transform=transform,
        prediction_type=predicts,
        **TRANSFORMS[transform],
    )


@predictions
@pytest.mark.parametrize("steps", [10, KARRAS], ids=["linspace", "listed"])
def test_euler_is_the_euler_scheduler(steps, predicts):
    """diffusers casts the image to float32."""
    agree(Euler(), "EulerDiscreteScheduler", steps, prediction_type=predicts, tolerance=CAST_TO_FLOAT32)


def test_pndm_steps_as_the_pndm_scheduler_does_from_the_same_history():
    """But for the last step, where we return x̂_0, and diffusers' second call at the second timestep."""
    scheduler = diffusers_scheduler("PNDMScheduler", 10, skip_prk_steps=True)
    denoiser, x = twin(scheduler), normal(3, shape=(2, 4, 4))
    past = []
    for step in list(reverse_process(PNDM(), denoiser, x, noise=replayed(SEED)))[:-1]:
        time = int(denoiser.schedule.timesteps[step.t + 1]) - 1
        eps = denoiser(x, step.t + 1).eps
        scheduler.ets, scheduler.counter = list(past), len(past) and len(past) + 1  # 1 is the second call
        theirs = scheduler.step(eps, time, x).prev_sample
        assert float((step.x - theirs).abs().max() / step.x.abs().max()) < FLOAT64, step.t
        past, x = [*past, eps], step.x
