"""From hours that are kept to a period's end by group, by the API's own function; no model is fitted."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI

from app.cost_forecast_command import Asked, _csv, _focus, _lines, answer
from app.cost_forecast_endpoints import period_of, router, view
from app.cost_hours import HourlyCosts
from app.cost_outlook import CostOutlooks, Outlook, Question
from cost.allocation.ledger import Idle, Line, ledger
from cost.allocation.rollup import rolled
from cost.allocation.subject import Subject
from cost.billing.exact import total
from cost.billing.read import read_bill
from domain.errors import FitFailedError
from domain.forecasts import Dependence, Forecast
from forecaster.fit import FitRequest
from forecaster.together import draw
from store.state import CostHour, CostHours, State
from tests.app.asgi import call
from tests.cost.allocation.test_rollup import item
from tests.fakes.clock import ManualClock
from tests.forecaster.handmade import normal

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 18, 12, 20, tzinfo=UTC)
CUTOFF = datetime(2026, 11, 18, 12, tzinfo=UTC)
WEEK = (datetime(2026, 11, 16, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))
FEE = Decimal("0.333333333333333333")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    yield opened
    opened.close()


def fill(state: State, hours: int, *, currency: str = "EUR", seen: float = 1.0, skip: range = range(0)) -> None:
    """Up to the cutoff: a shop of 3 ± 1 by the hour of the day, a search of 2, idle of what 8 leave, a fee of 1/3."""
    with state.transaction() as session:
        for back in set(range(1, hours + 1)) - set(skip):
            start = CUTOFF - back * HOUR
            shop = Decimal(3) + (1 if start.hour >= 12 else -1)
            parts = [item(1, namespace="shop", labels={"team": "a"}), item(2, namespace="search", labels={"team": "a"})]
            made = ledger(
                currency, items=[*parts, *(item(1, namespace="shop") for _ in range(int(shop) - 1))],
                idle=[Idle(subject=Subject(cluster="prod"), unallocated=(6 - shop, Decimal(0), Decimal(0)))],
                lines=[Line(name="__overhead__", subject=Subject(), cost=FEE)],
            )  # fmt: skip
            costs = {text: f"{cost * Decimal(str(seen)):f}" for text, cost in rolled(made).items()}
            CostHours(session).put(CostHour(start=start, currency=currency, seen=seen, made_at=NOW, costs=costs))


def fit(request: FitRequest) -> Forecast:
    """The last day again, a tenth of its mean as deviation."""
    if len(request.values) < 24:
        raise FitFailedError("too short")
    known = request.values[np.isfinite(request.values)]
    cutoff = request.start + (len(request.values) - 1) * request.step
    mean = np.resize(known[-24:], request.horizon)
    return normal(
        mean, 0.1 * float(mean.mean()), dependence=Dependence(lasting=0.3, echo=0.8), step=request.step, cutoff=cutoff,
        signal=request.signal,
    )  # fmt: skip


def made(state: State, by: tuple[str, ...] = ("namespace",), period: tuple[datetime, datetime] = WEEK) -> Outlook:
    outlooks = CostOutlooks(HourlyCosts(_nobody, state), fit=fit, draw=draw)
    question = Question(by=by, start=period[0], end=period[1])
    found = outlooks.of(question, NOW, patience=timedelta(minutes=1))
    outlooks.close()
    assert found is not None
    return found


def _nobody(start: datetime, end: datetime) -> Any:
    raise AssertionError("hours are read here, not reckoned")


def shown(found: Outlook, limit: str | None = None) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(view(found, None if limit is None else Decimal(limit)).model_dump_json())
    return told


def test_groups_add_up_to_the_total_in_what_was_spent_and_in_every_path(state: State) -> None:
    fill(state, 21 * 24)
    found = made(state)
    assert found.total is not None
    assert {one.key for one in found.groups} == {("shop",), ("search",), ("__idle__ prod",), ("__overhead__",)}
    assert sum(one.spent for one in found.groups) == found.total.spent == 60 * (8 + FEE)
    means = [one.mean_rest or Decimal(0) for one in found.groups]
    assert float(sum(means)) == pytest.approx(float(found.total.mean_rest or 0), abs=1e-5)
    told = shown(found)
    assert (told["method"], told["why"], told["notes"]) == ("sampled-paths", "", [])
    end = {name: float(amount) for name, amount in told["total"]["end"].items()}
    assert end["p10"] < end["p50"] < end["p90"]
    assert end["p50"] == pytest.approx(168 * 8.3333, rel=0.02)
    assert float(told["total"]["run_rate"]) == pytest.approx(168 * 8.3333, rel=1e-4)


def test_any_grouping_and_a_filter_that_changes_no_other_number(state: State) -> None:
    fill(state, 8 * 24)
    teams = {tuple(row["key"].values()): Decimal(row["spent"]) for row in shown(made(state, ("label:team",)))["groups"]}
    assert teams[("a",)] == 180
    everything = shown(made(state, ()))
    assert [row["key"] for row in everything["groups"]][:1] == [{"all": "__idle__ prod"}] or len(
        everything["groups"]
    ) == 3


def test_a_limit_has_a_probability_and_dates_in_order(state: State) -> None:
    fill(state, 21 * 24)
    found = made(state)
    told = shown(found, "1400")["limit"]
    assert 0.3 < told["probability"] < 0.7
    assert told["exhausted_p10"] < (told["exhausted_p50"] or "3") <= (told["exhausted_p90"] or "3")
    assert shown(found, "100000")["limit"]["probability"] == 0
    assert shown(found, "400")["limit"] == {
        "amount": "400", "already": True, "probability": 1.0, "exhausted_p10": None, "exhausted_p50": None,
        "exhausted_p90": None,
    }  # fmt: skip


def test_with_too_little_history_the_run_rate_is_shown_as_such_and_no_distribution(state: State) -> None:
    assert shown(made(state))["why"] == "no hour of cost is known yet: each is reckoned five minutes after its end"
    fill(state, 60)
    told = shown(made(state), "1400")
    assert told["method"] == "run-rate"
    assert told["why"] == "2.5 days of cost are known; a distribution until then needs 7"
    assert (told["total"]["end"], told["limit"]["probability"]) == (None, None)
    assert float(told["total"]["run_rate"]) == pytest.approx(168 * 8.3333, rel=1e-4)
    lines = "\n".join(_lines(told))
    assert "no distribution: 2.5 days of cost are known" in lines
    assert "that is no forecast" in lines


def test_a_month_needs_two_weeks_and_most_of_their_hours(state: State) -> None:
    month = (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
    fill(state, 10 * 24)
    assert made(state, period=month).why.endswith("needs 14")
    fill(state, 15 * 24, skip=range(241, 321))
    assert "are known; 80% are needed" in made(state, period=month).why


def test_hours_that_nobody_saw_are_said_and_count_for_nothing(state: State) -> None:
    fill(state, 8 * 24, skip=range(10, 20))
    with state.transaction() as session:
        CostHours(session).put(
            CostHour(start=CUTOFF - 15 * HOUR, currency="USD", seen=1.0, made_at=NOW, costs={"{}": "99"})
        )
    found = made(state)
    assert found.total is not None
    assert found.total.spent == 50 * (8 + FEE)
    assert found.notes == (
        "10 of the 60 h from the period's start were not seen: they are in no figure",
        "1 h are known in another currency than EUR: they are in no figure",
    )


def test_an_hour_seen_in_part_costs_what_was_seen_and_teaches_what_a_whole_one_would(state: State) -> None:
    fill(state, 8 * 24, seen=0.6)
    found = made(state)
    assert found.total is not None
    assert found.total.spent == 60 * (8 + FEE) * Decimal("0.6")
    assert found.total.hourly == pytest.approx(8.3333, rel=1e-4)


def test_rows_of_focus_are_read_back_and_add_up_to_the_expected_end(state: State, tmp_path: Path) -> None:
    fill(state, 21 * 24)
    told, out, lines = shown(made(state)), StringIO(), StringIO()
    _focus(told, out)
    (tmp_path / "forecast.csv").write_text(out.getvalue())
    read = read_bill([tmp_path / "forecast.csv"])
    assert read.notes.lines == []
    wanted = sum(Decimal(row["end"]["mean"]) for row in told["groups"])
    assert total(one.effective_cost for one in read.charges) == wanted
    ahead = [one for one in read.charges if one.description.startswith("forecast of")]
    assert {(one.charge_period_start, one.charge_period_end) for one in ahead} == {(CUTOFF, WEEK[1])}
    _csv(told, lines)
    rows = list(csv.DictReader(lines.getvalue().splitlines()))
    assert sum(Decimal(row["spent"]) for row in rows) == Decimal(told["total"]["spent"])


def test_the_api_answers_202_until_it_is_made_and_the_command_asks_again(state: State) -> None:
    fill(state, 8 * 24)
    go = threading.Event()

    def slow(request: FitRequest) -> Forecast:
        assert go.wait(30)
        return fit(request)

    outlooks = CostOutlooks(HourlyCosts(_nobody, state), fit=slow, draw=draw)
    application = FastAPI()
    application.include_router(router(outlooks, ManualClock(NOW)))
    path = Asked(period="week").path.removeprefix("/api/v1")
    states = []

    def look() -> dict[str, Any]:
        got = call(application, path)
        states.append(got.status)
        found: dict[str, Any] = got.json["data"]
        return found

    assert answer(look, lambda _: go.set())["method"] == "sampled-paths"
    assert (states[0], states[-1]) == (202, 200)
    outlooks.close()
    for wrong in (
        "by=pod",
        "until=decade-end",
        "until=2026-01-01T00:00:00Z",
        "until=9999-12-31T23:59:59-23:00",
        "timezone=Mars",
        "filter=team",
        "limit=0",
    ):
        assert call(application, f"/cost/forecast?{wrong}").status == 422


def test_a_forecast_that_failed_is_tried_again_by_the_next_question(state: State) -> None:
    fill(state, 8 * 24)

    def broken(request: FitRequest) -> Forecast:
        raise FitFailedError("no")

    outlooks = CostOutlooks(HourlyCosts(_nobody, state), fit=broken, draw=draw)
    question = Question(by=("namespace",), start=WEEK[0], end=WEEK[1])
    for _ in range(2):
        with pytest.raises(FitFailedError):
            outlooks.of(question, NOW, patience=timedelta(minutes=1))
    outlooks.close()


def test_periods_are_the_calendars_in_a_time_zone_or_end_at_an_instant() -> None:
    paris = period_of("month-end", "Europe/Paris", NOW)
    assert paris == (datetime(2026, 10, 31, 23, tzinfo=UTC), datetime(2026, 11, 30, 23, tzinfo=UTC))
    assert period_of("2026-12-01T00:00:00+01:00", "UTC", NOW) == (CUTOFF, datetime(2026, 11, 30, 23, tzinfo=UTC))
