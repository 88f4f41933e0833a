"""Why a forecast looks as it does, on demand: computed once per signal and cutoff, in a process that ends."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from datetime import timedelta
from typing import Final

from domain.clock import Clock
from domain.errors import OverloadedError
from domain.forecasts import Forecast
from forecaster.explain import Explanation, explain
from forecaster.plan import Plan, plans
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
        pool: Executor,
        clock: Clock,
        wait: timedelta = WAIT,
    ) -> None:
        """Take the collaborators; ``pool`` runs each task in a process that ends with it."""
        self._rules, self._latest, self._range_values = rules, latest, range_values
        self._pool, self._clock, self._wait = pool, clock, wait
        self._lock = threading.Lock()
        self._made: OrderedDict[Key, Future[Explanation]] = OrderedDict()

    def of(self, signal: str) -> Explanation | None:
        """The explanation of a signal's newest forecast; None where no running rule asks for such a forecast.

        Raises:
            NoDataError: Nothing was measured, or it never moved.
            HistoryTooShortError: Fewer than two seasons.
            FitFailedError: It could not be taken apart, or the process died.
            QueryError: The history cannot be read.
            OverloadedError: Others are before it; it goes on, so the next asker may find it done.
        """
        plan = next((plan for plan in plans(self._rules().rules) if plan.signal == signal), None)
        if plan is None:
            return None
        future = self._begun(plan, self._latest(signal))
        try:
            return future.result(self._wait.total_seconds())
        except TimeoutError as error:
            raise OverloadedError(f"the explanation of {signal} waits behind others; ask again in a moment") from error
        except CancelledError as error:
            raise OverloadedError("Foretide is stopping") from error

    def _begun(self, plan: Plan, forecast: Forecast | None) -> Future[Explanation]:
        cutoff = plan.cutoff(self._clock.now()) if forecast is None else forecast.cutoff
        key = plan.signal, plan.expr, cutoff.isoformat()
        with self._lock:
            known = self._made.get(key)
            if known is not None and not _failed(known):
                self._made.move_to_end(key)
                return known
        start = plan.history_start(cutoff)
        values, generated = self._range_values(plan.expr, start, cutoff, plan.step)
        request = plan.request(values, start=start, made_at=self._clock.now(), generated=generated)
        with self._lock:
            known = self._made.get(key)  # another asker may have read the history meanwhile
            if known is None or _failed(known):
                self._made[key] = known = self._pool.submit(explain, request, forecast.model if forecast else "")
                while len(self._made) > KEPT:
                    self._made.popitem(last=False)
        return known


def _failed(known: Future[Explanation]) -> bool:
    """Failures are not kept: more may be known by now."""
    return known.done() and (known.cancelled() or known.exception() is not None)
