"""Variations of an image (SDEdit) and images that share a state of the chain (DDPM Fig. 7).

For Gaussian data with the exact network, x_0' drawn from the x_t of x_0 is independent of x_0 given x_t, so the two
correlate by Var(E[x_0 | x_t]) / s² = ᾱ_t s² / (ᾱ_t s² + 1 − ᾱ_t); so do two draws from one x_t.
"""

import pytest
import torch
from diffusion_cases import denoiser, end_of, no_noise, normal, replayed
from gaussian_data import GaussianData

from alphabar.diffusion import (
    DDIM,
    FIXED_SMALL,
    SAMPLERS,
    Ancestral,
    SeededNoise,
    cosine,
    q_sample,
    reverse_process,
)
from alphabar.diffusion.editing import share, vary

CHAIN = denoiser(cosine(50), "v", FIXED_SMALL)
DATA = GaussianData()
FINE = cosine(200)
COUNT = 4000


def end(steps):
    last = end_of(steps)
    return last.x


def best():
    return denoiser(FINE, "v", FIXED_SMALL, DATA.network(FINE, "v"))


def expected_correlation(t: int) -> float:
    alpha_bar = float(FINE.alpha_bar[t])
    return alpha_bar * DATA.std**2 / DATA.marginal(alpha_bar)[1]


def correlation(a, b) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


@pytest.mark.parametrize("start", [10, 50, 200])
def test_a_variation_is_data_and_as_near_as_its_level_says(start):
    x0 = DATA.mean + DATA.std * normal(COUNT, 3, (1, 1, 1))
    x = end(vary(Ancestral(), best(), x0, start=start, noise=replayed()))
    assert float(x.mean()) == pytest.approx(DATA.mean, abs=0.03) and float(x.std()) == pytest.approx(DATA.std, rel=0.05)
    assert correlation(x0, x) == pytest.approx(expected_correlation(start), abs=0.05)


@pytest.mark.parametrize("start", [10, 50])
def test_what_two_images_share_is_what_is_decided_at_their_common_level(start):
    x0 = DATA.mean + DATA.std * normal(COUNT, 3, (1, 1, 1))
    x_t = q_sample(FINE, x0, start, normal(COUNT, 4, (1, 1, 1)))
    first, second = end(share(Ancestral(), best(), x_t, start=start, count=2, noise=replayed())).chunk(2)
    assert correlation(first, second) == pytest.approx(expected_correlation(start), abs=0.05)
    assert float(first.std()) == pytest.approx(DATA.std, rel=0.05)


@pytest.mark.parametrize("start", [1, 20, 50])
def test_a_variation_is_the_reverse_process_from_the_noised_image(start):
    noise = replayed()
    x_t = q_sample(CHAIN.schedule, normal(2), start, noise(normal(2)))
    expected = [step.x for step in reverse_process(Ancestral(), CHAIN, x_t, start=start, noise=noise)]
    ours = [step.x for step in vary(Ancestral(), CHAIN, normal(2), start=start, noise=replayed())]
    assert len(ours) == start and all(map(torch.equal, ours, expected))


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_image_does_not_depend_on_the_others_of_its_batch(name):
    run = lambda i, seeds: end(vary(SAMPLERS[name](), CHAIN, normal(3)[i], start=30, noise=SeededNoise(seeds)))  # noqa: E731
    together = run(slice(None), [4, 6, 9])
    for i, seed in enumerate([4, 6, 9]):
        torch.testing.assert_close(run(slice(i, i + 1), [seed]), together[i : i + 1], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", SAMPLERS)
def test_each_of_the_images_of_one_latent_has_a_seed_of_its_own(name):
    run = lambda x, count, seeds: end(  # noqa: E731
        share(SAMPLERS[name](), CHAIN, x, start=30, count=count, noise=SeededNoise(seeds))
    )
    together = run(normal(2), 3, [10, 11, 12, 13, 14, 15]).unflatten(0, (3, 2))
    for k in range(3):
        for i in range(2):
            alone = run(normal(2)[i : i + 1], 1, [10 + 2 * k + i])
            torch.testing.assert_close(alone[0], together[k, i], rtol=0, atol=1e-10)


def test_a_chain_that_is_continued_with_its_own_noise_is_the_chain():
    noise, x_T = replayed(), normal(2)
    whole = end(reverse_process(Ancestral(), CHAIN, x_T, noise=noise))
    noise = replayed()
    middle = next(step for step in reverse_process(Ancestral(), CHAIN, x_T, noise=noise) if step.t == 20)
    assert torch.equal(end(share(Ancestral(), CHAIN, middle.x, start=middle.t, count=1, noise=noise)), whole)


def test_a_sampler_without_noise_makes_them_all_alike():
    images = end(share(DDIM(0.0), CHAIN, normal(2), start=30, count=3, noise=no_noise)).unflatten(0, (3, 2))
    torch.testing.assert_close(images[0], images[1], rtol=0, atol=1e-12)
    torch.testing.assert_close(images[0], images[2], rtol=0, atol=1e-12)


@pytest.mark.parametrize("start", [0, 51])
def test_a_level_outside_the_chain_is_refused_at_once(start):
    with pytest.raises(ValueError, match=f"50 .*got {start}"):
        vary(Ancestral(), CHAIN, normal(2), start=start, noise=no_noise)
    with pytest.raises(ValueError, match=f"50 .*got {start}"):
        share(Ancestral(), CHAIN, normal(2), start=start, count=2, noise=no_noise)


def test_no_image_at_all_is_refused():
    with pytest.raises(ValueError, match="count is 0"):
        share(Ancestral(), CHAIN, normal(2), start=5, count=0, noise=no_noise)
