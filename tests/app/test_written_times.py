from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.written_times import moment, usable

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_a_duration_counts_from_now_and_a_time_stands_for_itself() -> None:
    assert moment("--from", "6h", NOW) == NOW - timedelta(hours=6)
    assert moment("--until", "30d", NOW, ahead=True) == NOW + timedelta(days=30)
    assert moment("--to", "2026-11-20T00:00:00Z", NOW) == datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(("text", "why"), [
    ("yesterday", "expected 6h, 30d, or a time"), ("2026-11-20T00:00:00", "has no offset"),
    ("99999999d", "no calendar reaches so far"), ("9" * 30 + "d", "expected 6h"),
])  # fmt: skip
@pytest.mark.parametrize("ahead", [False, True])
def test_what_is_no_time_is_told_with_its_option(text: str, why: str, ahead: bool) -> None:
    with pytest.raises(ValueError, match=f"^--from {text}.*{why}"):
        moment("--from", text, NOW, ahead=ahead)


@pytest.mark.parametrize("text", ["2026-11-20T00:00:00", "9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00"])
def test_a_question_names_a_time_that_every_zone_can_hold(text: str) -> None:
    with pytest.raises(ValueError, match="^from="):
        usable("from", datetime.fromisoformat(text))
    assert usable("from", NOW) == NOW
