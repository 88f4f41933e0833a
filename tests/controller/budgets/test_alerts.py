"""When thresholds speak: once per period unless cleared, whatever ticks, forecasts and editors do."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from controller.budgets.alerts import Alert, AlertState, Notice, Seen, step
from cost import periods
from rules.schema import BudgetThreshold, Period

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
WARN = BudgetThreshold.model_validate({"id": "warn", "basis": "actual", "at": "80%"})
RISK = BudgetThreshold.model_validate({"id": "risk", "basis": "forecast", "at": "100%"})
BURN = BudgetThreshold.model_validate({"id": "burn", "basis": "burnRate", "factor": 6, "windows": ["1h", "6h"]})


def seen(
    spent: str = "0", *, limit: str = "1000", p: float | None = None, period: str = "2026-11-01",
    burn: tuple[float | None, float | None] | None = None,
) -> Seen:  # fmt: skip
    return Seen(
        period=period, limit=Decimal(limit), spent=Decimal(spent), probability={} if p is None else {"risk": p},
        burn={} if burn is None else {"burn": burn}, unknown="" if p is not None else "no history",
    )  # fmt: skip


def run(
    threshold: BudgetThreshold, looks: Iterable[Seen], *, every: timedelta = HOUR
) -> tuple[list[AlertState], list[Notice]]:
    alert: Alert | None = None
    states, notices = [], []
    for number, look in enumerate(looks):
        alert, notice = step(threshold, alert, look, budget="media/month", now=NOON + number * every)
        states.append(alert.state)
        notices += [notice] if notice else []
    return states, notices


def test_spend_fires_once_and_holds() -> None:
    states, notices = run(WARN, [seen("799.99"), seen("800"), seen("900"), seen("1200")])
    assert states == [AlertState.OK, AlertState.FIRING, AlertState.FIRING, AlertState.FIRING]
    assert [one.id for one in notices] == ["media/month/2026-11-01/warn/1"]
    assert notices[0].message.endswith("spent 80.0% >= 80% of the limit")


def test_a_small_credit_clears_nothing_and_a_large_one_arms_again() -> None:
    states, notices = run(WARN, [seen("810"), seen("760"), seen("810"), seen("750"), seen("805")])
    assert states[1:4] == [AlertState.FIRING, AlertState.FIRING, AlertState.OK]
    assert [one.id[-1] for one in notices] == ["1", "2"]


def test_an_edit_is_judged_anew_and_tells_nothing_twice() -> None:
    lower = WARN.model_copy(update={"at": 0.7})
    alert, first = step(WARN, None, seen("850"), budget="b", now=NOON)
    alert, again = step(lower, alert, seen("850"), budget="b", now=NOON + HOUR)
    assert (first is not None, again, alert.state) == (True, None, AlertState.FIRING)
    # Raised, taken back, and raised again with the spend of the new one: only that is news.
    alert, told = step(WARN, alert, seen("850", limit="2000"), budget="b", now=NOON + 2 * HOUR)
    assert (alert.state, told) == (AlertState.OK, None)
    alert, told = step(WARN, alert, seen("850"), budget="b", now=NOON + 3 * HOUR)
    assert (alert.state, told) == (AlertState.FIRING, None)
    alert, told = step(WARN, alert, seen("850", limit="2000"), budget="b", now=NOON + 4 * HOUR)
    alert, told = step(WARN, alert, seen("1600", limit="2000"), budget="b", now=NOON + 5 * HOUR)
    assert told is not None
    assert told.id.endswith("/2")


def test_a_forecast_has_to_stay_for_six_hours() -> None:
    states, notices = run(RISK, [seen(p=0.85)] * 6 + [seen(p=0.79)] + [seen(p=0.85)] * 7)
    assert states[5:7] == [AlertState.PENDING, AlertState.OK]
    assert (states[-2], states[-1], len(notices)) == (AlertState.PENDING, AlertState.FIRING, 1)


def test_a_forecast_clears_only_after_a_day_below_the_lower_level() -> None:
    fired = [seen(p=0.9)] * 7
    assert run(RISK, [*fired, *[seen(p=0.6)] * 100])[0][-1] is AlertState.FIRING
    assert run(RISK, [*fired, *[seen(p=0.4)] * 24])[0][-1] is AlertState.FIRING
    assert run(RISK, [*fired, *[seen(p=0.4)] * 25])[0][-1] is AlertState.OK
    assert run(RISK, [*fired, *[seen(p=0.4)] * 20, seen(p=0.7), *[seen(p=0.4)] * 20])[0][-1] is AlertState.FIRING


def test_what_nobody_knows_changes_nothing() -> None:
    assert run(RISK, [seen()] * 30) == ([AlertState.OK] * 30, [])
    states, _ = run(RISK, [*[seen(p=0.9)] * 7, *[seen(p=0.4)] * 20, seen(), *[seen(p=0.4)] * 10])
    assert set(states[6:]) == {AlertState.FIRING}
    assert run(RISK, [*[seen(p=0.9)] * 3, *[seen()] * 9])[0][-1] is AlertState.PENDING
    assert run(BURN, [seen(burn=(9.0, None))] * 3)[0][-1] is AlertState.OK


def test_a_burn_rate_needs_both_windows() -> None:
    states, notices = run(BURN, [seen(burn=(9, 3)), seen(burn=(9, 6)), seen(burn=(2, 5)), seen(burn=(9, 6))])
    assert (states[0], states[1:], len(notices)) == (AlertState.OK, [AlertState.FIRING] * 3, 1)
    assert run(BURN, [seen(burn=(9, 6)), *[seen(burn=(1, 2))] * 7])[0][-1] is AlertState.OK


def test_a_tick_that_comes_twice_or_late_counts_no_more() -> None:
    alert, notice = step(WARN, None, seen("850"), budget="b", now=NOON)
    assert notice is not None
    assert step(WARN, alert, seen("100"), budget="b", now=NOON) == (alert, None)
    assert step(WARN, alert, seen("850", period="2026-10-01"), budget="b", now=NOON - 24 * HOUR) == (alert, None)


probabilities = st.one_of(st.none(), st.floats(0, 1))


@given(st.lists(st.tuples(probabilities, st.booleans(), st.booleans()), max_size=120))
def test_a_flapping_forecast_never_tells_twice_without_being_cleared(
    ticks: list[tuple[float | None, bool, bool]],
) -> None:
    """Deliveries come twice, processes restart from what was stored; between two notices lies an Ok."""
    alert: Alert | None = None
    now, cleared, told = NOON, True, 0
    for number, (p, twice, restarted) in enumerate(ticks):
        now = NOON + 4 * number * HOUR
        for _ in range(2 if twice else 1):
            alert, notice = step(RISK, alert, seen(p=p), budget="b", now=now)
            if notice:
                assert cleared
                cleared, told = False, told + 1
        cleared = cleared or alert.state is AlertState.OK
        alert = replace(alert) if restarted else alert
    assert told == (alert.notices if alert else 0)


def test_a_year_of_a_monthly_budget_in_berlin() -> None:
    """Each hour of 2026 in Berlin: 5 months go over; credits, an edit, a noisy forecast, doubled and late ticks."""
    month = Period.model_validate({"every": "month", "timezone": "Europe/Berlin"})
    rates = {1: 0.95, 2: 1.3, 3: 1.4, 4: 0.9, 5: 0.9, 6: 1.6, 7: 0.9, 8: 0.9, 9: 1.2, 10: 1.35, 11: 0.9, 12: 0.7}
    over = BudgetThreshold.model_validate({"id": "over", "basis": "actual", "at": "100%"})
    alerts: dict[str, Alert] = {}
    ids: list[str] = []
    start, end = periods.around(month, datetime(2026, 1, 15, tzinfo=UTC)).start, datetime(2026, 12, 31, 23, tzinfo=UTC)
    spent, now, before = Decimal(0), start, ""
    while now < end:
        span = periods.around(month, now)
        if span.id != before:
            spent, before = Decimal(0), span.id
        number = int(span.id[5:7])
        into = (now - span.start) / timedelta(hours=1)
        spent += Decimal(repr(rates[number])) * 1000 / 730
        if number == 6 and into == 500:  # a credit in June takes it back below 75 %
            spent -= 500
        limit = Decimal(2000) if number == 9 and into >= 650 else Decimal(1000)  # raised in September
        noise = 0.25 * math.sin(into * 1.7)
        p = min(max(rates[number] - 0.35 + noise, 0.0), 1.0)
        look = Seen(period=span.id, limit=limit, spent=spent, probability={"risk": p}, burn={})
        for threshold in (WARN, RISK, over):
            for at in (now, now, now - 5 * HOUR):  # in time, again, and late
                alert, notice = step(threshold, alerts.get(threshold.id), look, budget="m", now=at)
                alerts[threshold.id] = alert
                ids += [notice.id] if notice else []
        now += HOUR
    assert max(Counter(ids).values()) == 1
    months = {name: sorted({one.split("/")[1][5:7] for one in ids if f"/{name}/" in one}) for name in ("warn", "over")}
    assert months["over"] == ["02", "03", "06", "09", "10"]
    assert months["warn"] == ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11"]
    again = [one for one in ids if one.endswith("/2")]
    assert [one for one in again if "risk" not in one] == ["m/2026-06-01/warn/2", "m/2026-06-01/over/2"]
    assert not [one for one in ids if one.endswith("/3")]
