"""What a rule that does not act would have done: the fold, and the shadows beside the live loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import NoOpTracer
from prometheus_client import CollectorRegistry

from controller import shadow
from controller.reconcile import Reconciler
from controller.shadow import Observed
from controller.shadows import Shadows
from domain.money import Money
from domain.scaling import Action, Decision, Workload, WorkloadRef
from domain.series import Signal
from domain.shadow import ShadowScore
from rules.schema import ScalingRule
from tests.controller.stories import rule_of
from tests.fakes.cluster import FakeCluster

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TICK = timedelta(seconds=15)
SHOP = WorkloadRef(kind="Deployment", namespace="demo", name="shop")


def rule(mode: str = "observe", *, per_replica: int = 10, **spec: object) -> ScalingRule:
    return rule_of({
        "replicas": {"min": 1, "max": 20}, "mode": mode,
        "triggers": [{"name": "rps", "query": "rps", "perReplica": per_replica}], **spec,
    })  # fmt: skip


def begun(replicas: int = 2) -> ShadowScore:
    return shadow.begin(rule(), replicas, own_digest="d", now=NOW)


def seen(**changes: object) -> Observed:
    values: dict[str, object] = {"replicas": 2, "ready": 2, "load": 20.0, "capacity": 10.0}
    return Observed(**(values | changes))  # type: ignore[arg-type]


# ---- the fold


def test_time_is_counted_for_both_sides() -> None:
    score = shadow.counted(replace(begun(), replicas=3), seen(), now=NOW + TICK)
    assert (score.counted_seconds, score.judged_seconds) == (15, 15)
    assert (score.shadow.replica_seconds, score.real.replica_seconds) == (45, 30)
    assert score.replicas_change_ratio == pytest.approx(0.5)


def test_load_above_what_the_ready_replicas_take_is_violated() -> None:
    score = shadow.counted(replace(begun(), replicas=3), seen(load=25.0), now=NOW + TICK)
    assert (score.shadow.violated_seconds, score.real.violated_seconds) == (0, 15)


def test_replicas_that_start_are_paid_for_and_carry_nothing_yet() -> None:
    score = shadow.followed(begun(2), 5, startup=timedelta(seconds=40), now=NOW)
    assert (score.replicas, score.ready(NOW), score.ready(NOW + timedelta(seconds=40))) == (5, 2, 5)
    score = shadow.counted(score, seen(load=25.0), now=NOW + TICK)
    assert (score.shadow.replica_seconds, score.shadow.violated_seconds) == (75, 15)


def test_those_that_start_last_go_first() -> None:
    score = shadow.followed(begun(2), 4, startup=timedelta(seconds=40), now=NOW)
    score = shadow.followed(score, 6, startup=timedelta(seconds=40), now=NOW + TICK)
    score = shadow.followed(score, 3, startup=timedelta(seconds=40), now=NOW + 2 * TICK)
    assert score.starting == ((NOW + timedelta(seconds=40), 1),)
    assert shadow.followed(score, 1, startup=TICK, now=NOW + 2 * TICK).starting == ()


def test_a_gap_of_more_than_a_minute_counts_for_nobody() -> None:
    score = shadow.counted(begun(), seen(), now=NOW + timedelta(minutes=2))
    assert (score.counted_seconds, score.at, score.since) == (0, NOW + timedelta(minutes=2), NOW)


def test_without_a_known_load_time_is_counted_and_not_judged() -> None:
    score = shadow.counted(begun(), seen(load=None), now=NOW + TICK)
    assert (score.counted_seconds, score.judged_seconds) == (15, 0)


def test_costs_begin_anew_in_another_currency() -> None:
    def priced(currency: str) -> Observed:
        return seen(shadow_price=Money(amount=Decimal("2.4"), currency=currency),
                    real_price=Money(amount=Decimal("1.2"), currency=currency))  # fmt: skip

    score = shadow.counted(begun(), priced("USD"), now=NOW + TICK)
    assert (score.shadow.cost, score.real.cost, score.currency) == (Decimal("0.01"), Decimal("0.005"), "USD")
    score = shadow.counted(score, priced("EUR"), now=NOW + 2 * TICK)
    assert (score.shadow.cost, score.currency) == (Decimal("0.01"), "EUR")


def test_the_mode_makes_no_other_rule() -> None:
    assert shadow.digest(rule("observe")) == shadow.digest(rule("recommend"))
    assert shadow.digest(rule()) != shadow.digest(rule(per_replica=11))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 120)), max_size=30))
def test_never_fewer_than_none_and_never_more_ready_than_there_are(steps: Sequence[tuple[int, int]]) -> None:
    score, now = begun(), NOW
    for desired, seconds in steps:
        now += timedelta(seconds=seconds)
        score = shadow.counted(score, seen(), now=now)
        score = shadow.followed(score, desired, startup=timedelta(seconds=50), now=now)
        assert score.replicas == desired
        assert 0 <= score.ready(now) <= score.replicas
        assert score.counted_seconds <= (now - score.since).total_seconds()


# ---- beside the loop


class Live:
    """The live loop over one rule that does not act."""

    def __init__(self, *, replicas: int = 4, known: Sequence[ShadowScore] = ()) -> None:
        self.rule, self.load, self.now = rule(), 20.0, NOW
        self.cluster = FakeCluster.of(SHOP, replicas, requests={"cpu": 1.0})
        self.shadows = Shadows(cost_of=self._cost, known=known, startup_of=lambda rule: timedelta(seconds=30))
        self.decisions: list[Decision] = []
        self.loop = self.made()

    def made(self) -> Reconciler:
        return Reconciler(
            rules=lambda: [self.rule], evaluate=self._evaluate, forecast_of=lambda signal: None, cluster=self.cluster,
            record=self._record, cost_of=self._cost, registry=CollectorRegistry(), tracer=NoOpTracer(),
            shadows=self.shadows,
        )  # fmt: skip

    def ticks(self, count: int, *, load: float) -> ShadowScore:
        self.load = load
        for _ in range(count):
            self.loop.tick(self.now)
            self.now += TICK
        score = self.shadows.of("demo/shop")
        assert score is not None
        return score

    def _evaluate(self, expr: str, now: datetime, source: str | None) -> Signal:
        return Signal(value=self.load, window=TICK, as_of=now, count=1)

    def _record(self, made: Sequence[tuple[Decision, Action | None]]) -> Mapping[str, str]:
        self.decisions += [decision for decision, _ in made]
        return {}

    def _cost(self, workload: Workload, replicas: int) -> Money:
        return Money(amount=Decimal(replicas), currency="USD")


def test_the_shadow_follows_its_own_decisions_and_the_cluster_does_not() -> None:
    live = Live(replicas=4)
    score = live.ticks(3, load=60.0)
    assert (score.replicas, live.cluster.asked) == (6, [])
    assert [one.desired_replicas for one in live.decisions] == [6, 6, 6]
    assert score.real.violated_seconds == 30
    assert score.shadow.violated_seconds == 15  # at the second tick two of them still start
    score = live.ticks(40, load=20.0)  # five minutes of agreement, then down to 2
    assert score.replicas == 2
    assert float(score.shadow.cost) == pytest.approx(score.shadow.replica_seconds / 3600)
    assert float(score.real.cost) == pytest.approx(score.real.replica_seconds / 3600)


def test_what_is_recorded_is_the_decision_about_the_real_replicas() -> None:
    live = Live(replicas=4)
    live.ticks(3, load=60.0)
    assert {one.current_replicas for one in live.decisions} == {4}
    assert len({one.id for one in live.decisions}) == 3


def test_a_rule_that_begins_to_act_has_no_shadow_any_more() -> None:
    live = Live()
    live.ticks(2, load=20.0)
    live.rule = rule("enforce")
    live.loop.tick(live.now)
    assert live.shadows.of("demo/shop") is None


def test_another_rule_begins_a_new_score_another_mode_does_not() -> None:
    live = Live()
    live.ticks(3, load=20.0)
    live.rule = rule("recommend")
    assert live.ticks(1, load=20.0).since == NOW
    live.rule = rule("recommend", per_replica=5)
    assert live.ticks(1, load=20.0).since == live.now - TICK


def test_a_score_goes_on_after_a_restart_without_the_time_between() -> None:
    before = Live().ticks(4, load=60.0)
    after = Live(known=[before])
    after.now = before.at + timedelta(minutes=10)
    score = after.ticks(3, load=60.0)
    assert (score.since, score.replicas) == (NOW, 6)
    assert score.counted_seconds == before.counted_seconds + 30


def test_without_a_replica_count_nothing_is_compared() -> None:
    live = Live()
    live.cluster.workloads.clear()
    live.loop.tick(live.now)
    assert live.shadows.all() == []


def test_a_learned_capacity_judges_the_shadow() -> None:
    live = Live()
    live.shadows = Shadows(cost_of=live._cost, capacity_of=lambda rule: 2.0)
    live.loop = live.made()
    assert live.ticks(3, load=20.0).real.violated_seconds == 30  # 4 replicas carry 8
