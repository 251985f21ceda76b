from __future__ import annotations

import random

import msgspec
import pytest

from airflow_provider_ccc.campaign.output.timeline import MOST_BUCKETS, PAUSE, Span, Timeline

START = 1_700_000_000.0


def finished(*moments: float) -> Timeline:
    timeline = Timeline()
    for moment in moments:
        timeline.finish(START + moment)
    return timeline


def total(runs: list[list[Span]]) -> int:
    return sum(span.finished for run in runs for span in run)


def test_an_empty_one_has_no_runs():
    assert Timeline().runs(10) == []
    timeline = Timeline()
    timeline.throttle(START)
    timeline.allow(START, 5)
    assert timeline.runs(10) == []


def test_the_first_and_the_last_bucket_are_joined_with_their_neighbours():
    timeline = finished(0.5, *[1.25] * 50, *[2.5] * 80, *[3.5] * 60, *[4.5] * 14, 4.5)
    for moment in (2.1, 2.2):
        timeline.throttle(START + moment)
    for bucket in range(1, 5):
        timeline.allow(START + bucket + 0.5, 90)
    ((first, middle, last),) = timeline.runs(10)
    assert (first.start, first.seconds, first.finished) == (START + 0.5, 1.5, 51)
    assert first.allowed is None  # the quota was found out within the second bucket
    assert middle == Span(START + 2, 1.0, 80, 2, 90.0)
    assert (last.seconds, last.finished, last.allowed) == (1.5, 75, 180.0)


def test_one_callee_is_no_speed():
    ((span,),) = finished(7.0).runs(10)
    assert (span.seconds, span.finished) == (0.2, 1)


def test_pauses_are_left_out():
    timeline = finished(1, 2, 2 + PAUSE, 10_000, 10_001)
    runs = timeline.runs(1000)
    assert [run[0].start - START for run in runs] == [1, 10_000]
    assert sum(len(run) for run in runs) < 3 + PAUSE + 2
    assert total(runs) == 5


def test_to_be_throttled_for_long_is_no_pause():
    timeline = finished(1, 200)
    for second in range(2, 200):
        timeline.throttle(START + second)
    (run,) = timeline.runs(1000)
    assert sum(span.throttled for span in run) == 198
    assert run[-1].start + run[-1].seconds - run[0].start == pytest.approx(199, abs=0.3)


def test_a_pause_slows_nothing_down():
    """However wide the buckets are, the time between two runs is in none of their speeds."""
    timeline = Timeline()
    for begin in (0, 5000, 50_000):
        for moment in range(20_000):
            timeline.finish(START + begin + moment / 20)
    for most in (10, 20, 200):
        runs = timeline.runs(most)
        assert len(runs) == 3
        assert {round(span.finished / span.seconds) for run in runs for span in run} == {20}


def test_there_are_never_many_buckets_nor_spans():
    timeline = Timeline()
    for moment in range(0, 40_000, 7):
        timeline.finish(START + moment)
        timeline.throttle(START + moment)
        timeline.allow(START + moment, 1.0)
    assert max(map(len, (timeline.finished, timeline.throttled, timeline.allowed))) <= MOST_BUCKETS
    assert sum(timeline.finished.values()) == sum(timeline.throttled.values()) == len(range(0, 40_000, 7))
    for most in (1, 2, 60):
        runs = timeline.runs(most)
        assert 0 < sum(map(len, runs)) <= most
        assert total(runs) == len(range(0, 40_000, 7))


def test_parts_add_up_to_what_one_would_have_counted():
    source = random.Random(5)
    moments = sorted(source.uniform(0, 5000) for _ in range(3000))
    whole, parts = finished(*moments), [Timeline() for _ in range(7)]
    for moment in moments:
        parts[source.randrange(7)].finish(START + moment)
    added = Timeline()
    for part in parts:
        before = msgspec.json.encode(part)
        added.add(msgspec.json.decode(before, type=Timeline))
        assert msgspec.json.encode(part) == before
    assert added == whole
    added.add(Timeline())
    assert added == whole


def test_wider_and_narrower_ones_add_up():
    narrow, wide = finished(1, 2, 3), Timeline(width=64)
    for moment in (5.0, 70.0, 700.0):
        wide.finish(START + moment)
        wide.allow(START + moment, 10)
    for one, other in ((narrow, wide), (wide, narrow)):
        added = Timeline()
        added.add(one)
        added.add(other)
        assert (added.width, sum(added.finished.values()), sum(added.allowed.values())) == (64, 6, 30)
        assert (min(added.since.values()), max(added.until.values())) == (START + 1, START + 700)
