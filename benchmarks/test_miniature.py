"""The estimates of the two tables in miniature: unbiased bounds from few terms, and gaps in standard errors."""

import numpy as np
import pytest
import torch
from benchmarks import iddpm_in_miniature as miniature
from benchmarks.gaps import gap
from benchmarks.sampled_bound import ranges, sampled_bound

from alphabar.diffusion import PARAMETERIZATIONS, VARIANCES, Denoiser, cosine, variational_bound

IMAGES = torch.randint(256, (2, 1, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def toy(T: int) -> Denoiser:
    return Denoiser(lambda x, t: x * 0.9, cosine(T), PARAMETERIZATIONS["eps"], VARIANCES["fixed_large"])


@pytest.mark.parametrize(
    ("T", "exact", "strata"), [(1000, 32, 300), (4000, 32, 300), (50, 32, 300), (40, 4, 7), (3, 4, 9)]
)
def test_the_ranges_cover_every_step_once(T, exact, strata):
    first, length = ranges(T, exact, strata)
    assert [t for a, n in zip(first.tolist(), length.tolist(), strict=True) for t in range(a, a + n)] == [
        *range(1, T + 1)
    ]
    assert first[: min(exact, T)].tolist() == [*range(1, min(exact, T) + 1)]


def test_a_bound_of_few_terms_is_that_of_all_in_the_mean():
    from alphabar.images import to_signed

    denoiser, copies = toy(40), 400
    images = IMAGES[:1].repeat(copies, 1, 1, 1)
    few = sampled_bound(denoiser, images, list(range(copies)), exact=2, strata=8)
    noise = torch.Generator().manual_seed(1)
    x0 = to_signed(images)
    whole = variational_bound(denoiser, x0, noise=lambda t: torch.randn(x0.shape, generator=noise))
    for mine, all_terms in ((few.rate, whole.rate), (few.distortion, whole.distortion)):
        error = ((mine.var() + all_terms.var()) / copies).sqrt()
        assert abs(mine.mean() - all_terms.mean()) < 4 * error


def test_an_image_draws_the_same_whatever_lies_beside_it():
    both = sampled_bound(toy(40), IMAGES, [7, 8], exact=2, strata=8)
    alone = sampled_bound(toy(40), IMAGES[1:], [8], exact=2, strata=8)
    torch.testing.assert_close(both.rate[1:], alone.rate)


def test_a_gap_is_as_uncertain_as_its_seeds_and_images_are():
    generator = np.random.default_rng(0)
    z = []
    for _ in range(400):
        seeds, images = 0.1 * generator.standard_normal((8, 1)), 0.3 * generator.standard_normal((1, 40))
        z.append(gap(1 + seeds + images, np.ones((8, 40))).value - 1)
    said = gap(1 + seeds + images, np.ones((8, 40)))
    assert said.error == pytest.approx(np.std(z), rel=0.4)
    assert "8 seeds, 40 images" in str(said) and gap(seeds[:1] + images, np.zeros((1, 40))).error < said.error + 0.1


def test_the_longer_budget_begins_with_the_cells_that_decide():
    runs = miniature.runs(240_000)
    assert [run.cell for run in runs[:9]] == list(miniature.DECIDING) and {run.seed for run in runs[:9]} == {0}
    assert len(runs) == len(miniature.runs()) == 51 and len({run.name for run in runs}) == 51
