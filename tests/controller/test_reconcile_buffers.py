"""A tick with a CapacityBuffer: sized by the forecast, beside the deed, and never in its way."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from controller.actuation.buffer import BufferOrder
from rules.schema import ScalingRule
from tests.controller.reconciling import Bench, rule
from tests.controller.stories import flat_forecast

BUFFER = {"lead": "6m", "max": 20}


def with_buffer(buffer: Any = BUFFER, **spec: Any) -> ScalingRule:
    soon = {"name": "soon", "forecast": {"of": "rps", "lead": "60s"}}
    triggers = [{"name": "rps", "query": "shop_rps", "perReplica": 10}, soon]
    return rule(**{"mode": "enforce", "actuate": {"with": "scale", "buffer": buffer}, "triggers": triggers, **spec})


class Kept:
    """Notes what was asked for."""

    def __init__(self, bench: Bench) -> None:
        self.orders: list[BufferOrder] = []
        self.staying: set[str] = set()
        bench.keep_buffers = self

    def __call__(self, orders: Sequence[BufferOrder], staying: Collection[str], now: datetime) -> Mapping[str, str]:
        self.orders, self.staying = list(orders), set(staying)
        return {order.rule: "CapacityBuffer demo/shop 0 → 4" for order in orders}


def test_it_is_what_the_forecast_needs_at_its_own_lead_beyond_what_is_wanted_now(bench: Bench, now: datetime) -> None:
    kept, bench.rules = Kept(bench), [with_buffer()]
    bench.forecasts["demo/shop/soon"] = flat_forecast("demo/shop/soon", 75.0, cutoff=now)
    bench.reconciler.tick(now)
    (order,) = kept.orders
    decision, action = bench.last("shop")
    assert (order.need, order.beside, order.most) == (8, decision.desired_replicas, 20)
    assert "in ≤ 6m" in order.why
    assert kept.staying == {"demo/shop"}
    assert decision.trace[-1].message == "CapacityBuffer demo/shop 0 → 4"
    assert action is not None


@pytest.mark.parametrize("spec", [{"pause": {"direction": "all", "reason": "INC-1"}}, {}])
def test_nothing_is_known_of_a_rule_that_is_paused_or_has_no_forecast(
    bench: Bench, now: datetime, spec: dict[str, Any]
) -> None:
    kept, bench.rules = Kept(bench), [with_buffer(**spec)]
    if spec:
        bench.forecasts["demo/shop/soon"] = flat_forecast("demo/shop/soon", 75.0, cutoff=now)
    bench.reconciler.tick(now)
    assert [order.need for order in kept.orders] == [None]


def test_who_does_not_act_asks_for_none_and_who_waits_keeps_what_stands(bench: Bench, now: datetime) -> None:
    kept, bench.rules = Kept(bench), [with_buffer(mode="observe")]
    bench.reconciler.tick(now)
    assert (kept.orders, kept.staying) == ([], set())
    bench.rules, bench.held = [with_buffer()], {"demo/shop": "its ring comes at 12:30"}
    bench.reconciler.tick(now + timedelta(seconds=15))
    assert (kept.orders, kept.staying) == ([], {"demo/shop"})


def test_where_there_are_none_the_rule_acts_on_and_says_so(bench: Bench, now: datetime) -> None:
    bench.rules = [with_buffer()]
    bench.reconciler.tick(now)
    decision, action = bench.last("shop")
    assert decision.trace[-1].message.startswith("NoCapacityBuffers")
    assert action is not None

    def broken(orders: Sequence[BufferOrder], staying: Collection[str], now: datetime) -> Mapping[str, str]:
        raise ZeroDivisionError

    bench.keep_buffers = broken
    bench.reconciler.tick(now + timedelta(seconds=15))
    assert bench.metric("foretide_controller_errors_total", step="tick") is None
