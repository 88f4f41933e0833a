"""What a replica carries is learned tick by tick, kept over restarts, and bounded by latency."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import pytest

from controller.capacities import Capacities
from controller.slo import WINDOWS
from rules import asked
from rules.schema import SLO
from tests.controller.reconciling import SHOP, SLO_DOCUMENT, TICK, Bench, rule
from tests.fakes.cluster import FakeCluster

LEARNING = {"name": "rps", "query": "shop_rps", "perReplica": 40, "learn": {"max": 200}}
USAGE = 'usage{workload="shop", resource="cpu"}'


def learning_bench(*, known: Capacities | None = None) -> Bench:
    return Bench(
        cluster=FakeCluster.of(SHOP, 5, requests={"cpu": 1.0}), rules=[rule(triggers=[LEARNING], mode="observe")],
        capacities=known or Capacities(),
    )  # fmt: skip


def live(bench: Bench, start: datetime, *, minutes: int, each: float = 1.0) -> datetime:
    """Ticks of a workload whose replicas spend 10 ms of CPU on a request, ``each`` times as much after a deploy."""
    for tick in range(minutes * 4):
        load = 5 * (40 + 25 * math.sin(tick / 400))
        bench.answers.update({"shop_rps": load, USAGE: 0.01 * each * load})
        bench.reconciler.tick(start + tick * TICK)
    return start + minutes * 4 * TICK


def test_what_a_replica_carries_is_learned_forgotten_with_a_deploy_and_learned_again(now: datetime) -> None:
    bench = learning_bench()
    bench.cluster.running[SHOP] = ("old",)
    assert bench.capacities is not None
    later = live(bench, now, minutes=90)
    said = bench.last("shop")[0].proposals[0]
    assert said.target == pytest.approx(85, rel=0.05)
    assert said.target <= 85
    assert "learned from" in said.reason
    assert bench.capacities.of(bench.rules[0]) == said.target

    bench.cluster.running[SHOP] = ("new",)
    later = live(bench, later, minutes=10, each=1.3)
    said = bench.last("shop")[0].proposals[0]
    assert (said.target, bench.capacities.of(bench.rules[0])) == (40.0, None)
    assert "it is learned anew since the deploy at" in said.reason

    live(bench, later, minutes=90, each=1.3)
    said = bench.last("shop")[0].proposals[0]
    assert said.target == pytest.approx(85 / 1.3, rel=0.05)


def test_what_was_learned_survives_a_restart_and_is_forgotten_with_its_rule(now: datetime) -> None:
    bench = learning_bench()
    assert bench.capacities is not None
    later = live(bench, now, minutes=90)
    target = bench.last("shop")[0].proposals[0].target

    again = learning_bench(known=Capacities(bench.capacities.all()))
    live(again, later, minutes=1)
    assert again.last("shop")[0].proposals[0].target == pytest.approx(target, rel=0.01)

    again.rules = [rule()]
    again.reconciler.tick(later + timedelta(minutes=2))
    assert again.capacities is not None
    assert again.capacities.all() == []


def test_without_cpu_and_latency_the_rule_is_what_its_document_says(now: datetime) -> None:
    bench = learning_bench()
    for tick in range(240):
        bench.answers["shop_rps"] = 300.0
        bench.reconciler.tick(now + tick * TICK)
    said = bench.last("shop")[0].proposals[0]
    assert (said.target, said.replicas) == (40.0, 8)


def test_the_latency_that_a_trigger_keeps_bounds_what_is_learned(now: datetime) -> None:
    late = {"name": "p95", "trace": {"service": "shop", "measure": "p95"}, "value": "300ms"}
    bench = learning_bench()
    bench.rules = [rule(triggers=[LEARNING, late], mode="observe")]
    expr = next(query.expr for query in asked.of_rule(bench.rules[0]) if "shop_rps" not in query.expr)
    for tick in range(4 * 240):
        load = 5 * (40 + 25 * math.sin(tick / 400))
        bench.answers.update({"shop_rps": load, USAGE: 0.01 * load, expr: 0.2 if load <= 5 * 50 else 0.5})
        bench.reconciler.tick(now + tick * TICK)
    said = next(one for one in bench.last("shop")[0].proposals if one.trigger == "rps")
    assert 46 <= (said.target or 0) <= 50


def test_the_latency_slo_that_guards_bounds_what_is_learned(now: datetime) -> None:
    indicator = {"latency": {"trace": {"service": "shop"}, "threshold": "300ms"}}
    document = SLO.model_validate(
        {**SLO_DOCUMENT.model_dump(by_alias=True), "spec": {"indicator": indicator, "objective": 95}}
    )
    bench = learning_bench()
    bench.rules = [rule(triggers=[LEARNING], guard={"slo": "demo/errors"}, mode="observe")]
    bench.slos["demo/errors"] = document
    for tick in range(4 * 240):
        load = 5 * (40 + 25 * math.sin(tick / 400))
        late = 0.01 if load <= 5 * 50 else 0.2
        bench.answers.update({document.error_ratio_query(window).expr: late for window in WINDOWS})
        bench.answers.update({"shop_rps": load, USAGE: 0.01 * load})
        bench.reconciler.tick(now + tick * TICK)
    said = bench.last("shop")[0].proposals[0]
    assert 46 <= (said.target or 0) <= 51
