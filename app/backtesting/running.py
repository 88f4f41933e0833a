"""Backtests of the rules that run here: what their triggers saw, asked again; the ledger's replicas; kept when done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import uuid4

import numpy as np

from app.backtesting import burning
from app.backtesting.assume import Options
from app.backtesting.present import hpa_of_target
from app.backtesting.recorded import HELD, TICK_SECONDS, DataError, Recorded, onto_grid
from app.backtesting.report import Report, to_json
from app.backtesting.study import Case, study
from app.operations import Operation, Operations
from app.operations import Report as Tell
from app.queries import Queries
from controller.cluster import Cluster
from domain.clock import Clock
from domain.errors import ForetideError, NoDataError
from domain.labels import Labels
from domain.series import FloatArray
from forecaster.workers import OneShotPool
from rules import RuleSet, asked
from rules.document import Query
from rules.schema import ScalingRule, Trigger
from store.state import BacktestBrief, Backtests, DecisionLedger, State

log = logging.getLogger(__name__)


def _series_of(rule: ScalingRule, name: str) -> Mapping[str, str]:
    """The labels of a document's series that a trigger names; empty for every other column."""
    wanted = next((one.forecast for one in rule.spec.triggers if one.name == name), None)
    return {} if wanted is None else wanted.series


def or_zero(query: Query) -> Query:
    """An error ratio of no requests at all, 0 / 0, counts as 0, as live; what is missing stays so."""
    text = f"({query.expr})"
    return query.model_copy(update={"expr": f"({text} == {text}) or (({text} != bool {text}) - 1)"})


TICK: Final = timedelta(seconds=TICK_SECONDS)
AT_ONCE: Final = timedelta(days=1)
"""Of a signal's history by one query: 5,760 steps."""
LONGEST: Final = timedelta(days=60)
USUAL: Final = timedelta(days=14)
LEAST: Final = timedelta(minutes=30)
MINUTE: Final = timedelta(minutes=1)
"""An objective is missed in a minute with more bad than the SLO's budget allows on average."""
PATIENCE: Final = timedelta(minutes=15)


