"""The stream is a pure function of (seed, position)."""

import time

import pytest
import torch

from alphabar import AlphabarError
from alphabar.data import Batch, ImageSet, ShuffledStream, resident, windows
from alphabar.data.stream import coin_flips


def numbered(size: int, labels: bool = True) -> ImageSet:
    """Image k has left pixel k, right pixel 255 - k, so that a mirrored one is told apart."""
    left = torch.arange(size, dtype=torch.uint8)
    images = torch.stack([left, 255 - left], dim=1).reshape(size, 1, 1, 2)
    names = tuple(map(str, range(size))) if labels else ()
    return ImageSet("numbered", images, torch.arange(size) if labels else None, names, "test")


def joined(*batches: Batch) -> Batch:
    return Batch(torch.cat([b.images for b in batches]), torch.cat([b.labels for b in batches]))


def same(a: Batch, b: Batch) -> bool:
    return torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels)


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_every_epoch_shows_every_image_once(size: int) -> None:
    stream = ShuffledStream(numbered(size), seed=3)
    for epoch in range(4):
        assert sorted(stream.batch(epoch * size, size).labels.tolist()) == list(range(size))


def test_epochs_and_seeds_differ() -> None:
    a, b = ShuffledStream(numbered(100), seed=0), ShuffledStream(numbered(100), seed=1)
    orders = {tuple(s.batch(100 * epoch, 100).labels.tolist()) for s in (a, b) for epoch in range(3)}
    assert len(orders) == 6


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("size", [3, 8, 50])
def test_how_the_stream_is_cut_does_not_matter(size: int, flip: bool) -> None:
    stream = ShuffledStream(numbered(size), seed=5, horizontal_flip=flip)
    whole = stream.batch(0, 10)
    assert same(whole, joined(stream.batch(0, 3), stream.batch(3, 7)))
    assert same(whole, joined(*(stream.batch(k, 1) for k in range(10))))


def test_a_stream_resumes_anywhere_without_its_past() -> None:
    past, fresh = (ShuffledStream(numbered(20), seed=9, horizontal_flip=True) for _ in range(2))
    for start in range(0, 1000, 8):
        past.batch(start, 8)
    assert same(past.batch(1000, 30), fresh.batch(1000, 30))


def test_a_batch_larger_than_the_set_crosses_epochs() -> None:
    labels = ShuffledStream(numbered(4), seed=0).batch(2, 64).labels
    assert torch.bincount(labels).tolist() == [16, 16, 16, 16]


def test_labels_stay_with_their_images_and_may_be_absent() -> None:
    batch = ShuffledStream(numbered(50), seed=0).batch(20, 100)
    assert torch.equal(batch.images[:, 0, 0, 0].long(), batch.labels)
    assert ShuffledStream(numbered(5, labels=False), seed=0).batch(0, 3).labels is None


def test_flips_mirror_about_half_of_the_images_and_only_if_asked() -> None:
    drawn = ShuffledStream(numbered(100), seed=0, horizontal_flip=True).batch(0, 10_000)
    mirrored = drawn.images[:, 0, 0, 0].long() != drawn.labels
    assert torch.equal(drawn.images[:, 0, 0, 1].long()[mirrored], drawn.labels[mirrored])
    assert abs(float(mirrored.float().mean()) - 0.5) < 0.02
    assert same(ShuffledStream(numbered(100), 0).batch(0, 100), ShuffledStream(numbered(100), 0, False).batch(0, 100))


def test_the_coins_of_different_seeds_and_neighbouring_positions_are_independent() -> None:
    a, b = coin_flips(0, 0, 20_000), coin_flips(1, 0, 20_000)
    assert abs((a == b).mean() - 0.5) < 0.02
    assert abs((a[1:] == a[:-1]).mean() - 0.5) < 0.02


def test_negative_and_huge_seeds_are_seeds_of_their_own() -> None:
    orders = {tuple(ShuffledStream(numbered(50), seed).batch(0, 50).labels.tolist()) for seed in (-1, 0, 1, 2**63 - 1)}
    assert len(orders) == 4


def test_a_batch_is_cheap() -> None:
    images = torch.zeros(60_000, 1, 32, 32, dtype=torch.uint8)
    stream = ShuffledStream(ImageSet("large", images, None, (), "test"), seed=0, horizontal_flip=True)
    stream.batch(0, 1)
    started = time.perf_counter()
    for k in range(20):
        stream.batch(128 * k, 128)
    assert (time.perf_counter() - started) / 20 < 0.1  # seconds; 0.0006 on an idle machine


def resident_and_not(device: str, **more) -> tuple[ShuffledStream, ShuffledStream]:
    images = torch.arange(5 * 3 * 8 * 8, dtype=torch.int64).remainder(251).to(torch.uint8).reshape(5, 3, 8, 8)
    larger = images if more.pop("crops") else None
    shown = images if larger is None else windows.middle(larger, (6, 4))
    own = ImageSet("", shown, None if device == "meta" else torch.arange(5), tuple("abcde"), "", larger=larger)
    kept = resident(own, torch.device(device), "always")
    return tuple(ShuffledStream(each, 7, **more) for each in (own, kept))


@pytest.mark.parametrize("crops", [False, True])
@pytest.mark.parametrize("horizontal_flip", [False, True])
def test_a_set_on_the_device_gives_the_same_batches(crops: bool, horizontal_flip: bool) -> None:
    a, b = resident_and_not("cpu", crops=crops, horizontal_flip=horizontal_flip)
    for start in (0, 3, 40):
        assert same(a.batch(start, 7), b.batch(start, 7))


@pytest.mark.parametrize("crops", [False, True])
@pytest.mark.parametrize("horizontal_flip", [False, True])
def test_a_batch_of_a_set_on_the_device_is_made_there_and_nothing_is_read_back(crops, horizontal_flip) -> None:
    """The device meta has shapes alone: to read a value from it, or to mix it with the CPU, is an error."""
    a, b = resident_and_not("meta", crops=crops, horizontal_flip=horizontal_flip)
    ours, theirs = a.batch(3, 7), b.batch(3, 7)
    assert theirs.images.device.type == "meta" and theirs.images.shape == ours.images.shape


@pytest.mark.parametrize(
    ("free", "wanted", "is_kept"),
    [(4000, "auto", True), (3999, "auto", False), (1000, "always", True), (4000, "never", False)],
)
def test_auto_keeps_a_set_on_a_gpu_if_it_takes_a_quarter_of_the_free_memory(free, wanted, is_kept, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**9))
    monkeypatch.setattr("alphabar.data.on_device.moved", lambda images, device: "kept")
    images = ImageSet("", torch.zeros(10, 1, 10, 10, dtype=torch.uint8), None, (), "")
    found = resident(images, torch.device("cuda"), wanted)
    assert found == "kept" if is_kept else found is images
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (999, 10**9))
    with pytest.raises(AlphabarError, match=r"take 0.0 MB, and 0.0 MB of cuda are free; set training.images_on_dev"):
        resident(images, torch.device("cuda"), "always")
    assert resident(images, torch.device("cpu"), "auto") is images
