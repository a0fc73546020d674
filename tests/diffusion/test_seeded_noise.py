"""Image k depends on seed k alone: not on the batch, not on its neighbours, not on the order."""

import pytest
import torch
from diffusion_cases import denoiser, end_of

from alphabar.diffusion import DDIM, FIXED_SMALL, SAMPLERS, SeededNoise, clip, cosine, reverse_process

SHAPE = (3, 8, 8)
SEEDS = [3, 0, 12345678901, 7, 8, 42]


def draws(seeds, count=3, shape=SHAPE) -> torch.Tensor:
    """(B, count, ...)"""
    noise = SeededNoise(seeds)
    return torch.stack([noise(torch.empty(len(seeds), *shape)) for _ in range(count)], dim=1)


def sample(name: str, seeds) -> torch.Tensor:
    noise = SeededNoise(seeds)
    sampler = DDIM(eta=1.0) if name == "ddim" else SAMPLERS[name]()  # plain DDIM would draw only the start
    d = denoiser(cosine(20), "v", FIXED_SMALL, x0_transform=clip)
    last = end_of(reverse_process(sampler, d, noise(torch.empty(len(seeds), *SHAPE)), noise=noise))
    return last.x


@pytest.mark.parametrize("split", [[[0], [1], [2], [3], [4], [5]], [[0, 1], [2, 3, 4, 5]], [[5, 3, 1], [4, 2, 0]]])
def test_any_batch_split_and_order_gives_the_same_noise(split):
    together = draws(SEEDS)
    for part in split:
        assert torch.equal(draws([SEEDS[k] for k in part]), together[part])


@pytest.mark.parametrize("split", [[[0], [1], [2], [3], [4], [5]], [[0, 1], [2, 3, 4, 5]], [[5, 3, 1], [4, 2, 0]]])
@pytest.mark.parametrize("name", SAMPLERS)
def test_any_batch_split_and_order_gives_the_same_images(name, split):
    together = sample(name, SEEDS)
    for part in split:
        torch.testing.assert_close(sample(name, [SEEDS[k] for k in part]), together[part], rtol=0, atol=2e-6)


def test_different_seeds_and_different_draws_differ():
    noise = draws(SEEDS)
    flat = noise.flatten(0, 1).flatten(1)
    correlation = torch.corrcoef(flat) - torch.eye(len(flat))
    assert float(correlation.abs().max()) < 0.35  # 192 pixels: 5 sigma is 0.36


def test_the_same_seed_twice_is_the_same_image_twice():
    assert torch.equal(*draws([5, 5]))


def test_it_is_standard_normal():
    noise = draws(range(200)).flatten()
    assert abs(float(noise.mean())) < 5 / len(noise) ** 0.5
    assert abs(float(noise.std()) - 1) < 5 / (2 * len(noise)) ** 0.5


def test_the_global_generator_is_neither_read_nor_moved():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = draws(SEEDS)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert torch.equal(draws(SEEDS), first)


def test_the_numbers_do_not_depend_on_the_precision_of_x():
    narrow, wide = (SeededNoise([4])(torch.empty(1, *SHAPE, dtype=dtype)) for dtype in (torch.float32, torch.float64))
    assert torch.equal(narrow.double(), wide) and wide.dtype == torch.float64


@pytest.mark.parametrize("batch", [2, 4])
@pytest.mark.parametrize("seeds", [[1], [1, 2, 3]])
def test_as_many_seeds_as_images(seeds, batch):
    """One seed would otherwise broadcast: the same noise for every image, without a word."""
    with pytest.raises(ValueError, match=f"{len(seeds)}.*{batch}|{batch}.*{len(seeds)}"):
        SeededNoise(seeds)(torch.empty(batch, *SHAPE))
