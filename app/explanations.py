"""Why a forecast looks as it does, on demand: computed once per signal and cutoff, in a process that ends."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from domain.clock import Clock
from domain.errors import OverloadedError
from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster.document_series import RangeSeries
from forecaster.explain import Explanation, explain
from forecaster.plan import Plan, plan_of, plans
from forecaster.run import RangeValues
from rules import RuleSet

Key = tuple[str, str, str]
"""Signal, query and cutoff."""
KEPT: Final = 32
"""Explanations of some 80 KB each; the next cutoff asks anew."""
WAIT: Final = timedelta(seconds=45)
"""An explanation takes 3 s, but it waits its turn behind the references."""


class Explanations:
    """Answers from any thread; askers of the same signal and cutoff share one computation."""

    def __init__(
        self,
        *,
        rules: Callable[[], RuleSet],
        latest: Callable[[str], Forecast | None],
        range_values: RangeValues,
        range_series: RangeSeries,
        pool: Executor,
        clock: Clock,
        wait: timedelta = WAIT,
    ) -> None:
        """Take the collaborators; ``pool`` runs each task in a process that ends with it."""
        self._rules, self._latest = rules, latest
        self._range_values, self._range_series = range_values, range_series
        self._pool, self._clock, self._wait = pool, clock, wait
        self._lock = threading.Lock()
        self._made: OrderedDict[Key, Future[Explanation]] = OrderedDict()

    def of(self, signal: str) -> Explanation | None:
        """The explanation of a signal's newest forecast; None where no rule or document asks for such a forecast.

        Raises:
            NoDataError: Nothing was measured, or it never moved.
            HistoryTooShortError: Fewer than two seasons.
            FitFailedError: It could not be taken apart, or the process died.
            QueryError: The history cannot be read.
            OverloadedError: Others are before it; it goes on, so the next asker may find it done.
        """
        forecast = self._latest(signal)
        plan = self._plan(signal, forecast)
        if plan is None:
            return None
        future = self._begun(plan, forecast)
        try:
            return future.result(self._wait.total_seconds())
        except TimeoutError as error:
            raise OverloadedError(f"the explanation of {signal} waits behind others; ask again in a moment") from error
        except CancelledError as error:
            raise OverloadedError("Foretide is stopping") from error

    def _plan(self, signal: str, forecast: Forecast | None) -> Plan | None:
        """Of a trigger; or of a document's series, whose labels its newest forecast tells."""
        running = self._rules()
        found = [plan for plan in plans(running.rules) if plan.signal == signal]
        if forecast is not None:
            found += [plan_of(one, forecast.labels) for one in running.forecasts if signal.startswith(one.key)]
        return next((plan for plan in found if plan.signal == signal), None)

    def _history(self, plan: Plan, start: datetime, cutoff: datetime) -> tuple[FloatArray, bool]:
        if not plan.document:
            return self._range_values(plan.expr, start, cutoff, plan.step, source=plan.source)
        rows, generated = self._range_series(plan.expr, start, cutoff, plan.step, source=plan.source)
        nothing = np.full((cutoff - start) // plan.step + 1, np.nan)
        return rows.get(tuple(sorted(plan.labels.items())), nothing), generated

    def _begun(self, plan: Plan, forecast: Forecast | None) -> Future[Explanation]:
        cutoff = plan.cutoff(self._clock.now()) if forecast is None else forecast.cutoff
        key = plan.signal, plan.expr, cutoff.isoformat()
        with self._lock:
            known = self._made.get(key)
            if known is not None and not _failed(known):
                self._made.move_to_end(key)
                return known
        start = plan.history_start(cutoff)
        values, generated = self._history(plan, start, cutoff)
        request = plan.request(values, start=start, made_at=self._clock.now(), generated=generated)
        with self._lock:
            known = self._made.get(key)  # another asker may have read the history meanwhile
            if known is None or _failed(known):
                served = (forecast.model, forecast.combination) if forecast else ("", ())
                self._made[key] = known = self._pool.submit(explain, request, *served)
                while len(self._made) > KEPT:
                    self._made.popitem(last=False)
        return known


def _failed(known: Future[Explanation]) -> bool:
    """Failures are not kept: more may be known by now."""
    return known.done() and (known.cancelled() or known.exception() is not None)
