"""A tick with forecasts and prices: asked for by their triggers, and without one the rule is reactive."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from domain.errors import NoDataError, StoreError
from domain.forecasts import Forecast
from domain.load_ahead import Outlook
from domain.scaling import Reason
from tests.controller.reconciling import SHOP, TICK, Bench, rule
from tests.controller.stories import flat_forecast
from tests.controller.test_ahead import outlook
from tests.fakes.cluster import FakeCluster


def test_the_forecast_is_asked_for_by_its_own_trigger(bench: Bench, now: datetime) -> None:
    soon = {"name": "soon", "forecast": {"of": "rps", "lead": "60s"}}
    bench.rules = [rule(triggers=[{"name": "rps", "query": "shop_rps", "perReplica": 10}, soon])]
    bench.forecasts["demo/shop/soon"] = flat_forecast("demo/shop/soon", 75.0, cutoff=now)
    bench.reconciler.tick(now)
    decision, _ = bench.last("shop")
    assert (decision.desired_replicas, decision.reactive_replicas, decision.forecast_replicas) == (8, 6, 8)
    assert decision.reason is Reason.FORECAST_FLOOR


def test_a_forecast_that_cannot_be_read_leaves_the_rule_reactive(now: datetime) -> None:
    class Unreadable(dict[str, Forecast]):
        def get(self, key: str, default: object = None) -> Forecast:  # type: ignore[override]
            raise StoreError("state.db cannot be read")

    soon = {"name": "soon", "forecast": {"of": "rps"}}
    triggers = [{"name": "rps", "query": "shop_rps", "perReplica": 10}, soon]
    bench = Bench(
        cluster=FakeCluster.of(SHOP, 4), rules=[rule(triggers=triggers)], answers={"shop_rps": 60.0},
        forecasts=Unreadable(),
    )  # fmt: skip
    bench.reconciler.tick(now)
    decision, _ = bench.last("shop")
    assert (decision.desired_replicas, decision.forecast_replicas) == (6, None)


def test_a_price_trigger_is_given_what_was_read_and_without_an_outlook_the_rule_is_reactive(
    now: datetime,
) -> None:
    asked: list[tuple[str, float | None]] = []
    answers: list[Outlook | Exception] = []

    def outlook_of(signal: str, load: float | None, lead: timedelta, now: datetime) -> Outlook:
        asked.append((signal, load))
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    soon = {"name": "soon", "forecast": {"of": "rps", "price": {}, "lead": "90s"}}
    priced = rule(triggers=[{"name": "rps", "query": "shop_rps", "perReplica": 10}, soon])
    bench = Bench(cluster=FakeCluster.of(SHOP, 4), rules=[priced], answers={"shop_rps": 40.0}, outlook_of=outlook_of)
    answers += [NoDataError("its history is being read"), outlook(60, 60, peak=60), ValueError("broken")]

    for k in range(3):
        bench.reconciler.tick(now + k * TICK)
    decisions = [pair[0] for pair in bench.ledger]

    assert asked == [("demo/shop/soon", 40.0)] * 3
    assert [one.desired_replicas for one in decisions[:2]] == [4, 7]
    assert decisions[0].trace[3].message == "soon: its history is being read"
    assert decisions[1].reason is Reason.FORECAST_FLOOR
    assert decisions[2].trace[3].message == "soon: ValueError: broken"
    assert bench.metric("foretide_controller_errors_total", step="read_signals") == 1


def test_a_price_goes_on_from_the_level_of_before_a_restart(now: datetime) -> None:
    soon = {"name": "soon", "forecast": {"of": "rps", "price": {"budget": "0.6%"}, "lead": "90s"}}
    priced = rule(triggers=[{"name": "rps", "query": "shop_rps", "perReplica": 10}, soon])
    answers: list[Outlook | Exception] = [NoDataError("its history is being read"), outlook(60, 60, peak=60)]

    def outlook_of(signal: str, load: float | None, lead: timedelta, now: datetime) -> Outlook:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    bench = Bench(
        cluster=FakeCluster.of(SHOP, 4), rules=[priced], answers={"shop_rps": 50.0}, outlook_of=outlook_of,
        levels={"soon": 5.0},
    )  # fmt: skip
    for k in range(2):
        bench.reconciler.tick(now + k * TICK)
    levels = [pair[0].proposals[1].caution for pair in bench.ledger]

    assert levels[0] == 5.0
    assert levels[1] == pytest.approx(5.0 - 0.05 * 0.006)
