"""Plays one test: its series in a metrics store of its own, the live loop ticking over them, replicas that follow."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from opentelemetry.trace import NoOpTracer
from prometheus_client import CollectorRegistry

from app.backtesting.incident import without_what_was_not_recorded
from app.queries import Queries
from app.rule_tests.document import DecisionTest, InputForecast
from app.rule_tests.replicas import FollowingReplicas
from controller.cluster.observe import ObserveCluster
from controller.reading import Evaluate
from controller.reconcile import Reconciler
from cost.prices import cost_per_hour
from domain.clock import to_ms
from domain.errors import NoDataError
from domain.forecasts import Backtest, Forecast
from domain.money import Money
from domain.scaling import Action, Decision, Mode, Workload
from domain.series import FloatArray, Series, Signal
from rules import RuleSet, asked
from rules.document import Query
from rules.schema import Actuate, ScalingRule
from store.metrics import MetricsStore

_QUANTILES: Final = (0.5, 0.9, 0.99)
_RETENTION: Final = timedelta(days=3660)
_LONGEST_LEAD: Final = timedelta(hours=1)
"""How far ahead a test's forecast reaches: replicas that start take minutes."""


class StoryClock:
    """The time of the present tick."""

    def __init__(self, start: datetime) -> None:
        """Begin at ``start``."""
        self._start = self.time = start

    def now(self) -> datetime:
        """Set by the player."""
        return self.time

    def monotonic(self) -> float:
        """Seconds since the start."""
        return (self.time - self._start).total_seconds()


