"""Previews and checkpoints by the clock: early ones, then seldom, and never much of the time."""

import pytest

from alphabar.config import Training
from alphabar.training.clock.moments import Moments

AUTO = Training(minutes=60, sample_every="auto", checkpoint_every="auto")


def made(cost: float, seconds: float, step: float = 0.5, budget: float | None = None) -> list[float]:
    """When previews that take `cost` are made, in seconds, in a run of `seconds`."""
    moments, now, times = Moments(AUTO, 10, 0.0, budget), 0.0, []
    while now < seconds:
        now += step
        moments.stepped(32, now)
        if moments.preview_is_due(int(now / step), now):
            times.append(now)
            now += cost
            moments.previewed(now, cost)
    return times


def test_previews_come_early_and_then_every_ten_minutes() -> None:
    assert made(0.1, 2500) == pytest.approx([30, 60, 120, 240, 480, 600, 1200, 1800, 2400], abs=1.5)


@pytest.mark.parametrize("cost", [1.0, 5.0, 30.0, 200.0])
def test_previews_take_a_twentieth_of_the_time_at_most(cost: float) -> None:
    times = made(cost, 20_000)
    assert times, "there are some"
    for count, time in enumerate(times, start=1):
        assert cost * count <= 0.05 * time + cost * (count == 1)


def test_the_first_preview_waits_until_its_cost_is_small_as_far_as_that_can_be_reckoned() -> None:
    """640 network calls where an image takes 1/64 second of training, and so a third of that for a call."""
    moments, now = Moments(AUTO, 640, 0.0, None), 0.0
    while not moments.preview_is_due(0, now):
        now += 0.5
        moments.stepped(32, now)
    assert now == pytest.approx(640 / 64 / 3 / 0.05, abs=1)


def test_a_slow_preview_at_the_end_never_takes_the_time_of_the_training() -> None:
    moments = Moments(AUTO, 64_000, 0.0, 180.0)
    moments.stepped(32, 4.5)
    assert moments.reserve == pytest.approx(0.05 * 180), "and not the 3,000 seconds that it takes"


def test_the_cost_of_a_preview_is_reckoned_from_steps_alone() -> None:
    moments = Moments(AUTO, 96, 0.0, 3600.0)
    moments.put_aside(100.0)
    moments.stepped(32, 103.0)
    assert moments.reserve == pytest.approx(3.0)
    moments.scored(10.0)
    assert moments.reserve == pytest.approx(13.0)


def test_shortly_before_the_end_none_is_begun() -> None:
    assert made(0.1, 610, budget=610) == pytest.approx([30, 60, 120, 240, 480], abs=1.5)


def test_a_run_that_goes_on_makes_no_preview_of_the_past() -> None:
    moments = Moments(AUTO, 10, 500.0, None)
    for second in range(501, 600):
        moments.stepped(32, second)
        assert not moments.preview_is_due(0, second)
    moments.stepped(32, 600)
    assert moments.preview_is_due(0, 600)


def test_checkpoints_come_every_two_minutes_or_as_seldom_as_they_are_slow() -> None:
    moments = Moments(AUTO, 10, 0.0, None)
    assert not moments.checkpoint_is_due(1, 119) and moments.checkpoint_is_due(1, 120)
    moments.saved(120, cost=6.0)
    assert not moments.checkpoint_is_due(2, 419) and moments.checkpoint_is_due(2, 420)


def test_a_number_of_steps_is_kept_whatever_the_clock_says() -> None:
    moments = Moments(Training(steps=9, sample_every=3, checkpoint_every=2), 10, 0.0, None)
    assert [step for step in range(1, 10) if moments.preview_is_due(step, 1e9)] == [3, 6, 9]
    assert [step for step in range(1, 10) if moments.checkpoint_is_due(step, 1e9)] == [2, 4, 6, 8]
    assert not Moments(Training(steps=9, sample_every=0), 10, 0.0, None).preview_is_due(3, 1e9)
