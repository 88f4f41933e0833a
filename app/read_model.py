"""What the dashboard and the API show, read from the stores: the data contract, in this process.

Synchronous: the API's endpoints run in threads, and ``InProcessData`` sends the dashboard's questions to one.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from app import explanation_views
from app.memo import Memo
from app.queries import LabelPairs, Queries
from app.shadow_view import sentence
from app.sources import LOCAL
from collector.red import SERVICE_NAMESPACE
from controller.cluster import Cluster
from dashboard.contract import (
    Columns,
    DecisionBrief,
    Decisions,
    ExplanationView,
    ForecastView,
    Peak,
    RowState,
    ServicePage,
    ServiceRow,
    Status,
    Window,
)
from domain.clock import Clock, to_ms
from domain.errors import ForetideError
from domain.forecasts import Forecast
from domain.names import SERVICE_NAME, SPAN_CALLS_TOTAL, SPAN_DURATION_SECONDS, SPAN_KIND, STATUS_CODE
from domain.scaling import GATE_STAGE, RING_STAGE, Decision, Mode, Reason, WorkloadRef
from domain.series import FloatArray, IntArray
from domain.shadow import ShadowScore
from domain.spans import SpanKind, StatusCode
from forecaster.explain import Explanation
from rules import RuleSet
from rules.schema import ScalingRule, Trigger
from store.state import DecisionLedger, ForecastShelf, State
from store.state.decisions import ReplicaPoint

_HOLDING: Final = frozenset(
    {Reason.NO_DATA, Reason.MISSING_METRIC, Reason.NO_REPLICA_COUNT, Reason.FALLBACK, Reason.SCALING_DISABLED}
)
_INACTIVE_AFTER: Final = timedelta(minutes=2)
"""Eight missed ticks: the rule's loop stands still, or the rule was never decided."""
_SPARKLINE: Final = timedelta(hours=1)
_FINEST_STEP: Final = timedelta(seconds=5)
_LISTED: Final = 200
_MAX_STEPS: Final = 8000
"""Of a chart's range query; the dashboard thins out to its width and keeps the peaks."""
_SERVERS: Final = f'{SPAN_KIND}="{SpanKind.SERVER.value}"'
_BY_SERVICE: Final = f"{SERVICE_NAMESPACE}, {SERVICE_NAME}"
_RED_WINDOW: Final = "1m"
_RED_QUERIES: Final = {
    "rate": f"sum by ({_BY_SERVICE}) (rate({SPAN_CALLS_TOTAL}{{{_SERVERS}}}[{_RED_WINDOW}]))",
    "errors": f"sum by ({_BY_SERVICE}) "
    f'(rate({SPAN_CALLS_TOTAL}{{{_SERVERS},{STATUS_CODE}="{StatusCode.ERROR.value}"}}[{_RED_WINDOW}]))',
    "p95": f"histogram_quantile(0.95, sum by ({_BY_SERVICE}, le) "
    f"(rate({SPAN_DURATION_SECONDS}_bucket{{{_SERVERS}}}[{_RED_WINDOW}])))",
}


def _override(rule: ScalingRule) -> str:
    """The reason of a rule that enforces without a backtest that allows it."""
    override = rule.spec.backtest_override
    return "" if override is None or rule.spec.mode is not Mode.ENFORCE else override.reason


def _refused(newest: Decision | None) -> str:
    lines = newest.trace if newest is not None else ()
    return next((line.message for line in lines if line.stage in (GATE_STAGE, RING_STAGE)), "")


Seen = tuple[str, str]
"""A service as spans name it: ``service.namespace`` (may be empty) and ``service.name``."""
Red = dict[str, dict[Seen, float]]
"""Rate, errors and 95th percentile of the services seen in spans."""


