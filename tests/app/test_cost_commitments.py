"""``foretide cost commitments``: from the hours of a bill to what would be bought, and what is doubtful about it."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.cost_commitments import Asked, run
from tests.cost.billing import written
from tests.cost.billing.written import row, unused, used

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MONDAY = datetime(2026, 10, 5, tzinfo=UTC)


def at(hour: int) -> dict[str, str]:
    start = MONDAY + timedelta(hours=hour)
    return {"ChargePeriodStart": start.isoformat(), "ChargePeriodEnd": (start + timedelta(hours=1)).isoformat()}


def machines(count: int, hour: int) -> list[dict[str, Any]]:
    return [row(ResourceId=f"i-{i}", EffectiveCost="0.1", **at(hour)) for i in range(count)]


def said(folder: Path, rows: list[dict[str, Any]], output: str = "json", **asked: Any) -> Any:
    out = io.StringIO()
    assert run(Asked(bills=(written.bill(folder, rows),), output=output, **asked), out, now=NOW) == 0
    return json.loads(out.getvalue()) if output == "json" else out.getvalue()


DAY = [one for hour in range(24) for one in machines(4 if 8 <= hour < 20 else 2, hour)]


def test_the_nights_decide_what_is_bought(tmp_path: Path) -> None:
    (dear,) = said(tmp_path, DAY, discount=0.4)
    (cheap,) = said(tmp_path, DAY, discount=0.6)

    assert (dear["mean_demand"], dear["plan"]["quantity"], dear["hourly_saving"]) == (3, 2, "0.080000000000")
    assert cheap["plan"]["quantity"] == 4
    assert dear["notes"] == ["24 h only: too few for a term"]


def test_what_is_owned_is_not_bought_again_and_its_price_is_the_bills(tmp_path: Path) -> None:
    rows = DAY + [used("i-9", "0.06", **at(hour)) for hour in range(24)]
    rows += [unused("0.06") | at(hour) for hour in range(24)]
    (found,) = said(tmp_path, rows)

    assert (found["mean_demand"], found["mean_owned"], found["committed"]) == (4, 2, "0.0600000000")
    assert found["plan"]["quantity"] == 1


def test_an_hour_that_a_commitment_covers_in_part_is_one_machine(tmp_path: Path) -> None:
    whole = {"ConsumedQuantity": "1", "ConsumedUnit": "Hours"}
    rows = [
        used("i-1", "0.03", PricingQuantity="0.5", **whole),
        row(ResourceId="i-1", PricingQuantity="0.5", EffectiveCost="0.05", **whole),
    ]
    (found,) = said(tmp_path, rows)

    assert (found["mean_demand"], found["mean_owned"]) == (1, 0.5)
    assert (found["on_demand"], found["committed"]) == ("0.1000000000", "0.0600000000")


def test_sizing_comes_before_what_is_owned(tmp_path: Path) -> None:
    rows = DAY + [used("i-9", "0.06", **at(hour)) for hour in range(24)]

    (found,) = said(tmp_path, rows, kept=0.5)
    assert found["plan"]["quantity"] == 0


def test_without_a_price_nothing_is_advised_and_it_says_why(tmp_path: Path) -> None:
    spot = [one | {"PricingCategory": "Dynamic"} for one in machines(3, 0)]
    text = said(tmp_path, DAY + spot, "table")

    assert "S-1 eu: no commitment in the bill: say --discount" in text
    assert "S-1       eu       3.0" in text
    assert "nothing to commit to" in said(tmp_path, spot, "table")


def test_a_bill_by_the_day_says_that_nights_are_hidden(tmp_path: Path) -> None:
    day = {"ChargePeriodStart": "2026-10-05T00:00:00Z", "ChargePeriodEnd": "2026-10-06T00:00:00Z"}
    text = said(tmp_path, [row(ResourceId="i-1", PricingQuantity="24", **day)], "table", discount=0.4)

    assert "nights are hidden" in text
    assert "2026-11-22: 1 × S-1 eu" in text


def test_options_that_cannot_be_meant_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bill = written.bill(tmp_path, DAY)
    for asked in ({"output": "csv"}, {"discount": 1.5}, {"kept": 2.0}, {"parts": 0}):
        assert run(Asked(bills=(bill,), **asked), io.StringIO()) == 2  # type: ignore[arg-type]
    assert "--discount 1.5: expected a share" in capsys.readouterr().err
