"""Each kind of trigger: from what was read to what it asks for, and the sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import triggers
from controller.memory import Memory
from controller.triggers import Missing, PodSignal, Reading, Want
from domain.capacity import Carried
from domain.pods import PodState
from domain.scaling import Reason, Workload
from domain.series import Signal
from rules import asked
from rules.schema import Trigger
from store.promql import check
from tests.controller.stories import START, flat_forecast, rule_of
from tests.controller.test_ahead import outlook


def read(value: float, *, complete: float = 1.0) -> Signal:
    return Signal(value=value, window=timedelta(), as_of=START, count=1, completeness_ratio=complete)


def wanted(
    *documents: Mapping[str, Any], signals: Mapping[str, Reading], current: int = 4, ready: int | None = None,
    now: datetime = START, silent_since: datetime | None = None, limits: Mapping[str, float] | None = None,
    carried: Carried | None = None,
) -> tuple[Want, ...]:  # fmt: skip
    rule = rule_of({"replicas": {"min": 1, "max": 50}, "triggers": list(documents)})
    workload = Workload(
        ref=rule.target, current_replicas=current, ready_replicas=current if ready is None else ready, source="test",
        requests={"cpu": 0.5}, limits=limits or {}, carried={} if carried is None else {documents[0]["name"]: carried},
    )  # fmt: skip
    missing = {} if silent_since is None else {one["name"]: silent_since for one in documents}
    return triggers.propose(
        rule, signals=signals, forecasts={}, workload=workload, memory=Memory(missing_since=missing), now=now
    )


def one(document: Mapping[str, Any], *values: float, **more: Any) -> Want:
    signals = {} if not values else {document["name"]: read(values[0])}
    return wanted(document, signals=signals, **more)[0]


LATENCY = {"name": "p95", "trace": {"service": "shop", "measure": "p95"}, "value": "300ms"}


@pytest.mark.parametrize(
    ("value", "current", "ready", "replicas", "said"),
    [
        (0.6, 4, 4, 8, "p95 0.6 s against 0.3 s: 2 × 4 ready → 8"),
        (0.31, 4, 4, 4, "p95 0.31 s against 0.3 s is within tolerance, 4 stay"),
        (0.1, 6, 6, 2, "p95 0.1 s against 0.3 s: 0.333 × 6 ready → 2"),
        (0.4, 6, 3, 6, "p95 0.4 s against 0.3 s: 1.333 × 3 ready → 4; 6 are kept, not all of them are ready"),
        (0.2, 3, 8, 3, "p95 0.2 s against 0.3 s: 0.667 × 8 ready → 6; 3 are kept, not all of them are ready"),
        (0.0, 3, 3, 0, "p95 0 s against 0.3 s: 0 × 3 ready → 0"),
    ],
)
def test_a_value_is_a_ratio_of_the_ready_replicas(
    value: float, current: int, ready: int, replicas: int, said: str
) -> None:
    want = one(LATENCY, value, current=current, ready=ready)
    assert (want.replicas, want.proposal.reason) == (replicas, said)


def test_a_learned_capacity_divides_and_says_where_it_comes_from() -> None:
    document = {"name": "rps", "query": "sum(rate(requests_total[1m]))", "perReplica": 40, "learn": {"max": 200}}
    known = Carried(value=78, learned=True, said="learned from 412 samples since 2026-11-21 09:12Z, ± 4 %")

    found = one(document, 530, carried=known)

    assert (found.proposal.replicas, found.proposal.target) == (7, 78)
    assert found.proposal.reason == (
        "rps 530/s ÷ 78/s per replica (learned from 412 samples since 2026-11-21 09:12Z, ± 4 %) → 7"
    )


@pytest.mark.parametrize("ahead", [{"quantile": 0.9}, {"price": {"violatedMinute": "auto"}}])
def test_until_it_is_learned_a_forecast_has_no_say(ahead: dict[str, Any]) -> None:
    source = {"name": "rps", "query": "sum(rate(requests_total[1m]))", "perReplica": 40, "learn": {"max": 200}}
    soon = {"name": "soon", "forecast": {"of": "rps", "season": "1d", "lead": "2m", "horizon": "1h", **ahead}}
    rule = rule_of({"replicas": {"min": 1, "max": 50}, "triggers": [source, soon]})
    start = Carried(value=40, learned=False, said="where learning starts, it is learned anew since 2026-11-21 09:12Z")

    def floor(carried: Mapping[str, Carried]) -> Want:
        found = triggers.propose(
            rule, signals={"rps": read(100)}, forecasts={"soon": flat_forecast("x", 900, cutoff=START)},
            outlooks={"soon": outlook(900, 900)}, memory=Memory(), now=START,
            workload=Workload(ref=rule.target, current_replicas=4, ready_replicas=4, source="test", carried=carried),
        )  # fmt: skip
        return found[1]

    assert floor({"rps": start}).proposal.replicas is None
    assert floor({"rps": start}).proposal.reason.endswith("since 2026-11-21 09:12Z): reactive until it is")
    known = replace(start, learned=True, value=90)
    assert floor({"rps": known}).proposal.target == 90
    assert floor({}).proposal.target == 40


@pytest.mark.parametrize(
    ("gate", "backtest", "served", "said"),
    [
        ({"wape": 0.2}, 0.1, {}, ""),
        ({"wape": 0.2}, 0.3, {}, "the gate is closed, the backtest of rps errs by 30 %, more than 20 %"),
        ({"wape": 0.2, "over": "3d"}, 0.3, {72: 0.1}, ""),
        ({"wape": 0.2, "over": "3d"}, 0.1, {72: 0.3},
         "the gate is closed, what was served of rps in the last 3d erred by 30 %, more than 20 %"),
        ({"wape": 0.2, "over": "3d"}, 0.1, {}, ""),
        ({"wape": 0.2, "over": "3d"}, 0.3, {48: 0.1},
         "the gate is closed, the backtest of rps errs by 30 %, more than 20 %; nothing was served for 3d yet"),
        ({"wape": 0.2, "over": "3d"}, None, {}, "the gate is closed, rps has too little history for a backtest"),
        ({"wape": 0.2, "over": "3d"}, None, {72: 0.1}, ""),
    ],
)  # fmt: skip
def test_a_gate_judges_what_was_served_over_its_time_and_the_backtest_before_that(
    gate: dict[str, Any], backtest: float | None, served: dict[int, float], said: str
) -> None:
    soon = {"name": "soon", "forecast": {"of": "rps", "lead": "2m", "gate": gate}}
    rule = rule_of({"replicas": {"min": 1, "max": 50}, "triggers": [RPS, soon]})
    forecast = replace(
        flat_forecast("x", 900, cutoff=START, wape=backtest),
        served_wapes={timedelta(hours=hours): wape for hours, wape in served.items()},
    )
    workload = Workload(ref=rule.target, current_replicas=4, ready_replicas=4, source="test")

    floor = triggers.propose(
        rule, signals={"rps": read(100)}, forecasts={"soon": forecast}, memory=Memory(), now=START, workload=workload
    )[1]

    assert (floor.proposal.replicas is None) == bool(said)
    assert not said or floor.proposal.reason == f"soon: {said}"


RPS = {"name": "rps", "query": "sum(rate(requests_total[1m]))", "perReplica": 40}


def test_a_query_may_say_replicas_itself() -> None:
    want = one({"name": "gpu", "query": "gpu_free", "asReplicas": True}, 6.2)
    assert (want.replicas, want.proposal.reason) == (7, "gpu says 7 replicas")


QUEUE = {"length": "sum(waiting)", "arrivals": "sum(rate(in[1m]))", "perReplicaRate": 5, "drainTime": "2m"}


@pytest.mark.parametrize(
    ("queue", "further", "replicas", "incomplete", "said"),
    [
        ({}, {"jobs.arrivals": read(20)}, 14, False,
         "(jobs 6000 waiting ÷ 120 s + 20/s arriving) ÷ 5/s per replica → 14"),
        ({"partitions": 12}, {"jobs.arrivals": read(20)}, 12, False,
         "(jobs 6000 waiting ÷ 120 s + 20/s arriving) ÷ 5/s per replica → 14; only 12 partitions"),
        ({"partitions": "count(p)"}, {"jobs.arrivals": read(20), "jobs.partitions": read(9)}, 9, False,
         "(jobs 6000 waiting ÷ 120 s + 20/s arriving) ÷ 5/s per replica → 14; only 9 partitions"),
        ({"partitions": "count(p)"}, {"jobs.arrivals": read(20)}, 4, True,
         "(jobs 6000 waiting ÷ 120 s + 20/s arriving) ÷ 5/s per replica → 14; nobody knows how many partitions there "
         "are, so no more than 4; without partitions"),
        ({}, {"jobs.arrivals": Missing(reason="no answer")}, 10, True,
         "(jobs 6000 waiting ÷ 120 s + 0/s arriving) ÷ 5/s per replica → 10; without arrivals (no answer)"),
    ],
)  # fmt: skip
def test_a_queue_is_worked_off_within_its_drain_time(
    queue: dict[str, Any], further: dict[str, Reading], replicas: int, incomplete: bool, said: str
) -> None:
    (want,) = wanted({"name": "jobs", "queue": {**QUEUE, **queue}}, signals={"jobs": read(6000), **further})
    assert (want.replicas, want.proposal.incomplete, want.proposal.reason) == (replicas, incomplete, said)


def test_a_schedule_asks_for_its_number_while_it_lasts() -> None:
    document = {"name": "day", "schedule": {"start": "0 8 * * *", "end": "0 18 * * *"}, "replicas": 7}
    assert [one(document, now=datetime(2026, 11, 21, hour, tzinfo=UTC)).replicas for hour in (7, 8, 17, 18)] == [
        0, 7, 7, 0,
    ]  # fmt: skip


def test_an_event_asks_for_its_number_while_its_alert_fires() -> None:
    document = {"name": "lag", "event": {"alert": "ConsumerLag"}, "replicas": 9}
    fires, rests = one(document, 2.0), one(document, 0.0)
    assert (fires.replicas, fires.proposal.reason, fires.proposal.active) == (9, "alert ConsumerLag fires → 9", True)
    assert (rests.replicas, rests.proposal.missing, rests.proposal.active) == (0, False, False)


PODS = {"name": "sessions", "pods": "sum by (pod) (sessions)", "perReplica": 10}


@pytest.mark.parametrize(
    ("values", "current", "ready", "replicas", "said"),
    [
        ([20, 20, 20, 20], 4, 4, 8, "sessions 20 on average over 4 of 4 pods ÷ 10 → 8"),
        ([10, 10.5, 10, 10], 4, 4, 4, "sessions 10.1 on average over 4 of 4 pods ÷ 10 is within tolerance of 4"),
        ([20, 20], 4, 2, 4, "sessions 20 on average over 2 of 4 pods ÷ 10 → 4"),  # two start, and count as idle
        ([2, 2, 2], 4, 4, 2, "sessions 2 on average over 3 of 4 pods ÷ 10 → 2"),  # the fourth is taken to work fully
        ([5, float("nan")], 2, 2, 2, "sessions 5 on average over 1 of 2 pods ÷ 10 → 2"),
    ],
)
def test_pods_are_averaged_as_kubernetes_does(
    values: list[float], current: int, ready: int, replicas: int, said: str
) -> None:
    signal = PodSignal(values={f"shop-{n}": value for n, value in enumerate(values)}, as_of=START)
    (want,) = wanted(PODS, signals={"sessions": signal}, current=current, ready=ready)
    assert (want.replicas, want.proposal.reason) == (replicas, said)
    assert want.proposal.incomplete == (sum(value == value for value in values) < 0.9 * ready)


def test_usage_against_an_average_and_against_the_limit() -> None:
    average = one({"name": "cpu", "resource": {"name": "cpu", "averageValue": "250m"}}, 2.0)
    assert (average.replicas, average.proposal.reason) == (8, "cpu 2 cores ÷ 0.25 cores per replica → 8")
    of_limit = {"name": "cpu", "resource": {"name": "cpu", "utilization": 50, "of": "limit"}}
    assert one(of_limit, 2.0, limits={"cpu": 0.5}).replicas == 8
    assert "has no cpu limit" in one(of_limit, 2.0).proposal.reason


def state(*, age: float = 9_000.0, ready: float | None = 8_000.0, **more: Any) -> PodState:
    return PodState(age_seconds=age, ready_seconds=ready, **{"requests": {"cpu": 0.5, "memory": 100.0}, **more})


def used(
    values: Mapping[str, float], states: Mapping[str, PodState], *, current: int, **resource: Any
) -> Want:  # fmt: skip
    document = {"name": "cpu", "resource": {"name": "cpu", "utilization": 50, **resource}}
    pods = PodSignal(values=values, as_of=START, states=states, window=timedelta(minutes=2))
    return wanted(document, signals={"cpu": read(sum(values.values())), "cpu.pods": pods}, current=current)[0]


STATES = {f"shop-{n}": state() for n in range(4)}


def test_usage_is_averaged_over_the_pods_as_kubernetes_does() -> None:
    want = used(dict.fromkeys(STATES, 0.4), STATES, current=4)
    assert want.replicas == 7
    assert want.proposal.reason == "cpu 80 % of the request on average over 4 of 4 pods ÷ 50 % → 7"
    held = used(dict.fromkeys(STATES, 0.26), STATES, current=4)
    assert (held.replicas, held.asked, held.word) == (4, 5, Reason.WITHIN_TOLERANCE)


def test_a_ready_pod_without_a_sample_stands_against_the_move_and_releases_nothing() -> None:
    three = dict.fromkeys(list(STATES)[:3], 0.1)
    want = used(three, STATES, current=4)
    assert (want.replicas, want.proposal.incomplete) == (4, True)
    busy = used(dict.fromkeys(list(STATES)[:3], 0.3), STATES, current=4)
    assert (busy.replicas, busy.proposal.reason) == (
        4, "cpu 60 % of the request on average over 3 of 4 pods ÷ 50 % → 4; 1 without a sample",
    )  # fmt: skip


@pytest.mark.parametrize(
    "young",
    [
        state(age=60, ready=None), state(age=60, ready=None, was_ready=False), state(age=90, ready=30),
        state(age=20, ready=None, pending=True), state(age=9_000, ready=None, was_ready=False),
    ],
)  # fmt: skip
def test_a_pod_that_starts_is_left_out_of_the_mean_and_idle_while_more_are_wanted(young: PodState) -> None:
    states = {**STATES, "shop-4": young}
    idle = used({**dict.fromkeys(STATES, 0.1), "shop-4": 0.5}, states, current=5)
    assert idle.replicas == 2
    busy = used({**dict.fromkeys(STATES, 0.3), "shop-4": 0.5}, states, current=5)
    assert (busy.replicas, busy.proposal.reason) == (
        5, "cpu 60 % of the request on average over 4 of 5 pods ÷ 50 % → 5; 1 not ready yet",
    )  # fmt: skip


def test_a_pod_that_was_ready_and_breaks_under_its_load_counts_with_it() -> None:
    states = {**STATES, "shop-3": state(ready=None)}
    assert used(dict.fromkeys(states, 0.5), states, current=4).replicas == 8


def test_pods_that_are_asked_for_and_not_yet_known_are_not_asked_for_again() -> None:
    assert used(dict.fromkeys(STATES, 0.5), STATES, current=8).replicas == 8
    assert used(dict.fromkeys(STATES, 0.5), STATES, current=6).replicas == 8


def test_pods_that_went_within_the_last_minute_turn_no_fall_into_a_rise() -> None:
    assert used(dict.fromkeys(STATES, 0.2), STATES, current=3).replicas == 3


POD_STATES = st.builds(
    state, age=st.sampled_from([10.0, 200.0, 900.0]), ready=st.sampled_from([None, 5.0, 190.0]), pending=st.booleans(),
    was_ready=st.booleans(), requests=st.sampled_from([{"cpu": 0.5}, {"cpu": 2.0}, {}]),
)  # fmt: skip


@given(
    pods=st.lists(st.tuples(POD_STATES, st.none() | st.floats(0, 4)), min_size=1, max_size=6),
    current=st.integers(1, 9), factor=st.floats(1, 8),
)  # fmt: skip
def test_more_use_of_the_same_pods_never_asks_for_fewer(
    pods: list[tuple[PodState, float | None]], current: int, factor: float
) -> None:
    states = {f"shop-{index}": one for index, (one, _) in enumerate(pods)}
    values = {f"shop-{index}": value for index, (_, value) in enumerate(pods) if value is not None}
    less, more = (used({pod: v * by for pod, v in values.items()}, states, current=current) for by in (1.0, factor))
    if less.replicas is None or more.replicas is None:
        assert less.proposal.missing
        assert more.proposal.missing
    else:
        assert less.replicas <= more.replicas


def test_pods_with_uneven_requests_are_weighed_by_them() -> None:
    states = {"a": state(requests={"cpu": 0.5}), "b": state(requests={"cpu": 1.5})}
    want = used({"a": 0.5, "b": 0.5}, states, current=2)
    assert want.proposal.reason == "cpu 50 % of the request on average over 2 of 2 pods ÷ 50 % is within tolerance of 2"


def test_pods_are_compared_with_their_limits_or_an_average_and_of_no_limit_it_is_said() -> None:
    limited = {name: state(limits={"cpu": 1.0}) for name in STATES}
    assert used(dict.fromkeys(STATES, 0.75), limited, current=4, of="limit").replicas == 6
    without = used(dict.fromkeys(STATES, 0.75), STATES, current=4, of="limit")
    assert "has no cpu limit to compare usage with" in without.proposal.reason
    average = used(dict.fromkeys(STATES, 0.75), STATES, current=4, utilization=None, averageValue="500m")
    assert average.proposal.reason == "cpu 0.75 cores on average over 4 of 4 pods ÷ 0.5 cores → 6"


SPARE = {"name": "spare", "query": "b", "perReplica": 10}


@pytest.mark.parametrize(
    ("use", "current", "replicas"),
    [("hold", 4, 4), (6, 4, 6), (2, 4, 4), ("max(hold,6)", 4, 6), ("max(hold,6)", 9, 9), ("spare", 4, 8),
     ("spare", 9, 9)],
)  # fmt: skip
def test_every_form_of_fallback_and_none_releases(use: str | int, current: int, replicas: int) -> None:
    document = {"name": "rps", "query": "a", "perReplica": 10, "fallback": {"after": "60s", "use": use}}
    signals = {"rps": Missing(reason="gone"), "spare": read(80)}
    since = START - timedelta(seconds=60)
    want, _ = wanted(document, SPARE, signals=signals, current=current, silent_since=since)
    assert (want.replicas, want.word, want.is_silent) == (replicas, Reason.FALLBACK, True)


def test_a_fallback_without_data_of_its_own_has_no_say() -> None:
    document = {"name": "rps", "query": "a", "perReplica": 10, "fallback": {"after": "60s", "use": "spare"}}
    gone: dict[str, Reading] = {"rps": Missing(reason="gone"), "spare": Missing(reason="gone, too")}
    want, _ = wanted(document, SPARE, signals=gone, silent_since=START - timedelta(minutes=5))
    assert want.replicas is None
    assert want.proposal.reason == "rps: gone; spare, its fallback, has no data either"


KINDS: list[dict[str, Any]] = [
    {"trace": {"service": 'a"b', "measure": "rate"}, "perReplica": 1},
    {"trace": {"service": "a", "operation": "GET /", "measure": "inFlight"}, "perReplica": 1},
    {"trace": {"service": "a", "measure": "p99"}, "value": "1s"},
    {"event": {"alert": "A", "matchers": {"team": "x"}}, "replicas": 1},
    {"queue": QUEUE},
]


@pytest.mark.parametrize("document", KINDS)
def test_what_a_trigger_asks_can_be_evaluated(document: dict[str, Any]) -> None:
    trigger = Trigger.model_validate({"name": "t", **document})
    query = asked.main_query(trigger)
    assert query is not None
    for each in (query, *asked.further_queries(trigger).values()):
        check(each.expr)
