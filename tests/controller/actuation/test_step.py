"""Whole stories of one object: every step is read from its annotations again, as after a restart."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.actuation import flapping, giving_back, holds, ramp, step
from controller.actuation import stamp as stamps
from controller.actuation.holds import Holds, Rollout
from controller.actuation.limits import Limits
from controller.actuation.step import Clean, Rest, Seen, Step, Wanted, Write
from domain.errors import RefusedError

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass
class Object:
    """An HPA as an API server keeps it: bounds and annotations, nothing else."""

    limits: Limits
    annotations: dict[str, str] = field(default_factory=dict)
    now: datetime = NOON
    writes: int = 0

    def wants(
        self, low: int, high: int, *, ready: int | None = 0, held: Holds = holds.NONE, epoch: int = 1, rule: str = "a/b"
    ) -> Step:
        wanted = Wanted(limits=Limits(low=low, high=high), rule=rule, reason="test", epoch=epoch)
        seen = Seen(limits=self.limits, stamp=stamps.read(self.annotations), ready=ready, holds=held)
        return self.take(step.towards(wanted, seen, now=self.now))

    def gives_back(self, *, at_once: bool = False) -> Step:
        stamp = stamps.read(self.annotations)
        assert stamp is not None
        return self.take(giving_back.next_step(self.limits, stamp, now=self.now, at_once=at_once))

    def take(self, taken: Step) -> Step:
        self.writes += not isinstance(taken, Rest)
        if isinstance(taken, Write):
            # Only what has a note is sent.
            assert taken.stamp.low is not None or taken.limits.low == self.limits.low
            assert taken.stamp.high is not None or taken.limits.high == self.limits.high
            self.limits, self.annotations = taken.limits, stamps.written(taken.stamp)
        elif isinstance(taken, Clean):
            self.annotations = {}
        return taken

    def later(self, seconds: float) -> Object:
        self.now += timedelta(seconds=seconds)
        return self


def test_a_floor_rises_to_the_double_or_by_ten_in_a_minute() -> None:
    hpa = Object(Limits(low=2, high=200))
    lows = []
    for _ in range(5):
        hpa.wants(100, 200)
        lows.append(hpa.limits.low)
        hpa.later(60)
    assert lows == [12, 24, 48, 96, 100]


def test_two_halves_of_a_rise_are_one_rise() -> None:
    hpa = Object(Limits(low=2, high=200))
    hpa.wants(6, 200)
    hpa.later(15).wants(100, 200)
    assert hpa.limits.low == 12
    hpa.later(15).wants(100, 200)
    assert hpa.limits.low == 12


def test_a_floor_falls_by_a_tenth_a_minute_to_the_baseline_and_no_trace_is_left() -> None:
    hpa = Object(Limits(low=2, high=200))
    hpa.wants(12, 200)
    lows = []
    while hpa.annotations:
        hpa.later(60).wants(1, 200)
        lows.append(hpa.limits.low)
    assert lows == [11, 10, 9, 8, 7, 6, 5, 4, 3, *[2] * 11]
    assert isinstance(hpa.wants(1, 200), Rest)


def test_a_ceiling_is_cut_by_a_tenth_in_ten_minutes_and_not_below_what_is_ready() -> None:
    hpa = Object(Limits(low=2, high=40))
    highs = []
    for _ in range(6):
        hpa.wants(2, 10, ready=31)
        highs.append(hpa.limits.high)
        hpa.later(600)
    assert highs == [36, 33, 31, 31, 31, 31]
    hpa.wants(2, 40, ready=31)
    assert hpa.limits == Limits(low=2, high=40)
    assert isinstance(hpa.later(600).wants(2, 40, ready=31), Clean)


def test_a_ceiling_is_not_cut_where_nobody_knows_what_is_ready() -> None:
    hpa = Object(Limits(low=2, high=40))
    assert isinstance(hpa.wants(2, 10, ready=None), Rest)


def test_the_ceiling_of_the_hpa_is_not_ours_to_raise() -> None:
    hpa = Object(Limits(low=2, high=20))
    taken = hpa.wants(50, 100)
    assert (hpa.limits, hpa.annotations.get(stamps.SET_MAX)) == (Limits(low=12, high=20), None)
    assert isinstance(taken, Write)
    taken = hpa.later(60).wants(50, 100)
    assert hpa.limits == Limits(low=20, high=20)
    assert isinstance(taken, Write)
    assert taken.why == "a floor of 50 is above the ceiling 20, which is not ours to raise"


def test_nothing_changes_and_nothing_is_written_until_half_of_its_life() -> None:
    hpa = Object(Limits(low=2, high=20))
    hpa.wants(8, 20)
    for _ in range(119):
        assert isinstance(hpa.later(15).wants(8, 20), Rest)
    assert isinstance(hpa.later(15).wants(8, 20), Write)
    assert hpa.writes == 2


def test_a_new_leader_s_object_is_left_alone() -> None:
    hpa = Object(Limits(low=2, high=20))
    hpa.wants(8, 20, epoch=5)
    with pytest.raises(RefusedError, match="epoch 5, ours is 4"):
        hpa.wants(9, 20, epoch=4)


def test_a_frozen_object_is_not_touched() -> None:
    hpa = Object(Limits(low=2, high=20))
    taken = hpa.wants(8, 20, held=Holds(everything="by the kill switch: INC-1"))
    assert taken == Rest(why="held, by the kill switch: INC-1")


def test_what_holds_downs_lets_ups_through() -> None:
    hpa = Object(Limits(low=2, high=20))
    held = Holds(downs="a rollout is under way: 1 of 4 replicas are new")
    hpa.wants(8, 20, held=held)
    assert hpa.limits.low == 8
    taken = hpa.later(600).wants(2, 5, held=held)
    assert isinstance(taken, Rest)
    assert taken.why.startswith("held, a rollout")


def test_who_edits_in_between_is_obeyed() -> None:
    hpa = Object(Limits(low=2, high=20))
    hpa.wants(8, 20)
    hpa.limits = Limits(low=4, high=30)
    hpa.later(60).wants(8, 100)
    assert hpa.limits == Limits(low=8, high=30)
    while hpa.annotations:
        hpa.later(60).gives_back()
    assert hpa.limits == Limits(low=4, high=30)


bounds = st.tuples(st.integers(0, 300), st.integers(1, 300)).map(lambda two: Limits(low=min(two), high=max(two)))
ticks = st.tuples(
    st.integers(1, 700), bounds, st.none() | st.integers(0, 300), st.sampled_from(["", "", "", "downs", "everything"])
)


@settings(max_examples=100, deadline=None)
@given(start=bounds, story=st.lists(ticks, max_size=25))
def test_no_story_leaves_baseline_cap_and_step_limits(
    start: Limits, story: list[tuple[int, Limits, int | None, str]]
) -> None:
    hpa = Object(start)
    floors: list[tuple[datetime, int]] = [(hpa.now - timedelta(hours=1), start.low)]
    cut_at = hpa.now - timedelta(hours=1)
    for seconds, wanted, ready, held in story:
        hpa.later(seconds)
        before = hpa.limits
        hpa.wants(wanted.low, wanted.high, ready=ready, held=Holds(**{held: "held"} if held else {}))
        after = hpa.limits
        assert start.low <= after.low <= after.high <= start.high
        if held == "everything":
            assert after == before
        if held == "downs":
            assert after.low >= before.low
            assert after.high >= before.high
        if after.low > before.low:
            lowest = min(low for at, low in within_a_minute(floors, hpa.now))
            assert after.low <= max(2 * lowest, lowest + 10)
        if after.low < before.low:
            assert after.low >= before.low - max(1, before.low // 10)
            assert hpa.now - floors[-1][0] >= timedelta(seconds=60)
        if after.high < before.high:
            assert after.high >= before.high - max(1, before.high // 10)
            assert after.high >= min(before.high, ready if ready is not None else before.high)
            assert hpa.now - cut_at >= timedelta(minutes=10)
            cut_at = hpa.now
        if after.low != before.low:
            floors.append((hpa.now, after.low))
    ends_at_the_baseline(hpa, start)


def within_a_minute(floors: list[tuple[datetime, int]], now: datetime) -> list[tuple[datetime, int]]:
    """Every floor that stood at some time of the last 60 s, the one that it began with included."""
    since = now - timedelta(seconds=60)
    begun = max(index for index, (at, _) in enumerate(floors) if at <= since or index == 0)
    return floors[begun:]


def ends_at_the_baseline(hpa: Object, baseline: Limits) -> None:
    for _ in range(400):
        if not hpa.annotations:
            break
        before = hpa.limits
        hpa.later(20).gives_back()
        assert baseline.low <= hpa.limits.low <= before.low
        assert before.high <= hpa.limits.high <= baseline.high
    assert (hpa.limits, hpa.annotations) == (baseline, {})


@settings(max_examples=60, deadline=None)
@given(start=bounds, wanted=bounds, minutes=st.integers(1, 20), edit=st.none() | bounds, at_once=st.booleans())
def test_giving_back_always_ends_at_the_baseline_without_annotations(
    start: Limits, wanted: Limits, minutes: int, edit: Limits | None, at_once: bool
) -> None:
    hpa = Object(start)
    for _ in range(minutes):
        hpa.later(60).wants(wanted.low, wanted.high, ready=0)
    if not hpa.annotations:
        assert hpa.limits == start
        return
    ours, hpa.limits = hpa.limits, hpa.limits if edit is None else edit
    baseline = Limits(
        low=start.low if hpa.limits.low == ours.low else hpa.limits.low,
        high=start.high if hpa.limits.high == ours.high else hpa.limits.high,
    )
    if at_once:
        hpa.gives_back(at_once=True)
        if hpa.annotations:
            hpa.gives_back(at_once=True)
        assert (hpa.limits, hpa.annotations) == (baseline, {})
    elif baseline.low <= baseline.high:
        edited = stamps.read(hpa.annotations)
        assert edited is not None
        if edited.after(hpa.limits).baseline == baseline:
            ends_at_the_edited_baseline(hpa, baseline)


def ends_at_the_edited_baseline(hpa: Object, baseline: Limits) -> None:
    for _ in range(400):
        if not hpa.annotations:
            break
        hpa.later(60).gives_back()
    assert (hpa.limits, hpa.annotations) == (baseline, {})


def test_a_floor_that_climbs_a_little_at_each_pass_is_never_kept_waiting() -> None:
    hpa = Object(Limits(low=2, high=200))
    for wanted in range(3, 60):
        hpa.later(15).wants(wanted, 200)
        assert hpa.limits.low == wanted


passes = st.lists(st.tuples(st.floats(0.2, 90), st.integers(0, 300)), min_size=1, max_size=60)


@given(start=st.integers(0, 40), passes=passes)
def test_a_floor_rises_by_no_more_than_the_double_or_ten_within_any_minute(
    start: int, passes: list[tuple[float, int]]
) -> None:
    hpa = Object(Limits(low=start, high=300))
    held = [(hpa.now, start)]
    for seconds, wanted in passes:
        hpa.later(seconds).wants(wanted, 300)
        lowest = min(low for at, low in within_a_minute(held, hpa.now))
        assert hpa.limits.low <= max(lowest, ramp.risen(lowest))
        held.append((hpa.now, hpa.limits.low))


@given(start=st.integers(0, 40), passes=passes)
def test_a_floor_below_what_is_wanted_never_stands_still_for_longer_than_a_minute(
    start: int, passes: list[tuple[float, int]]
) -> None:
    hpa = Object(Limits(low=start, high=300))
    moved_at = hpa.now
    for seconds, wanted in passes:
        before = hpa.limits.low
        hpa.later(seconds).wants(wanted, 300)
        # Annotations hold whole seconds, rounded up.
        if hpa.limits.low == before < wanted:
            assert hpa.now - moved_at < timedelta(seconds=61)
        if hpa.limits.low != before:
            moved_at = hpa.now


@given(st.integers(1, 2000), st.integers(0, 2000), st.integers(1, 600))
def test_steps_are_monotone_in_what_is_wanted(current: int, wanted: int, seconds: int) -> None:
    last = ramp.noted(current, current, last=None, now=NOON)
    now = NOON + timedelta(seconds=seconds)
    one = ramp.floor(current, wanted, last=last, now=now)
    assert one <= ramp.floor(current, wanted + 1, last=last, now=now)
    assert min(current, wanted) <= one <= max(current, wanted)
    cut = ramp.ceiling(current, wanted, last=last, now=now)
    assert cut <= ramp.ceiling(current, wanted + 1, last=last, now=now)


@pytest.mark.parametrize(
    ("found", "everything", "downs"),
    [
        ({}, "", ""),
        ({"switch": "INC-1"}, "by the kill switch: INC-1", ""),
        ({"annotation": ""}, "by its freeze annotation", ""),
        ({"annotation": "sale"}, "by its freeze annotation: sale", ""),
        ({"age": None}, "the cluster has not been read yet", ""),
        ({"age": timedelta(seconds=121)}, "", "what is known of the cluster is 121 s old"),
        ({"age": timedelta(seconds=301)}, "what is known of the cluster is 301 s old", ""),
        ({"budget": "cart"}, "", "PodDisruptionBudget cart allows no disruption now"),
        ({"rollout": (5, 4, 3, 3)}, "", "a rollout begins: its controller has not seen the newest spec yet"),
        ({"rollout": (5, 5, 3, 1)}, "", "a rollout is under way: 1 of 3 replicas are new"),
        ({"rollout": (5, 5, 3, 1, True)}, "", "a rollout stands still: 1 of 3 replicas are new"),
        ({"rollout": (5, 5, 3, 3)}, "", ""),
    ],
)
def test_what_holds(found: dict[str, object], everything: str, downs: str) -> None:
    given = {"switch": "", "annotation": None, "age": timedelta(), "budget": "", "rollout": None, **found}
    if isinstance(given["rollout"], tuple):
        names = ("generation", "observed_generation", "replicas", "updated_replicas", "paused")
        given["rollout"] = Rollout(**dict(zip(names, given["rollout"], strict=False)))
    assert holds.of(**given) == Holds(everything=everything, downs=downs)  # type: ignore[arg-type]


def test_the_third_revert_in_ten_minutes_stops_us_for_an_hour() -> None:
    reverts = flapping.Reverts()
    for minute in (0, 4, 11):
        reverts = reverts.with_one(NOON + timedelta(minutes=minute))
    assert reverts.stopped(NOON + timedelta(minutes=11)) == ""
    reverts = reverts.with_one(NOON + timedelta(minutes=12))
    assert "3 times within 10 minutes" in reverts.stopped(NOON + timedelta(minutes=12))
    assert reverts.stopped(NOON + timedelta(minutes=73)) == ""
