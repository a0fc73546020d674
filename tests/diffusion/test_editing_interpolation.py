"""Interpolation: its ends, its noise, and what each way to mix does to the variance."""

import math
from dataclasses import replace

import pytest
import torch
from diffusion_cases import denoiser, end_of, no_noise, normal, replayed
from mixture_data import MixtureData

from alphabar.diffusion import (
    DDIM,
    FIXED_SMALL,
    SAMPLERS,
    Ancestral,
    SeededNoise,
    cosine,
    linear,
    q_sample,
    reverse_process,
    spaced,
)
from alphabar.diffusion.editing import MIXES, encode, interpolate, interpolate_latents

A, B = normal(2, 1), normal(2, 2)
CHAIN = denoiser(cosine(50), "v", FIXED_SMALL)
WEIGHTS = [0.0, 0.25, 0.5, 1.0]


def end(steps):
    last = end_of(steps)
    return last.x


@pytest.mark.parametrize("name", MIXES)
def test_the_ends_of_a_mix_are_its_ends_to_the_last_bit(name):
    for a, b in ((A, B), (A.float(), B.float()), (A, A), (A, -A), (0 * A, B)):
        assert torch.equal(MIXES[name](a, b, 0.0), a) and torch.equal(MIXES[name](a, b, 1.0), b)


@pytest.mark.parametrize(
    "name, variance",
    [("linear", lambda w: (1 - w) ** 2 + w**2), ("variance_preserving", lambda w: 1), ("spherical", lambda w: 1)],
)
@pytest.mark.parametrize("weight", [0.1, 0.5, 0.8])
def test_the_variance_of_mixed_independent_noise(name, variance, weight):
    a, b = normal(2, 1, (1, 200, 200)), normal(2, 2, (1, 200, 200))
    mixed = MIXES[name](a, b, weight)
    for image in mixed:
        assert float(image.var()) == pytest.approx(variance(weight), rel=0.03)


def test_every_mix_was_measured():
    assert set(MIXES) == {"linear", "variance_preserving", "spherical"}


def test_what_two_images_share_is_kept_by_linear_and_spherical_and_grows_by_variance_preserving():
    for weight in (0.3, 0.5):
        torch.testing.assert_close(MIXES["linear"](A, A, weight), A)
        torch.testing.assert_close(MIXES["spherical"](A, A, weight), A)
        torch.testing.assert_close(MIXES["variance_preserving"](A, A, weight), A / math.hypot(weight, 1 - weight))


def test_spherical_turns_by_a_share_of_the_angle_and_keeps_the_norm_image_by_image():
    b = B * (A.flatten(1).norm(dim=1) / B.flatten(1).norm(dim=1)).reshape(-1, 1, 1, 1)
    angle = lambda x, y: torch.cosine_similarity(x.flatten(1), y.flatten(1)).acos()  # noqa: E731
    mixed = MIXES["spherical"](A, b, 0.3)
    torch.testing.assert_close(mixed.flatten(1).norm(dim=1), A.flatten(1).norm(dim=1))
    torch.testing.assert_close(angle(A, mixed), 0.3 * angle(A, b))


@pytest.mark.parametrize("pair", [(A, 2 * A), (A, -A), (0 * A, B)], ids=["parallel", "opposite", "zero"])
def test_spherical_is_finite_where_there_is_no_angle(pair):
    assert bool(MIXES["spherical"](*pair, 0.3).isfinite().all())


@pytest.mark.parametrize("mix", MIXES)
def test_between_encoded_latents_the_ends_are_the_images(mix):
    """For an encoding that is good to 10⁻³, so are they; no noise is drawn on the way."""
    data, schedule = MixtureData(), linear(1000)
    d = denoiser(schedule, "eps", FIXED_SMALL, data.network(schedule, "eps"))
    d = d.respaced(spaced(schedule, "uniform", 50))
    a, b = (data.sample(torch.empty(8, 1, 2, 2, dtype=torch.float64), seed) for seed in (1, 2))
    latents = [end(encode(d, image, iterations=10)) for image in (a, b)]
    mixed = interpolate_latents(
        DDIM(0.0), d, *latents, start=d.schedule.T, weights=[0, 0.5, 1], mix=MIXES[mix], noise=no_noise
    )
    first, between, last = end(mixed).unflatten(0, (3, -1))
    torch.testing.assert_close(first, a, rtol=0, atol=3e-3)
    torch.testing.assert_close(last, b, rtol=0, atol=3e-3)
    assert not torch.allclose(between, a, atol=0.1) and not torch.allclose(between, b, atol=0.1)


