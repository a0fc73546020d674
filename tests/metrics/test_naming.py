"""A printed name says which extractor it holds for, and the famous names hold for Inception alone."""

import pytest

from alphabar.errors import AlphabarError
from alphabar.metrics.extractor import EXTRACTORS
from alphabar.metrics.metric import QUANTITIES
from alphabar.metrics.naming import display_name

FAMOUS = {"FID", "KID", "IS"}


def test_names():
    assert [display_name(q, "inception") for q in ("fd", "kid", "score", "precision", "class_coverage")] == [
        "FID",
        "KID",
        "IS",
        "precision-inception",
        "class-coverage-inception",
    ]
    assert [display_name(q, "fashion-cnn") for q in ("fd", "kid", "score", "precision", "class_coverage")] == [
        "FD-fashion-cnn",
        "KID-fashion-cnn",
        "class-score-fashion-cnn",
        "precision-fashion-cnn",
        "class-coverage-fashion-cnn",
    ]


def test_every_quantity_has_a_name():
    assert all(quantity.name for quantity in QUANTITIES.values())
    assert {quantity.famous_name for quantity in QUANTITIES.values()} - {None} == FAMOUS


def test_no_two_quantities_or_extractors_share_a_name():
    names = [display_name(quantity, extractor) for quantity in QUANTITIES for extractor in EXTRACTORS]
    assert len(set(names)) == len(names) == 24


@pytest.mark.parametrize("extractor", [*(name for name in EXTRACTORS if name != "inception"), "Inception", "", "other"])
def test_no_other_extractor_prints_a_famous_name(extractor):
    assert not FAMOUS & {display_name(quantity, extractor) for quantity in QUANTITIES}


def test_an_unknown_quantity_is_refused():
    with pytest.raises(AlphabarError, match="no quantity 'fid'; did you mean 'fd'"):
        display_name("fid", "inception")
