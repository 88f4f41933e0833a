from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.view import MAX_POINTS, MIN_POINTS, RANGES, read

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR_MS = 3_600_000


def test_a_range_follows_the_clock() -> None:
    window = read({"range": "6h"}).window(NOW)
    assert (window.start, window.end) == (NOW - timedelta(hours=6), NOW)


def test_a_fixed_window_stays_and_shows_no_more_than_was_asked() -> None:
    view = read({"range": "6h", "from": 0, "to": HOUR_MS})
    assert view.window(NOW).length == timedelta(hours=1)
    assert view.shown(NOW, NOW + timedelta(hours=2)) == view.window(NOW)


def test_the_future_shown_is_a_share_of_the_range_and_ends_with_the_forecast() -> None:
    assert read({"range": "1h"}).shown(NOW, NOW + timedelta(hours=2)).end == NOW + timedelta(minutes=24)
    assert read({"range": "24h"}).shown(NOW, NOW + timedelta(hours=2)).end == NOW + timedelta(hours=2)
    assert read({"range": "1h"}).shown(NOW, None).end == NOW
    assert read({"range": "1h"}).shown(NOW, NOW - timedelta(hours=1)).end == NOW


def test_points_follow_the_width_of_the_chart() -> None:
    assert read({"width": 800}).max_points == 1040
    assert read({"width": 20}).max_points == MIN_POINTS
    assert read({"width": 9000}).max_points == MAX_POINTS


@pytest.mark.parametrize("state", [None, {}, {"range": "5y"}, {"from": 5, "to": 1}, {"from": "a", "to": []}])
def test_what_makes_no_sense_is_the_default(state: dict[str, Any] | None) -> None:
    assert read(state).window(NOW).length == RANGES["1h"]


def test_the_revision_changes_with_what_is_drawn_anew_only() -> None:
    assert read({"range": "1h"}).revision == read({"range": "1h", "width": 300}).revision
    others = ({"range": "6h"}, {"theme": "light"}, {"from": 0, "to": HOUR_MS})
    assert len({read(state).revision for state in (*others, {})}) == 4


anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)


@given(st.dictionaries(st.sampled_from(["range", "from", "to", "theme", "width"]), anything))
def test_no_store_breaks_the_view(state: dict[str, Any]) -> None:
    view = read(state)
    assert view.window(NOW).start < view.window(NOW).end
    assert MIN_POINTS <= view.max_points <= MAX_POINTS