@pytest.mark.parametrize("start", [1, 20, 50])
@pytest.mark.parametrize("mix", MIXES)
def test_at_the_ends_it_is_what_comes_of_each_images_own_noise(mix, start):
    images = end(interpolate(Ancestral(), CHAIN, A, B, start=start, weights=WEIGHTS, mix=MIXES[mix], noise=replayed()))
    for weight in (0, -1):
        noise = replayed()
        x_a, x_b = (q_sample(CHAIN.schedule, image, start, noise(image)) for image in (A, B))
        alone = end(reverse_process(Ancestral(), CHAIN, x_a if weight == 0 else x_b, start=start, noise=noise))
        assert torch.equal(images.unflatten(0, (len(WEIGHTS), -1))[weight], alone)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_noise_is_the_same_for_every_weight(name):
    """Each λ alone, with the same seeds, is what it is among the others."""
    run = lambda weights: end(  # noqa: E731
        interpolate(SAMPLERS[name](), CHAIN, A, B, start=30, weights=weights, noise=SeededNoise([7, 8]))
    )
    together = run(WEIGHTS).unflatten(0, (len(WEIGHTS), -1))
    for k, weight in enumerate(WEIGHTS):
        torch.testing.assert_close(run([weight]), together[k], rtol=0, atol=1e-10)


@pytest.mark.parametrize("mix", MIXES)
def test_a_pair_does_not_depend_on_the_others_of_its_batch(mix):
    a, b, seeds = normal(3, 1), normal(3, 2), [4, 6, 9]
    run = lambda i, seeds: end(  # noqa: E731
        interpolate(Ancestral(), CHAIN, a[i], b[i], start=30, weights=WEIGHTS, mix=MIXES[mix], noise=SeededNoise(seeds))
    )
    together = run(slice(None), seeds).unflatten(0, (len(WEIGHTS), -1))
    for i, seed in enumerate(seeds):
        alone = run(slice(i, i + 1), [seed]).unflatten(0, (len(WEIGHTS), -1))
        torch.testing.assert_close(alone, together[:, i : i + 1], rtol=0, atol=1e-10)


def test_the_reverse_process_starts_at_the_level_of_the_latents():
    """In lucidrains/denoising-diffusion-pytorch, `interpolate` starts one level below that of the latents."""
    times = []

    def network(x, time):
        times.append(int(time[0]) + 1)
        return 0.1 * x

    d = replace(CHAIN.respaced([1, 5, 20, 50]), network=network)
    steps = list(interpolate(Ancestral(), d, A, B, start=3, weights=[0.5], noise=replayed()))
    assert times == [20, 5, 1] and [step.t for step in steps] == [2, 1, 0]


@pytest.mark.parametrize("start", [0, 51])
@pytest.mark.parametrize("function", [interpolate, interpolate_latents])
def test_a_level_outside_the_chain_is_refused_at_once(function, start):
    with pytest.raises(ValueError, match=f"50 .*got {start}"):
        function(Ancestral(), CHAIN, A, B, start=start, weights=[0.5], noise=no_noise)


@pytest.mark.parametrize("weights", [[], [0.5, 1.1], [-0.1], [math.nan]])
@pytest.mark.parametrize("function", [interpolate, interpolate_latents])
def test_weights_that_lie_outside_are_refused_at_once(function, weights):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        function(Ancestral(), CHAIN, A, B, start=5, weights=weights, noise=no_noise)


@pytest.mark.parametrize("function", [interpolate, interpolate_latents])
def test_images_of_two_shapes_are_refused_at_once(function):
    with pytest.raises(ValueError, match=r"\(2, 2, 3, 3\) and \(1, 2, 3, 3\)"):
        function(Ancestral(), CHAIN, A, B[:1], start=5, weights=[0.5], noise=no_noise)
