"""What a question about a forecast needs besides it: the query behind the signal, what was measured, the limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from starlette.exceptions import HTTPException

from app.queries import Queries
from domain.errors import NoDataError
from domain.forecasts import Forecast, signal_name
from domain.series import FloatArray
from forecaster.capacity import demand_at_most
from forecaster.plan import Plan, plan_of, plans
from rules import RuleSet
from rules.forecast import CapacityLimit
from rules.forecast import Forecast as ForecastDocument
from store.state import ForecastShelf, State

MAX_REPLICAS: Final = "maxReplicas"
_PER: Final = {
    "/s": timedelta(seconds=1), "/min": timedelta(minutes=1), "/h": timedelta(hours=1), "/d": timedelta(days=1),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The measured part of a sum.

    Attributes:
        total: Of the values that are there, each as long as a step.
        missing: Steps without a value; they count as nothing.
    """

    total: float
    missing: int


class ForecastQuestions:
    """Looks things up; raises ``HTTPException`` 404 for a signal that nobody forecasts."""

    def __init__(self, *, rules: Callable[[], RuleSet], queries: Queries, state: State) -> None:
        """Ask these."""
        self._rules, self._queries, self._state = rules, queries, state

    def forecast(self, signal: str) -> Forecast:
        """The newest of a signal."""
        with self._state.transaction() as session:
            found = ForecastShelf(session).latest(signal)
        if found is None:
            raise HTTPException(404, f"no forecast of {signal}")
        return found

    def document(self, signal: str) -> ForecastDocument | None:
        """The document whose series it is; None for a rule's trigger."""
        key = signal.partition("{")[0]
        return next((one for one in self._rules().forecasts if one.key == key), None)

    def level(self, forecast: Forecast) -> float | None:
        """What was measured at the cutoff; None where nobody knows."""
        values = self._line(forecast, forecast.cutoff)
        return float(values[-1]) if values is not None and np.isfinite(values[-1]) else None

    def measured(self, forecast: Forecast, start: datetime, per: timedelta | None) -> Measured:
        """The sum from ``start`` to the cutoff: a step's value stands for the time since the step before."""
        steps = (forecast.cutoff - start) // forecast.step
        if steps <= 0:
            return Measured(total=0.0, missing=0)
        values = self._line(forecast, forecast.cutoff - (steps - 1) * forecast.step)
        if values is None:
            return Measured(total=0.0, missing=steps)
        known = values[np.isfinite(values)]
        return Measured(total=float(known.sum()) * (forecast.step / per if per else 1.0), missing=steps - len(known))

    def limits(self, forecast: Forecast, now: datetime) -> Mapping[str, float]:
        """Those of the document, or what ``maxReplicas`` of the rule carries; NaN where a query has no answer."""
        document = self.document(forecast.signal)
        if document is not None:
            given = document.spec.capacity.limits if document.spec.capacity is not None else ()
            return {one.name: self._limit(one, document.key, forecast.signal, now) for one in given}
        for rule in self._rules().rules:
            for trigger in rule.spec.triggers:
                if trigger.forecast is None or rule.signal(trigger) != forecast.signal or trigger.forecast.of is None:
                    continue
                per_replica = rule.trigger(trigger.forecast.of).per_replica
                if per_replica is not None:
                    return {MAX_REPLICAS: demand_at_most(rule.spec.replicas.max, float(per_replica))}
        return {}

    def per(self, signal: str) -> timedelta | None:
        """What the values of a document's series are per, by the end of its unit: /s, /min, /h or /d."""
        document = self.document(signal)
        unit = document.spec.unit if document is not None else ""
        return next((per for end, per in _PER.items() if unit.endswith(end)), None)

    def _limit(self, limit: CapacityLimit, key: str, signal: str, now: datetime) -> float:
        """Its value, or what its query yields: one number for all series, or one with the labels of the signal."""
        if limit.query is None:
            return float("nan") if limit.value is None else float(limit.value)
        try:
            return self._queries.number(limit.query.expr, now, limit.query.source).value
        except NoDataError:
            found = self._queries.instant(limit.query.expr, now, limit.query.source)
            named = {signal_name(key, dict(labels)): value for labels, value in found.items()}
            return named.get(signal, float("nan"))

    def _line(self, forecast: Forecast, start: datetime) -> FloatArray | None:
        plan = self._plan(forecast.signal)
        if plan is None:
            return None
        rows, _ = self._queries.histories(plan.expr, start, forecast.cutoff, forecast.step)
        if not plan.document:
            return next(iter(rows.values()), None) if len(rows) == 1 else None
        for labels, values in rows.items():
            if signal_name(plan.document, dict(labels)) == forecast.signal:
                return values
        return None

    def _plan(self, signal: str) -> Plan | None:
        document = self.document(signal)
        if document is not None:
            return plan_of(document, {})
        return next((plan for plan in plans(self._rules().rules) if plan.signal == signal), None)
