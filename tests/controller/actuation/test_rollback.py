"""Capacity that was taken before an SLO burns comes back, and stays."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.actuation.limits import Limits
from controller.actuation.rollback import Watch, ceiling
from tests.controller.cluster.world import NOON


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_what_stood_a_quarter_of_an_hour_before_comes_back_for_an_hour() -> None:
    watch = Watch()
    for minute, low in enumerate((10, 9, 8)):
        watch = watch.changed(Limits(low=low, high=20), Limits(low=low - 1, high=20), at(minute))
    assert watch.seen("", at(3)) == watch
    watch = watch.seen("burn rate 20", at(6))
    assert watch.raised(Limits(low=5, high=20), most=50) == Limits(low=10, high=20)
    assert watch.raised(Limits(low=5, high=7), most=7) == Limits(low=7, high=7)
    assert (watch.ceiling_above(7), watch.ceiling_above(20), Watch().ceiling_above(0)) == (20, None, None)
    assert watch.why == (
        "rolled back to at least 10..20 until 2026-11-21T13:06:00Z: the SLO burns, 4 minutes after we took capacity "
        "(burn rate 20)"
    )
    assert watch.seen("burn rate 30", at(65)).back is not None
    assert watch.seen("burn rate 30", at(66)).back is None


@given(
    st.lists(st.tuples(st.floats(0.1, 20), st.integers(1, 30), st.integers(1, 30), st.booleans()), max_size=25),
    st.integers(1, 30),
)
def test_nothing_that_came_back_is_taken_within_its_hour(
    passes: list[tuple[float, int, int, bool]], first: int
) -> None:
    watch, now, stands = Watch(), NOON, Limits(low=first, high=60)
    for minutes, low, high, burns in passes:
        now += timedelta(minutes=minutes)
        before = watch
        watch = watch.seen("it burns" if burns else "", now)
        if before.until is not None and now < before.until and before.back is not None:
            assert watch.back is not None
            assert watch.back.low >= before.back.low
        wanted = watch.raised(Limits(low=low, high=max(high, low)), most=30)
        lifted = ceiling(wanted.high, watch.ceiling_above(30), stands=stands.high, before_us=60)
        wanted = Limits(low=wanted.low, high=lifted)
        if watch.back is not None:
            assert wanted.low >= min(watch.back.low, 30)
            assert wanted.high >= min(watch.back.high, max(30, stands.high))
            assert wanted.high == 60 if watch.back.high == 60 else wanted.high <= max(30, stands.high)
        watch, stands = watch.changed(stands, wanted, now), wanted


@pytest.mark.parametrize(
    ("before", "before_us", "comes"),
    [
        (None, 40, 10),  # nothing came back
        (40, 40, 40),  # what stood there before us
        (50, 40, 40),  # whose owner has lowered it since
        (25, 40, 18),  # ours, for a rule that allowed more: what stands stays, and no more
        (25, None, 18),  # nobody had it before us
        (15, None, 15),
    ],
)
def test_a_ceiling_above_the_rule_s_max_comes_back_only_where_it_was_no_word_of_ours(
    before: int | None, before_us: int | None, comes: int
) -> None:
    assert ceiling(10, before, stands=18, before_us=before_us) == comes