class RunningBacktests:
    """Starts them as operations; each computes in a process of its own."""

    def __init__(
        self, *, rules: Callable[[], RuleSet], queries: Queries, state: State, cluster: Cluster,
        operations: Operations, clock: Clock, learned: Callable[[], None],
    ) -> None:  # fmt: skip
        """``learned`` is called when a result was kept."""
        self._rules, self._queries, self._state, self._cluster = rules, queries, state, cluster
        self._operations, self._clock, self._learned = operations, clock, learned

    def start(
        self, rule: ScalingRule, *, since: datetime | None, until: datetime | None, sweep: bool, options: Options
    ) -> Operation:
        """Begin; the operation's result is the address of the report.

        Raises:
            DataError: The interval cannot be meant.
            OverloadedError: Too many wait already.
        """
        end = min(until or self._clock.now(), self._clock.now())
        begin = since or end - USUAL
        if not LEAST <= end - begin <= LONGEST:
            raise DataError(f"from and to must lie 30 minutes to {LONGEST.days} days apart, and not ahead of now")
        pool = OneShotPool(timeout=PATIENCE)

        def work(tell: Tell) -> str:
            try:
                return self._done(rule, begin, end, sweep=sweep, options=options, pool=pool, tell=tell)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

        return self._operations.start(
            "backtest", rule.key, work, stop=partial(pool.shutdown, wait=False, cancel_futures=True)
        )

    def _done(
        self, rule: ScalingRule, begin: datetime, end: datetime, *, sweep: bool, options: Options, pool: OneShotPool,
        tell: Tell,
    ) -> str:  # fmt: skip
        present, name, notes = hpa_of_target(rule, self._told)
        recorded = self.recorded(rule, begin, end, tell, present=present)
        case = Case(
            rule=rule, recorded=recorded, sweep=sweep, present=present, present_name=name, present_told=True,
            notes=(*notes, *self._said_of_misses(rule)), price=self._rules().price_sheet,
            options=self._with_resources(rule, options), slo=self._rules().slo(rule.guarding_slo or ""),
            seasons={one.key: one.spec.season for one in self._rules().forecasts},
        )  # fmt: skip
        tell("replaying, in a process of its own", 0.5)
        report: Report = pool.submit(study, case).result()
        tell("keeping the result", 0.95)
        return self._kept(report)

    def _told(self, query: str) -> list[tuple[Labels, float]]:
        found = self._queries.instant(query, self._clock.now())
        return [(Labels.of(dict(pairs)), value) for pairs, value in found.items()]

    def _said_of_misses(self, rule: ScalingRule) -> tuple[str, ...]:
        guarding = self._rules().slo(rule.guarding_slo or "")
        if guarding is None:
            return ()
        return (f"missed counts a minute of which SLO {guarding.key} had more bad than {100 * guarding.budget:g} %",)

    def recorded(
        self, rule: ScalingRule, begin: datetime, end: datetime, tell: Tell, *, present: ScalingRule | None = None
    ) -> Recorded:
        """What every trigger saw, those of what runs now too, the replicas that the ledger has, and SLO's misses.

        Raises:
            DataError: Nothing is recorded, or too little.
        """
        ticks = (end - begin) // TICK
        times: FloatArray = np.asarray(begin.timestamp() + TICK_SECONDS * np.arange(ticks), dtype=np.float64)
        columns: dict[str, FloatArray] = {}
        queries = ({} if present is None else self._asked(present)) | self._asked(rule)
        for place, (name, query) in enumerate(queries.items()):
            tell(f"reading {name}", 0.4 * place / max(len(queries), 1))
            columns[name] = self._history(query, begin, ticks, series=_series_of(rule, name))
        guarding = self._rules().slo(rule.guarding_slo or "")
        if guarding is not None:
            bad = self._history(or_zero(guarding.error_ratio_query(MINUTE)), begin, ticks, series={})
            columns["violated"] = np.where(np.isfinite(bad), (bad > guarding.budget).astype(np.float64), np.nan)
        columns["replicas"] = self._replicas(rule.key, begin, end, times)
        telling = [values for name, values in columns.items() if name not in {*HELD, *burning.COLUMNS.values()}]
        known = np.any([np.isfinite(values) for values in telling], axis=0)
        seen = np.flatnonzero(known)
        if len(seen) < LEAST // TICK:
            raise DataError(f"{rule.key}: no trigger saw anything for 30 minutes between {begin:%d %b %H:%M} and now")
        part = slice(int(seen[0]), int(seen[-1]) + 1)
        if not np.isfinite(columns["replicas"][part]).any():
            del columns["replicas"]
        source = f"what {rule.key} saw"
        return onto_grid(source, times[part], {name: values[part] for name, values in columns.items()})

    def _asked(self, rule: ScalingRule) -> dict[str, Query]:
        """The queries behind the columns."""
        made: dict[str, Query] = {}
        for trigger in rule.spec.triggers:
            query = self._query(rule, trigger)
            if query is not None:
                made[trigger.name] = query
            made |= {f"{trigger.name}.{name}": one for name, one in asked.further_queries(trigger).items()}
        made |= {f"ceiling.{one.name}": one.query for one in rule.spec.ceiling if one.query is not None}
        guarding = self._rules().slo(rule.guarding_slo or "")
        if guarding is not None:
            made |= {name: or_zero(guarding.error_ratio_query(window)) for window, name in burning.COLUMNS.items()}
        return made

    def _query(self, rule: ScalingRule, trigger: Trigger) -> Query | None:
        if trigger.resource is not None:
            try:
                resource = trigger.resource
                return Query(expr=self._cluster.usage_query(rule.target, resource.name, resource.container))
            except ForetideError as error:
                log.info("usage is not in the backtest", extra={"rule": rule.key, "error": str(error)})
                return None
        if trigger.pods is not None:
            return Query(expr=f"sum({trigger.pods.expr})", source=trigger.pods.source)
        if trigger.forecast is not None and trigger.forecast.document is not None:
            key = rule.qualified(trigger.forecast.document)
            return next((one.spec.query for one in self._rules().forecasts if one.key == key), None)
        return asked.main_query(trigger)

    def _history(self, query: Query, begin: datetime, ticks: int, *, series: Mapping[str, str]) -> FloatArray:
        """Day by day; NaN where nothing was. With labels, one series of those that the query yields."""
        made = np.full(ticks, np.nan)
        for first in range(0, ticks, AT_ONCE // TICK):
            last = min(first + AT_ONCE // TICK, ticks) - 1
            try:
                values = self._stretch(query, begin + first * TICK, begin + last * TICK, series)
            except NoDataError:
                continue
            made[first : first + len(values)] = values[: last - first + 1]
        return made

    def _stretch(self, query: Query, start: datetime, end: datetime, series: Mapping[str, str]) -> FloatArray:
        if not series:
            return self._queries.history(query.expr, start, end, TICK, source=query.source)[0]
        found, _ = self._queries.histories(query.expr, start, end, TICK, source=query.source)
        return found.get(tuple(sorted(series.items())), np.zeros(0))

    def _replicas(self, rule: str, begin: datetime, end: datetime, times: FloatArray) -> FloatArray:
        """What each decision saw, held until the next one for at most a minute."""
        with self._state.transaction() as session:
            points = DecisionLedger(session).points(rule, since=begin, until=end)
        seen = [(one.at.timestamp(), one.current_replicas) for one in points if one.current_replicas is not None]
        if not seen:
            return np.full(len(times), np.nan)
        at, replicas = np.array([one for one, _ in seen]), np.array([float(one) for _, one in seen])
        last = np.searchsorted(at, times + TICK_SECONDS / 2, side="right") - 1
        old = times - at[np.maximum(last, 0)] > 4 * TICK_SECONDS
        return np.asarray(np.where((last < 0) | old, np.nan, replicas[np.maximum(last, 0)]))

    def _with_resources(self, rule: ScalingRule, options: Options) -> Options:
        """What replicas request and are limited to, from the cluster, where it was not said."""
        limits = options.limits or self.limits(rule)
        return replace(options, requests=options.requests or self.requests(rule), limits=limits)

    def limits(self, rule: ScalingRule) -> dict[str, float]:
        """Of one replica, as the cluster says; empty where it does not."""
        try:
            return dict(self._cluster.workload(rule.target).limits)
        except ForetideError:
            return {}

    def requests(self, rule: ScalingRule) -> dict[str, float]:
        """Of one replica, as the cluster says; empty where it does not."""
        try:
            return dict(self._cluster.workload(rule.target).requests)
        except ForetideError:
            return {}

    def _kept(self, report: Report) -> str:
        brief = BacktestBrief(
            id=str(uuid4()), rule=report.rule, digest=report.digest, at=self._clock.now(), verdict=report.word.value,
            message=report.verdict.message,
        )  # fmt: skip
        with self._state.transaction() as session:
            Backtests(session).add(brief, to_json(report, lines=True))
        self._learned()
        return f"/api/v1/backtests/{brief.id}"
