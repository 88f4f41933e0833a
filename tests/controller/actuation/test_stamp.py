from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.actuation import stamp as stamps
from controller.actuation.limits import Limits
from controller.actuation.stamp import MAX_INT32, Lower, Set, Stamp
from domain.errors import RefusedError

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def stamp(**changed: object) -> Stamp:
    given: dict[str, object] = {
        "baseline": Limits(low=2, high=20), "low": Set(value=8, at=NOON, before=4), "high": None,
        "expires_at": NOON + timedelta(hours=1), "epoch": 7, "rule": "shop/checkout", "reason": "ForecastFloor",
    }  # fmt: skip
    return Stamp(**{**given, **changed})  # type: ignore[arg-type]


@st.composite
def any_stamps(draw: st.DrawFn) -> Stamp:
    low, floor, ceiling, high = sorted(draw(st.lists(st.integers(0, MAX_INT32), min_size=4, max_size=4)))
    instants = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
        lambda at: at.replace(microsecond=0)
    )
    lower = st.lists(st.builds(Lower, value=st.integers(0, low), until=instants), max_size=61).map(tuple)
    sides = [draw(st.none() | st.builds(Set, value=st.just(one), at=instants, before=st.integers(0, one), lower=lower))
             for one in (floor, ceiling)]  # fmt: skip
    return stamp(
        baseline=Limits(low=low, high=high), low=sides[0], high=sides[1], expires_at=draw(instants),
        epoch=draw(st.integers(0, MAX_INT32)), reason=draw(st.sampled_from(["", "ForecastFloor", "Grund – groß"])),
    )  # fmt: skip


@given(any_stamps())
def test_what_is_written_is_read_again(given_stamp: Stamp) -> None:
    assert stamps.read(stamps.written(given_stamp)) == given_stamp


def test_other_annotations_are_nobody_s_stamp() -> None:
    assert stamps.read({"autoscaling.keda.sh/paused": "true", stamps.FREEZE: "launch"}) is None


def test_a_reason_is_cut_and_made_printable() -> None:
    written = stamps.written(stamp(reason="a\nb" + "x" * 1000))[stamps.REASON]
    assert written.startswith("a b")
    assert len(written) == stamps.REASON_LENGTH


@pytest.mark.parametrize("missing", stamps.ALWAYS)
def test_half_a_stamp_is_refused(missing: str) -> None:
    half = {name: text for name, text in stamps.written(stamp()).items() if name != missing}
    with pytest.raises(RefusedError, match=f"half a stamp: annotation {missing} is missing"):
        stamps.read(half)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (stamps.BASELINE_MIN, "-1", "whole number from 0"),
        (stamps.BASELINE_MIN, "1e9", "whole number from 0"),
        (stamps.BASELINE_MIN, "٣", "whole number from 0"),
        (stamps.BASELINE_MIN, "0x10", "whole number from 0"),
        (stamps.BASELINE_MAX, "4294967296", "whole number from 0"),
        (stamps.BASELINE_MAX, "9" * 100_000, "whole number from 0"),
        (stamps.BASELINE_MAX, "1", "ends before it begins"),
        (stamps.BASELINE_MIN, "9", "set-min 8 is outside its baseline"),
        (stamps.SET_MIN, "21 at 2026-11-21T12:00:00Z from 4", "set-min 21 is outside its baseline"),
        (stamps.SET_MIN, "8", "expected like"),
        (stamps.SET_MIN, "8 at yesterday from 4", "expected like"),
        (stamps.SET_MIN, "8 at 2026-13-41T12:00:00Z from 4", "expected like"),
        (stamps.SET_MAX, "7 at 2026-11-21T12:00:00Z from 4", "set-min 8 is above"),
        (stamps.SET_MAX, "1 at 2026-11-21T12:00:00Z from 4", "set-max 1 is outside its baseline"),
        (stamps.EXPIRES_AT, "never", "expected like 2026"),
        (stamps.EXPIRES_AT, "2026-11-21T12:00:00+02:00", "expected like 2026"),
        (stamps.EPOCH, "", "whole number from 0"),
        (stamps.RULE, "shop", "namespace/name of a rule"),
        (stamps.RULE, "shop/checkout\n", "namespace/name of a rule"),
        (stamps.RULE, "../../etc", "namespace/name of a rule"),
        (stamps.REASON, "x" * 300, "at most 256 printable"),
        (stamps.REASON, "\x1b[2J", "at most 256 printable"),
    ],
)
def test_a_hostile_annotation_is_refused_with_a_sentence(name: str, text: str, said: str) -> None:
    with pytest.raises(RefusedError, match=said) as refused:
        stamps.read({**stamps.written(stamp()), name: text})
    assert len(str(refused.value)) < 300


@given(st.dictionaries(st.sampled_from(stamps.OURS), st.text(max_size=40)))
def test_whatever_stands_there_is_a_stamp_or_a_sentence(annotations: dict[str, str]) -> None:
    try:
        read = stamps.read(annotations)
    except RefusedError:
        return
    assert read is None or read.baseline.low <= read.baseline.high


def test_somebody_else_s_edit_becomes_the_baseline() -> None:
    found = stamp(high=Set(value=12, at=NOON, before=12)).after(Limits(low=5, high=12))
    assert (found.baseline, found.low) == (Limits(low=5, high=20), None)
    assert found.high is not None
    assert stamp().is_reverted(Limits(low=2, high=20))
    assert not stamp().is_reverted(Limits(low=8, high=30))


def test_a_floor_lasts_an_hour_and_a_ceiling_a_quarter_of_one() -> None:
    assert stamp().lasts() == timedelta(minutes=60)
    assert stamp(high=Set(value=12, at=NOON, before=12)).lasts() == timedelta(minutes=15)


def test_it_is_renewed_at_half_its_life_and_when_a_clock_went_back() -> None:
    one = stamp()
    assert not one.is_due(NOON + timedelta(minutes=29))
    assert one.is_due(NOON + timedelta(minutes=30))
    assert one.is_due(NOON - timedelta(minutes=10))
    assert not one.is_expired(NOON + timedelta(minutes=59))
    assert one.is_expired(NOON + timedelta(minutes=60))