class ReadModel:
    """Rows, pages and lists; raises ``ForetideError`` with a sentence when a store cannot answer."""

    def __init__(
        self,
        *,
        rules: Callable[[], RuleSet],
        queries: Queries,
        state: State,
        cluster: Cluster,
        status: Callable[[], Status],
        explain: Callable[[str], Explanation | None],
        clock: Clock,
        shadow: Callable[[str], ShadowScore | None] = lambda rule: None,
    ) -> None:
        """Read from these."""
        self._rules, self._queries, self._state = rules, queries, state
        self._cluster, self.status, self._explain, self._clock = cluster, status, explain, clock
        self._shadow = shadow
        self._memo = Memo(clock=clock, keep_seconds=2.0)
        self._sparklines = Memo(clock=clock, keep_seconds=60.0)

    def now(self) -> datetime:
        """The server's clock."""
        return self._clock.now()

    def fleet(self) -> tuple[ServiceRow, ...]:
        """Every known service."""
        return tuple(row for row, _ in self._memo.get("fleet", self._fleet))

    def service(self, namespace: str, name: str, window: Window, *, max_points: int) -> ServicePage | None:
        """One service over a window; None where nobody knows it."""
        # Askers within one step of the finest chart see the same page.
        key = ("service", namespace, name, to_ms(window.start) // 5000, to_ms(window.end) // 5000, max_points)
        return self._memo.get(key, lambda: self._service(namespace, name, window, max_points))

    def decisions(self, namespace: str, name: str, window: Window, *, limit: int) -> Decisions:
        """The decisions of one service."""
        rule = self._rule_of(namespace, name)
        if rule is None:
            return Decisions(items=(), total=0)
        with self._state.transaction() as session:
            found, total = DecisionLedger(session).page(
                rule=rule.key, since=window.start, until=window.end, changes_only=True, limit=limit
            )
        return Decisions(items=tuple(brief(one) for one in found), total=total)

    def explanation(self, namespace: str, name: str) -> ExplanationView | None:
        """Why the service's forecast looks as it does; None where nothing is forecast for it."""
        rule = self._rule_of(namespace, name)
        signal = None if rule is None else forecast_signal(rule)
        found = None if signal is None else self._explain(signal)
        return None if found is None else explanation_views.dashboard_view(found)

    def _fleet(self) -> list[tuple[ServiceRow, Seen | None]]:
        """Every service, and how the spans call it."""
        now, red, rules = self.now(), self._red(), self._rules().rules
        seen = spans_by_target([rule.target for rule in rules], frozenset(red["rate"]))
        fleet = [(self._row(rule, now, red, seen.get(rule.target)), seen.get(rule.target)) for rule in rules]
        for one in sorted(red["rate"].keys() - set(seen.values())):
            row = self._unruled(one, now, red)
            # Spans without a namespace stand under `default`, where another service of the name may already be.
            if all(row.key != other.key for other, _ in fleet):
                fleet.append((row, one))
        return sorted(fleet, key=lambda pair: (pair[0].namespace, pair[0].name))

    def _red(self) -> Red:
        now = self.now()
        return {
            figure: {_seen(labels): value for labels, value in self._queries.instant(expr, now, LOCAL).items()}
            for figure, expr in _RED_QUERIES.items()
        }

    def _row(self, rule: ScalingRule, now: datetime, red: Red, seen: Seen | None) -> ServiceRow:
        with self._state.transaction() as session:
            ledger = DecisionLedger(session)
            newest = ledger.latest(rule.key)
            moved = ledger.latest(rule.key, changes_only=True) or newest
            forecast = self._forecast(session_shelf=ForecastShelf(session), rule=rule)
        trigger, ref = load_trigger(rule), rule.target
        replicas = rule.spec.replicas
        unit = load_unit(trigger)
        row = ServiceRow(
            namespace=ref.namespace,
            name=ref.name,
            rule=rule.key,
            mode=rule.spec.mode,
            state=_state(newest, now),
            current_replicas=newest.current_replicas if newest else None,
            ready_replicas=newest.ready_replicas if newest else None,
            desired_replicas=newest.desired_replicas if newest else None,
            min_replicas=replicas.min,
            max_replicas=replicas.max,
            load=_newest_value(newest, trigger),
            load_unit=unit,
            sparkline=self._sparkline(trigger, now),
            forecast_peak=_peak(forecast, now),
            cost_per_hour=newest.cost_per_hour if newest else None,
            last_decision=brief(moved) if moved else None,
            generated_until=self._generated_until(trigger),
            override=_override(rule),
            refused=_refused(newest),
        )
        return row if seen is None else _with_red(row, red, seen)

    def _unruled(self, seen: Seen, now: datetime, red: Red) -> ServiceRow:
        times, values = self._seen_lines(now).get(seen, (np.empty(0, np.int64), np.empty(0)))
        namespace, name = seen
        row = ServiceRow(
            namespace=namespace or "default",
            name=name,
            rule=None,
            mode=None,
            state=RowState.NO_RULE,
            load=red["rate"].get(seen),
            load_unit="/s",
            sparkline=Columns(t=times, v=values, unit="/s", n_raw=len(times), step_ms=60_000),
        )
        return _with_red(row, red, seen)

    def _seen_lines(self, now: datetime) -> dict[Seen, tuple[IntArray, FloatArray]]:
        """The last hour of every service in spans, by one query."""
        minute = now.replace(second=0, microsecond=0)

        def compute() -> dict[Seen, tuple[IntArray, FloatArray]]:
            lines = self._queries.lines(_RED_QUERIES["rate"], minute - _SPARKLINE, minute, timedelta(minutes=1), LOCAL)
            return {_seen(labels): line for labels, line in lines.items()}

        return self._sparklines.get(("seen", minute), compute)

    def _service(self, namespace: str, name: str, window: Window, max_points: int) -> ServicePage | None:
        fleet = self._memo.get("fleet", self._fleet)
        row, seen = next((pair for pair in fleet if pair[0].key == f"{namespace}/{name}"), (None, None))
        if row is None:
            return None
        rule = self._rule_of(namespace, name)
        step = _step(window, max_points)
        where = _spans_where(seen or (namespace, name))
        latency = f"histogram_quantile(0.95, sum by (le) (rate({SPAN_DURATION_SECONDS}_bucket{{{where}}}[1m])))"
        if rule is None:
            load = f"sum(rate({SPAN_CALLS_TOTAL}{{{where}}}[{_RED_WINDOW}]))"
            empty = Columns.empty("pods")
            return ServicePage(
                row=row, load=self._columns(load, window, step, "/s", LOCAL), capacity=Columns.empty("/s"),
                replicas_current=empty, replicas_desired=empty, forecast=None,
                latency_p95=self._columns(latency, window, step, "s", LOCAL), cpu_utilization=Columns.empty("ratio"),
                decisions=(), decisions_total=0,
            )  # fmt: skip
        return self._ruled_page(row, rule, window, step, latency)

    def _ruled_page(
        self, row: ServiceRow, rule: ScalingRule, window: Window, step: timedelta, latency: str
    ) -> ServicePage:
        trigger = load_trigger(rule)
        with self._state.transaction() as session:
            ledger = DecisionLedger(session)
            points = ledger.points(rule.key, since=window.start, until=window.end)
            found, total = ledger.page(
                rule=rule.key, since=window.start, until=window.end, changes_only=True, limit=_LISTED
            )
            newest = ledger.latest(rule.key)
            forecast = self._forecast(session_shelf=ForecastShelf(session), rule=rule)
        known = {one.id for one in found}
        # What holds now stands first, although it changed nothing; it is counted like the others.
        if newest is not None and window.start <= newest.at <= window.end and newest.id not in known:
            found, total = [newest, *found[: _LISTED - 1]], total + 1
        unit = load_unit(trigger)
        query = trigger.query if trigger is not None else None
        return ServicePage(
            row=row,
            load=self._columns(query.expr, window, step, unit, query.source) if query else Columns.empty(unit),
            capacity=_capacity(points, trigger, unit),
            replicas_current=_changes([(point.at, point.current_replicas) for point in points], "pods"),
            replicas_desired=_changes([(point.at, point.desired_replicas) for point in points], "pods"),
            forecast=None if forecast is None else forecast_view(forecast, unit),
            latency_p95=self._columns(latency, window, step, "s", LOCAL),
            cpu_utilization=self._cpu(rule.target, points, window, step),
            decisions=tuple(brief(one) for one in found),
            decisions_total=total,
            shadow=sentence(self._shadow(rule.key)),
        )

    def _columns(self, expr: str, window: Window, step: timedelta, unit: str, source: str | None = None) -> Columns:
        # On the grid of the step, so that the same point is the same at the next look.
        step_ms = int(step / timedelta(milliseconds=1))
        start = datetime.fromtimestamp(to_ms(window.start) // step_ms * step_ms / 1000, tz=window.start.tzinfo)
        end = min(window.end, self.now())  # later, a rate's window would only run empty
        if end < start:
            return Columns.empty(unit)
        times, values = self._queries.line(expr, start, end, step, source)
        return Columns(t=times, v=values, unit=unit, n_raw=len(times), step_ms=step_ms)

    def _cpu(self, ref: WorkloadRef, points: list[ReplicaPoint], window: Window, step: timedelta) -> Columns:
        """Usage ÷ what the ready replicas of that time requested."""
        try:
            request = self._cluster.workload(ref).requests.get("cpu")
            used = self._columns(self._cluster.usage_query(ref, "cpu"), window, step, "ratio")
        except ForetideError:
            return Columns.empty("ratio")
        ready = [(to_ms(point.at), point.ready_replicas) for point in points if point.ready_replicas]
        if not request or not ready or not len(used.t):
            return Columns.empty("ratio")
        at = np.searchsorted([time for time, _ in ready], used.t, side="right") - 1
        counts = np.array([count for _, count in ready], dtype=np.float64)
        ratio = np.where(at >= 0, used.v / (counts[np.maximum(at, 0)] * float(request)), np.nan)
        return Columns(t=used.t, v=ratio, unit="ratio", n_raw=used.n_raw, step_ms=used.step_ms)

    def _sparkline(self, trigger: Trigger | None, now: datetime) -> Columns:
        if trigger is None or trigger.query is None:
            return Columns.empty()
        minute = now.replace(second=0, microsecond=0)
        expr, source = trigger.query.expr, trigger.query.source
        times, values = self._sparklines.get(
            ("line", expr, source, minute),
            lambda: self._queries.line(expr, minute - _SPARKLINE, minute, timedelta(minutes=1), source),
        )
        return Columns(t=times, v=values, unit=load_unit(trigger), n_raw=len(times), step_ms=60_000)

    def _generated_until(self, trigger: Trigger | None) -> datetime | None:
        return None if trigger is None or trigger.query is None else self._queries.generated_until(trigger.query.expr)

    def _forecast(self, *, session_shelf: ForecastShelf, rule: ScalingRule) -> Forecast | None:
        signal = forecast_signal(rule)
        return None if signal is None else session_shelf.latest(signal)

    def _rule_of(self, namespace: str, name: str) -> ScalingRule | None:
        rules = self._rules().rules
        return next((rule for rule in rules if (rule.target.namespace, rule.target.name) == (namespace, name)), None)


class InProcessData:
    """The dashboard's ``DataClient`` over a ``ReadModel``: every question is asked in a thread."""

    def __init__(self, model: ReadModel) -> None:
        """Ask ``model``."""
        self._model = model

    def now(self) -> datetime:
        """The server's clock."""
        return self._model.now()

    async def status(self) -> Status:
        """Foretide's own state."""
        return await asyncio.to_thread(self._model.status)

    async def fleet(self) -> tuple[ServiceRow, ...]:
        """Every known service."""
        return await asyncio.to_thread(self._model.fleet)

    async def service(self, namespace: str, name: str, window: Window, *, max_points: int) -> ServicePage | None:
        """One service over a window."""
        return await asyncio.to_thread(self._model.service, namespace, name, window, max_points=max_points)

    async def explanation(self, namespace: str, name: str) -> ExplanationView | None:
        """Why the service's forecast looks as it does; takes some seconds the first time."""
        return await asyncio.to_thread(self._model.explanation, namespace, name)

    async def decisions(self, namespace: str, name: str, window: Window, *, limit: int) -> Decisions:
        """The decisions of one service."""
        return await asyncio.to_thread(self._model.decisions, namespace, name, window, limit=limit)


def brief(decision: Decision) -> DecisionBrief:
    """A decision as the lists show it."""
    return DecisionBrief(
        id=decision.id,
        rule=decision.rule,
        at=decision.at,
        mode=decision.mode,
        from_replicas=decision.current_replicas,
        to_replicas=decision.desired_replicas,
        outcome=decision.outcome,
        reason=decision.reason,
        message=decision.message,
        limited_by=decision.limited_by,
        proposals=decision.proposals,
        trace=decision.trace,
        cost_per_hour=decision.cost_per_hour,
        cost_change_per_hour=decision.cost_change_per_hour,
    )


def forecast_view(forecast: Forecast, unit: str) -> ForecastView:
    """A forecast as the charts draw it."""
    step_ms = int(forecast.step / timedelta(milliseconds=1))
    times = to_ms(forecast.cutoff) + step_ms * np.arange(1, forecast.horizon + 1, dtype=np.int64)
    backtest, path = forecast.backtest, forecast.reference
    return ForecastView(
        t=times,
        mean=forecast.mean,
        quantiles=forecast.quantiles,
        values=forecast.values,
        unit=unit,
        model=forecast.model,
        made_at=forecast.made_at,
        cutoff=forecast.cutoff,
        wape=backtest.wape if backtest else None,
        coverage=backtest.coverage if backtest else {},
        fallback_reason=forecast.fallback_reason,
        generated=forecast.generated,
        reference=None if path is None else Columns(t=times, v=path, unit=unit, n_raw=len(path), step_ms=step_ms),
    )


def load_trigger(rule: ScalingRule) -> Trigger | None:
    """What the page calls the load: the rule's first query trigger."""
    return next((trigger for trigger in rule.spec.triggers if trigger.query is not None), None)


def forecast_signal(rule: ScalingRule) -> str | None:
    """The signal that forecasts the load; None where the rule asks for none."""
    load = load_trigger(rule)
    if load is None:
        return None
    asked = (one for one in rule.spec.triggers if one.forecast is not None and one.forecast.of in (load.name, None))
    trigger = next(asked, None)
    return None if trigger is None else rule.signal(trigger)


def load_unit(trigger: Trigger | None) -> str:
    """``/s`` where the query is plainly a rate; a guess from its text, for the reader only."""
    expr = trigger.query.expr if trigger is not None and trigger.query is not None else ""
    return "/s" if "rate(" in expr and ")/" not in expr.replace(" ", "") else ""


def spans_by_target(targets: Sequence[WorkloadRef], seen: frozenset[Seen]) -> dict[WorkloadRef, Seen]:
    """Which service of the spans each workload is; a workload without spans is left out.

    The one with its namespace and name. Else, where no other rule is about a workload of that name, the one without
    ``service.namespace``, or the only one of that name: OpenTelemetry's namespace need not be Kubernetes'.
    """
    names = Counter(target.name for target in dict.fromkeys(targets))
    found: dict[WorkloadRef, Seen] = {}
    for target in targets:
        alike = {one for one in seen if one[1] == target.name}
        choices = [(target.namespace, target.name), ("", target.name), *(alike if len(alike) == 1 else ())]
        likely = choices if names[target.name] == 1 else choices[:1]
        match = next((one for one in likely if one in alike), None)
        if match is not None:
            found[target] = match
    return found


def _state(newest: Decision | None, now: datetime) -> RowState:
    if newest is None or newest.at < now - _INACTIVE_AFTER:
        return RowState.INACTIVE
    return RowState.HOLDING if newest.reason in _HOLDING else RowState.OK


def _newest_value(newest: Decision | None, trigger: Trigger | None) -> float | None:
    if newest is None or trigger is None:
        return None
    return next((one.value for one in newest.proposals if one.trigger == trigger.name), None)


def _peak(forecast: Forecast | None, now: datetime) -> Peak | None:
    if forecast is None:
        return None
    level = 0.9
    found = forecast.peak(level, after=now, until=forecast.end)
    return None if found is None else Peak(at=found[0], value=found[1], quantile=level)


def _with_red(row: ServiceRow, red: Red, seen: Seen) -> ServiceRow:
    rate = red["rate"].get(seen)
    errors = red["errors"].get(seen, 0.0) / rate if rate else None
    return replace(row, request_rate=rate, error_ratio=errors, p95_latency_seconds=red["p95"].get(seen))


def _seen(labels: LabelPairs) -> Seen:
    named = dict(labels)
    return named.get(SERVICE_NAMESPACE, ""), named.get(SERVICE_NAME, "")


def _spans_where(seen: Seen) -> str:
    """Matchers of one service's server spans; an empty namespace matches where there is none."""
    return f'{_SERVERS},{SERVICE_NAMESPACE}="{_escaped(seen[0])}",{SERVICE_NAME}="{_escaped(seen[1])}"'


def _step(window: Window, max_points: int) -> timedelta:
    """Finer than the chart is wide, so that thinning out can keep the peaks; whole multiples of 5 s."""
    finest = window.length / min(max(4 * max_points, 1), _MAX_STEPS)
    return max(math.ceil(finest / _FINEST_STEP), 1) * _FINEST_STEP


def _changes(points: list[tuple[datetime, int | None]], unit: str) -> Columns:
    """Only where the value changes, and the last one."""
    kept: list[tuple[int, float]] = []
    for number, (at, value) in enumerate(points):
        shown = math.nan if value is None else float(value)
        same = bool(kept) and (kept[-1][1] == shown or (math.isnan(kept[-1][1]) and math.isnan(shown)))
        if not same or number == len(points) - 1:
            kept.append((to_ms(at), shown))
    times = np.array([time for time, _ in kept], dtype=np.int64)
    return Columns(t=times, v=np.array([value for _, value in kept], dtype=np.float64), unit=unit, n_raw=len(points))


def _capacity(points: list[ReplicaPoint], trigger: Trigger | None, unit: str) -> Columns:
    if trigger is None or trigger.per_replica is None:
        return Columns.empty(unit)
    ready = _changes([(point.at, point.ready_replicas) for point in points], unit)
    return Columns(t=ready.t, v=ready.v * float(trigger.per_replica), unit=unit, n_raw=ready.n_raw)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
