"""The allocation as rows of a bill: cut by the hour or the day, without a fault, and adding up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from app.cost_endpoints import view
from app.cost_focus import export, pieces
from cost.allocation.report import Asked
from cost.billing.exact import total
from cost.billing.read import read_bill
from store.metrics import MetricsStore
from tests.app.test_cost_allocation import CLUSTER, EUROS, allocations, store
from tests.app.world import NOW
from tests.fakes.clock import ManualClock

__all__ = ["store"]
NOON = datetime(2026, 11, 20, 12, 30, 59, tzinfo=UTC)


@pytest.mark.parametrize("by", [("namespace",), ("nodePool", "label:team"), ("cluster",), ()])
def test_rows_by_the_hour_are_read_as_a_bill_and_are_what_the_answers_add_up_to(
    store: MetricsStore, clock: ManualClock, tmp_path: Path, by: tuple[str, ...]
) -> None:
    store.load(CLUSTER)
    asks, answered, out = allocations(store, clock, EUROS), [], StringIO()

    def ask(start: datetime, end: datetime) -> Mapping[str, Any]:
        made = view(asks.of(start, end, Asked(by=by), "conserving"), by, 1)
        answered.append(made.total)
        found: Mapping[str, Any] = json.loads(made.model_dump_json())
        return found

    export(pieces(NOW - timedelta(minutes=50), NOW, "hour"), ask, out)
    (tmp_path / "ours.csv").write_text(out.getvalue())
    read = read_bill([tmp_path / "ours.csv"])
    assert (read.notes.lines, read.currency, len(answered)) == ([], "EUR", 1 + (NOW.minute not in (0, 50)))
    assert total(one.effective_cost for one in read.charges) == sum(answered) > 0
    assert total(one.billed_cost for one in read.charges) == Decimal(0)
    assert {one.billing_account for one in read.charges} == {"prod"}


def test_a_window_is_cut_at_whole_hours_or_days_of_utc() -> None:
    hours = pieces(NOON, NOON + timedelta(hours=1, minutes=45), "hour")
    assert [f"{start:%H:%M}-{end:%H:%M}" for start, end in hours] == ["12:30-13:00", "13:00-14:00", "14:00-14:15"]
    days = pieces(NOON, NOON + timedelta(days=1), "day")
    assert [f"{start:%d %H:%M}-{end:%d %H:%M}" for start, end in days] == ["20 12:30-21 00:00", "21 00:00-21 12:30"]


def test_windows_without_a_minute_or_with_too_many_hours_are_refused() -> None:
    with pytest.raises(ValueError, match="by a minute or more"):
        pieces(NOON, NOON, "day")
    with pytest.raises(ValueError, match="more than 168 hours at once"):
        pieces(NOON, NOON + timedelta(days=8), "hour")
    with pytest.raises(ValueError, match="--every week: expected hour or day"):
        pieces(NOON, NOON + timedelta(days=8), "week")