def play(test: DecisionTest, rule: ScalingRule, running: RuleSet, *, every: timedelta) -> list[Decision]:
    """The decision of each tick from the start to the last expectation.

    Args:
        test: What is measured and forecast, and how the replicas follow.
        rule: The rule it is about.
        running: All documents of its rule files: the price sheet counts.
        every: Between two ticks.
    """
    clock = StoryClock(test.begins)
    rule = without_what_was_not_recorded(rule) if test.unguarded else rule
    with _store(test, every) as store, closing(Queries(store, clock=clock)) as queries:
        decisions: list[Decision] = []

        def record(made: Sequence[tuple[Decision, Action | None]]) -> Mapping[str, str]:
            decisions.extend(decision for decision, _ in made)
            return {}

        cluster = _cluster(test, rule, queries, clock)
        acting = _unlearning(_acting(rule) if test.follow is not None else _watching(rule))
        loop = Reconciler(
            rules=lambda: (acting,),
            evaluate=_given(test, rule, cluster, queries, every),
            forecast_of=lambda signal: _forecast(test, rule, signal, clock.now(), every),
            cluster=cluster,
            record=record,
            cost_of=lambda workload, replicas: _cost(running, workload, replicas),
            registry=CollectorRegistry(),
            tracer=NoOpTracer(),
            slo_of=running.slo,
            by_pod=lambda expr, now, source: queries.pods(expr, now),
        )
        for number in range(test.ends // every + 1):
            clock.time = test.begins + number * every
            loop.tick(clock.time)
        return decisions


def _given(
    test: DecisionTest, rule: ScalingRule, cluster: FollowingReplicas, queries: Queries, every: timedelta
) -> Evaluate:
    """The test's signals by what their triggers ask; every other query goes to its series, whatever its source."""
    step = test.interval or every
    named = {one.of: one.values for one in test.input_signals}
    asked_for: dict[str, tuple[float | None, ...]] = {}
    for trigger in rule.spec.triggers:
        query = asked.main_query(trigger)
        if trigger.resource is not None:
            query = Query(expr=cluster.usage_query(rule.target, trigger.resource.name, trigger.resource.container))
        if query is not None and trigger.name in named:
            asked_for[query.expr] = named[trigger.name]

    def evaluate(expr: str, now: datetime, source: str | None) -> Signal:
        values = asked_for.get(expr)
        if values is None:
            return queries.signal(expr, now)
        place = (now - test.begins) // step
        value = values[place] if place < len(values) else None
        if value is None:
            raise NoDataError("the test's signal has no value then")
        return Signal(value=value, window=timedelta(), as_of=now, count=1)

    return evaluate


def _acting(rule: ScalingRule) -> ScalingRule:
    """The rule as if it were enforced: whatever its mode, the test tells what would come of it."""
    spec = rule.spec.model_copy(update={"mode": Mode.ENFORCE, "actuate": Actuate.model_validate({"with": "scale"})})
    return rule.model_copy(update={"spec": spec})


def _watching(rule: ScalingRule) -> ScalingRule:
    return rule.model_copy(update={"spec": rule.spec.model_copy(update={"mode": Mode.OBSERVE})})


def _unlearning(rule: ScalingRule) -> ScalingRule:
    """Nothing is learned in a story's few minutes: a replica carries what the document says, and forecasts count."""
    triggers = tuple(one.model_copy(update={"learn": None}) for one in rule.spec.triggers)
    return rule.model_copy(update={"spec": rule.spec.model_copy(update={"triggers": triggers})})


@contextmanager
def _store(test: DecisionTest, every: timedelta) -> Iterator[MetricsStore]:
    with tempfile.TemporaryDirectory(prefix="foretide-test-") as folder:
        store = MetricsStore.open(Path(folder) / "metrics.db", retention=_RETENTION)
        with closing(store):
            store.load(_series(test, every))
            yield store


def _series(test: DecisionTest, every: timedelta) -> Iterator[Series]:
    step_ms = round((test.interval or every) / timedelta(milliseconds=1))
    for one in test.input_series:
        times = to_ms(test.begins) + step_ms * np.arange(len(one.values), dtype=np.int64)
        there = np.array([value is not None for value in one.values])
        values = np.array([0.0 if value is None else value for value in one.values])
        if there.any():
            yield Series(labels=one.series, timestamps_ms=times[there], values=values[there])


def _cluster(test: DecisionTest, rule: ScalingRule, queries: Queries, clock: StoryClock) -> FollowingReplicas:
    def number(expr: str) -> float | None:
        try:
            return queries.number(expr, clock.now()).value
        except NoDataError:
            return None

    return FollowingReplicas(
        rule.target, test.replicas, startup=test.follow or timedelta(), now=clock.now,
        requests={name: float(amount) for name, amount in test.requests.items()},
        usage_query=ObserveCluster(number).usage_query,
    )  # fmt: skip


def _forecast(test: DecisionTest, rule: ScalingRule, signal: str, now: datetime, every: timedelta) -> Forecast | None:
    """Made at this tick: what the test forecasts from here on."""
    sources = [one.forecast.source for one in rule.spec.triggers
               if one.forecast is not None and rule.signal(one) == signal]  # fmt: skip
    given = next((one for one in test.forecasts if one.of in sources), None)
    if given is None:
        return None
    step = test.interval or every
    cutoff = test.begins + (now - test.begins) // step * step
    path = _path(given, (cutoff - test.begins) // step + 1, count=_LONGEST_LEAD // step + 2)
    return Forecast(
        signal=signal, model="the test's", made_at=now, cutoff=cutoff, step=step, season=timedelta(days=1), mean=path,
        quantiles=_QUANTILES, values=np.repeat(path[:, None], len(_QUANTILES), axis=1), reference=None,
        backtest=Backtest(wape=given.wape, coverage={}, origins=1, wape_by_model={}), history_start=test.begins,
    )  # fmt: skip


def _path(given: InputForecast, first: int, *, count: int) -> FloatArray:
    """``count`` steps from step ``first`` on; after the last value it stays."""
    rest = given.values[first : first + count]
    return np.array([*rest, *[given.values[-1]] * (count - len(rest))], dtype=np.float64)


def _cost(running: RuleSet, workload: Workload, replicas: int) -> Money | None:
    sheet = running.price_sheet
    return None if sheet is None or not workload.requests else cost_per_hour(workload.requests, replicas, sheet)
