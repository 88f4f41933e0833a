"""Start-ups that were measured, and the lead that follows: long rather than short."""

from __future__ import annotations

from datetime import datetime, timedelta

from controller.memory import Memory
from controller.startup import LEAST_STARTS, MOST_STARTS, StartMemory, lead_of, starts_of
from controller.triggers import propose
from domain.scaling import Workload, WorkloadRef
from domain.startup import PodStart
from tests.controller.stories import flat_forecast, rule_of

SHOP = WorkloadRef(kind="Deployment", namespace="demo", name="shop")
DAY = 86_400.0
MEMORY = Memory()


def pods(*seconds: float, first: int = 0) -> dict[str, PodStart]:
    return {f"shop-{first + n}": PodStart(created=DAY + n, ready=DAY + n + took) for n, took in enumerate(seconds)}


def test_unknown_start_ups_count_as_three_minutes() -> None:
    assert lead_of(None).duration == timedelta(seconds=180)
    assert starts_of(pods(*[10.0] * (LEAST_STARTS - 1)).values()) is None


def test_the_lead_is_the_95th_percentile_and_the_time_until_it_is_seen() -> None:
    starts = starts_of(pods(*range(1, 101)).values())
    assert starts is not None
    assert (starts.p5, starts.p95) == (timedelta(seconds=5), timedelta(seconds=95))
    lead = lead_of(starts)
    assert (lead.duration, lead.said) == (
        timedelta(seconds=155), "start-up 95 s (p95 of 100) + 60 s until it is seen",
    )  # fmt: skip


def test_pods_that_waited_for_a_node_are_told_apart_and_make_the_lead_longer() -> None:
    warm = [PodStart(created=DAY, ready=DAY + 20, node_created=0.0)] * 99
    cold = [PodStart(created=DAY, ready=DAY + 200, node_created=DAY + 120)]
    starts = starts_of([*warm, *cold])
    assert starts is not None
    assert (starts.p95, starts.warm_p95, starts.cold_p95) == (
        timedelta(seconds=20), timedelta(seconds=20), timedelta(seconds=200),
    )  # fmt: skip
    assert lead_of(starts).duration == timedelta(seconds=260)
    assert "on new nodes 200 s" in lead_of(starts).said


def test_what_cannot_be_a_start_does_not_count() -> None:
    odd = pods(-5.0, 7 * DAY, 10, 10, 10, 10, 10)
    starts = starts_of(odd.values())
    assert starts is not None
    assert (starts.count, starts.p95) == (5, timedelta(seconds=10))


def test_pods_that_are_gone_are_remembered_and_a_later_readiness_is_no_start() -> None:
    memory = StartMemory()
    assert memory.see(SHOP, pods(10, 10, 10)) is None
    starts = memory.see(SHOP, {**pods(900), **pods(12, 12, first=3)})
    assert starts is not None
    assert (starts.count, starts.p95) == (5, timedelta(seconds=12))
    many = memory.see(SHOP, pods(*[20.0] * 3 * MOST_STARTS, first=100))
    assert many is not None
    assert many.count == MOST_STARTS
    memory.keep([])
    assert memory.see(SHOP, {}) is None


def test_a_forecast_looks_as_far_as_a_start_takes_and_says_so(now: datetime) -> None:
    rule = rule_of(
        {
            "replicas": {"min": 1, "max": 9},
            "triggers": [
                {"name": "rps", "query": "a", "perReplica": 10},
                {"name": "soon", "forecast": {"of": "rps", "lead": "auto"}},
            ],
        }
    )
    workload = Workload(
        ref=SHOP, current_replicas=2, ready_replicas=2, source="test", starts=starts_of(pods(*[30.0] * 5).values())
    )
    forecast = flat_forecast("s", 45, cutoff=now)
    _, soon = propose(rule, signals={}, forecasts={"soon": forecast}, workload=workload, memory=MEMORY, now=now)
    assert soon.proposal.reason == (
        "forecast p90 in ≤ 90 s = 45 ÷ 10 → 5; looks so far for start-up 30 s (p95 of 5) + 60 s until it is seen"
    )
