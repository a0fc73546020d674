"""Features are kept under a key of all that they depend on, in shards that an interrupted evaluation finds again."""

from dataclasses import replace

import pytest
import torch
from evaluation_cases import HOW, images_of

from alphabar.evaluation import features as extraction
from alphabar.evaluation.features import features, random_order


def seen(extractor) -> int:
    return extractor.network.seen


def test_features_are_those_of_the_images_in_a_fixed_random_order(counting) -> None:
    images = images_of(2500)
    found = features(images, counting, HOW)
    vectors, logits = counting(images.images[random_order(2500)])
    assert torch.equal(found.vectors.load(), vectors) and torch.equal(found.logits.load(), logits)
    assert torch.equal(found.part(990, 2010).vectors.load(), vectors[990:2010])  # across three shards
    assert random_order(2500).tolist() != list(range(2500))
    assert sorted(random_order(2500).tolist()) == list(range(2500))


def test_a_second_evaluation_extracts_nothing(counting) -> None:
    first = features(images_of(1200), counting, HOW).vectors.load()
    assert seen(counting) == 1200
    again = features(images_of(1200), counting, HOW).vectors.load()
    assert seen(counting) == 1200 and torch.equal(first, again)


CHANGES = {
    "n": lambda images, extractor: (replace(images, images=images.images[:-1]), extractor, HOW),
    "rounding": lambda images, extractor: (images, extractor, HOW | {"rounding": "truncated to uint8"}),
    "resize rule": lambda images, extractor: (images, extractor, HOW | {"resize": "pad"}),
    "size": lambda images, extractor: (images, extractor, HOW | {"image_size": "8x8"}),
    "one level of one pixel": lambda images, extractor: (
        replace(images, images=images.images ^ (torch.arange(images.images.numel()) == 7).view_as(images.images)),
        extractor,
        HOW,
    ),
    "weights": lambda images, extractor: (images, replace(extractor, weights_sha256="1" * 64), HOW),
    "extractor": lambda images, extractor: (images, replace(extractor, name="another"), HOW),
    "the extractor's resize rule": lambda images, extractor: (images, replace(extractor, resize="nearest"), HOW),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_the_features_makes_them_anew(counting, change: str) -> None:
    images = images_of(150)
    features(images, counting, HOW)
    before = seen(counting)
    changed, extractor, how = CHANGES[change](images, counting)
    features(changed, extractor, how)
    assert seen(counting) - before == len(changed)
    features(images, counting, HOW)
    assert seen(counting) - before == len(changed)


def test_where_the_images_lay_and_what_they_are_called_does_not_matter(counting) -> None:
    images = images_of(150)
    features(images, counting, HOW)
    features(replace(images, name="moved", source="elsewhere"), counting, HOW | {"path": "elsewhere", "split": "test"})
    assert seen(counting) == 150


def test_an_interrupted_extraction_goes_on_where_it_stopped(counting, monkeypatch) -> None:
    images, calls = images_of(3500), 0
    forward = type(counting.network).forward

    def failing(self, x):
        nonlocal calls
        calls += 1
        if calls > 25:  # in the third shard
            raise KeyboardInterrupt
        return forward(self, x)

    monkeypatch.setattr(type(counting.network), "forward", failing)
    with pytest.raises(KeyboardInterrupt):
        features(images, counting, HOW)
    monkeypatch.setattr(type(counting.network), "forward", forward)
    before = seen(counting)
    found = features(images, counting, HOW)
    assert seen(counting) - before == 1500
    assert torch.equal(found.vectors.load(), counting(images.images[random_order(3500)])[0])


@pytest.mark.parametrize("damage", ["cut short", "empty", "of another size", "one bit"])
def test_a_damaged_shard_is_made_anew(counting, cache, damage: str) -> None:
    images = images_of(2200)
    whole = features(images, counting, HOW).vectors.load()
    shards = sorted(cache.rglob("*.safetensors"))
    assert len(shards) == 3
    packed = shards[0].read_bytes()
    contents = {
        "cut short": packed[:-1],
        "empty": b"",
        "of another size": shards[2].read_bytes(),
        "one bit": packed[:-5] + bytes([packed[-5] ^ 64]) + packed[-4:],
    }
    shards[0].write_bytes(contents[damage])
    before = seen(counting)
    assert torch.equal(features(images, counting, HOW).vectors.load(), whole)
    assert seen(counting) - before == 1000


def test_the_rows_do_not_depend_on_the_size_of_a_shard(counting, cache, monkeypatch) -> None:
    images = images_of(230)
    whole = features(images, counting, HOW).vectors.load()
    for shard in cache.rglob("*.safetensors"):
        shard.unlink()
    monkeypatch.setattr(extraction, "SHARD", 70)
    found = features(images, counting, HOW).vectors
    assert torch.equal(found.load(), whole)
    for first, last in ((0, 70), (69, 71), (140, 230), (229, 230), (3, 227)):
        assert torch.equal(found.part(first, last).load(), whole[first:last])
