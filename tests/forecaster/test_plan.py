from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from forecaster.plan import plans
from tests.forecaster.documents import rule


def test_one_plan_for_each_forecast_trigger() -> None:
    [plan] = plans([rule("checkout", season="24m", quantile=0.9)])
    assert plan.signal == "shop/checkout/soon"
    assert plan.expr == "sum(rate(http_requests_total[1m]))"
    assert plan.step == timedelta(seconds=15)
    assert plan.horizon == 480


def test_steps_are_multiples_since_the_epoch() -> None:
    [plan] = plans([rule("checkout", season="1d")])
    now = datetime(2026, 11, 21, 12, 7, 31, tzinfo=UTC)
    cutoff = plan.cutoff(now)
    assert cutoff == datetime(2026, 11, 21, 12, 5, tzinfo=UTC)
    assert plan.cutoff(cutoff) == cutoff
    assert plan.history_start(cutoff) == cutoff - timedelta(days=21) + timedelta(minutes=5)


def test_no_more_history_is_read_than_a_fit_looks_at() -> None:
    [plan] = plans([rule("checkout", season="1d", step="15s", history="30d")])
    cutoff = plan.cutoff(datetime(2026, 11, 21, 12, tzinfo=UTC))
    assert (cutoff - plan.history_start(cutoff)) // plan.step + 1 == 20_000


def test_the_asked_quantile_joins_the_usual_ones() -> None:
    [plan] = plans([rule("checkout", quantile=0.9)])
    at = datetime(2026, 11, 21, tzinfo=UTC)
    asked = plan.request(np.zeros(3), start=at, made_at=at, generated=True)
    assert asked.quantiles == (0.05, 0.25, 0.5, 0.75, 0.9, 0.95)
    assert asked.generated
