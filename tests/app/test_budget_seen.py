"""What is known of a budget at one tick, from what its rules cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from app.budget_outlook import Outlooks, history_of
from app.budget_seen import sight
from cost.budgets import CostInterval
from domain.money import Money
from rules.schema import Budget, ScalingRule
from tests.app.test_budgets_act import Costs, costs, fitted

NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def flat(rate: str, start: datetime, end: datetime) -> CostInterval:
    return CostInterval(start=start, end=end, cost_per_hour=Money(amount=Decimal(rate), currency="USD"))


SHOP = ScalingRule.model_validate({
    "apiVersion": "foretide.dev/v1alpha1", "kind": "ScalingRule", "metadata": {"name": "shop", "namespace": "demo"},
    "spec": {
        "target": {"name": "shop"}, "replicas": {"min": 1, "max": 9},
        "triggers": [{"name": "rps", "query": "up", "perReplica": 1}],
    },
})  # fmt: skip


def budget(**spec: object) -> Budget:
    burn = {"id": "burn", "basis": "burnRate", "factor": 3}
    found = {"limit": {"amount": 720, "currency": "USD", "per": "month"}, "thresholds": [burn], **spec}
    document = {
        "apiVersion": "foretide.dev/v1alpha1", "kind": "Budget", "metadata": {"name": "month"}, "spec": found
    }  # fmt: skip
    return Budget.model_validate(document)


def burn(*intervals: CostInterval) -> tuple[float | None, float | None]:
    found = sight(
        budget(), [SHOP], spending=Costs(list(intervals)), outlooks=Outlooks(fitted), now=NOW,  # type: ignore[list-item, arg-type]
    )  # fmt: skip
    return found.seen.burn["burn"]


def test_a_burn_rate_is_spend_over_what_is_planned() -> None:
    """720 a month of 30 days are 1 an hour."""
    assert burn(flat("1", NOW - 9 * HOUR, NOW - HOUR), flat("7", NOW - HOUR, NOW)) == pytest.approx((7.0, 2.0))


def test_a_window_that_was_not_seen_has_no_rate() -> None:
    assert burn(flat("7", NOW - HOUR, NOW)) == (pytest.approx(7.0), None)
    assert burn() == (None, None)


def test_an_hour_that_one_rule_was_not_seen_in_is_not_known() -> None:
    steady = flat("2", NOW - 6 * HOUR, NOW)
    broken = [flat("3", NOW - 4 * HOUR, NOW - 3 * HOUR), flat("3", NOW - 2 * HOUR, NOW)]
    found = history_of({"a": [steady], "b": broken}, now=NOW)
    # Before its first hour b was not there and cost nothing; after it a gap is a gap.
    assert np.array_equal(found.cost, [2, 2, 5, np.nan, 5, 5], equal_nan=True)
    assert (found.newest, found.known, found.length, found.end) == (NOW, pytest.approx(5 / 6), 6 * HOUR, NOW)


def test_a_second_look_sees_what_a_first_one_would() -> None:
    spending, outlooks = Costs(costs(20)), Outlooks(fitted)
    wanted = budget(thresholds=[{"id": "risk", "basis": "forecast", "at": "100%"}])
    before = None
    for minutes in (0, 1, 59, 60, 61):
        now = NOW + timedelta(minutes=minutes)
        asked = {"spending": spending, "outlooks": outlooks, "now": now}
        before = sight(wanted, [SHOP], before=before, **asked)  # type: ignore[list-item, arg-type]
        alone = sight(wanted, [SHOP], **asked)  # type: ignore[list-item, arg-type]
        assert np.array_equal(before.history.cost, alone.history.cost, equal_nan=True)
        assert before.history.newest == alone.history.newest
        assert before.seen == alone.seen
