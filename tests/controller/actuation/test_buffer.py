"""Room for pods to come: how much, how it goes, and what is read of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.actuation import buffer as buffers
from controller.actuation.buffer import BUFFER, Kept
from domain.errors import RefusedError

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEPT = Kept(
    uid="u-1", replicas=20, at=NOON, beside=10, expires_at=NOON + timedelta(hours=1), epoch=3, rule="shop/web",
    reason="forecast_floor",
)  # fmt: skip
LATER = NOON + timedelta(minutes=1)


def test_room_is_for_what_is_needed_beyond_what_is_there() -> None:
    assert buffers.wanted(14, beside=10, most=20) == 4
    assert buffers.wanted(9, beside=10, most=20) == 0
    assert buffers.wanted(90, beside=10, most=20) == 20


def test_room_comes_at_once_and_goes_by_a_tenth_a_minute() -> None:
    def next_of(room: int, now: datetime) -> int:
        return buffers.damped(room, beside=10, stands=20, last=KEPT, now=now)

    assert (next_of(31, NOON), next_of(5, NOON), next_of(5, LATER), next_of(19, LATER)) == (31, 20, 18, 19)


def test_what_pods_have_moved_into_is_given_up_at_once() -> None:
    assert buffers.damped(5, beside=22, stands=20, last=KEPT, now=NOON) == 8
    assert buffers.damped(0, beside=40, stands=20, last=KEPT, now=NOON) == 0


@given(room=st.integers(0, 50), beside=st.integers(0, 60), stands=st.integers(0, 50), minutes=st.integers(0, 3))
def test_it_is_never_below_what_is_wanted_nor_above_what_stands(
    room: int, beside: int, stands: int, minutes: int
) -> None:
    after = buffers.damped(room, beside=beside, stands=stands, last=KEPT, now=NOON + timedelta(minutes=minutes))
    assert room <= after <= max(room, stands)


def test_a_note_is_read_as_it_was_written() -> None:
    for kept in (KEPT, replace(KEPT, uid="")):
        assert buffers.read(buffers.written(kept), "u-1") == kept
    assert buffers.read({"team": "a"}, "u-1") is None


def test_a_copy_and_half_a_note_are_none_of_ours() -> None:
    with pytest.raises(RefusedError, match="a copy of ours"):
        buffers.read(buffers.written(KEPT), "u-2")
    with pytest.raises(RefusedError, match="expires-at is missing"):
        buffers.read({BUFFER: "u-1 8 at 2026-11-21T12:00:00Z beside 12"}, "u-1")
    with pytest.raises(RefusedError, match="expected like"):
        buffers.read({**buffers.written(KEPT), BUFFER: "8"}, "u-1")
