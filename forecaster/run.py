"""The forecaster's loop: once a minute every signal with a new step is carried forward and forecast; seldom refitted.

The tick reads the steps that came and forecasts from what the last fit gave; that is cheap and waits for nobody. Fits
(daily, or earlier for a reason) run in ``pool``, Holt-Winters references in ``reference_pool``; while one is under way
the state before it goes on serving. One signal's trouble is noted in its status and stops no other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from typing import Final, Protocol

from prometheus_client import CollectorRegistry

from domain.errors import ForetideError
from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster.dated import Kept, fit_signal, reference
from forecaster.document_series import DocumentSeries
from forecaster.fit import FitRequest
from forecaster.life import Glance, early_every
from forecaster.memory import Memories
from forecaster.metrics import ForecasterMetrics
from forecaster.plan import Plan, plans
from forecaster.signal_state import Reference, SignalState, SignalStatus
from rules import RuleSet

logger = logging.getLogger(__name__)

REFERENCE_EVERY: Final = timedelta(minutes=15)
"""A reference costs 2–3 s of CPU, most of it importing statsmodels: every 15 min that is 0.3 % of a core per signal. A
document may have hundreds of series, so that only triggers' signals have one."""
MOST_FITS: Final = 500
"""Under way at once: half a minute of one worker. After a restart ten thousand signals come 500 a tick."""
_REFERENCE_SLACK: Final = timedelta(minutes=5)
"""A reference reaches so far beyond horizon and interval, so that it lasts until the next one has come."""


class RangeValues(Protocol):
    """Evaluates a query on a grid, both ends included: one value per step, NaN where there is none.

    The second value tells whether part of it was generated and not measured.
    """

    def __call__(
        self, expr: str, start: datetime, end: datetime, step: timedelta, *, source: str | None = None
    ) -> tuple[FloatArray, bool]:
        """Raise an error of the ForetideError tree when the query has no answer."""
        ...


class ForecastLoop:
    """Keeps every forecast that the running rules ask for fresh."""

    def __init__(
        self,
        *,
        range_values: RangeValues,
        save: Callable[[Forecast], None],
        pool: Executor,
        reference_pool: Executor,
        rules: Callable[[], RuleSet],
        registry: CollectorRegistry,
        documents: DocumentSeries | None = None,
        reference_every: timedelta = REFERENCE_EVERY,
        memories: Memories | None = None,
    ) -> None:
        """Take the collaborators; nothing runs before the first ``tick``.

        Args:
            range_values: Reads a signal's history.
            save: Stores a forecast; called from the pools' threads.
            pool: Runs fits (numpy).
            reference_pool: Runs references; its workers end after each, because statsmodels stays in memory.
            rules: The running set.
            registry: For the loop's own metrics.
            documents: Reads the series of ``Forecast`` documents; without it these are passed over.
            reference_every: How often a reference is made anew.
            memories: Keep what was served over a restart; None where nothing is to be kept.
        """
        self._range_values, self._save, self._rules, self._documents = range_values, save, rules, documents
        self._pool, self._reference_pool, self._reference_every = pool, reference_pool, reference_every
        self._metrics = ForecasterMetrics(registry)
        self._states: dict[str, SignalState] = {}
        self._memories, self._fits_under_way = memories, 0
        self._lock = Lock()

    def tick(self, now: datetime) -> None:
        """Forecast what has a new step, hand out the fits that are due. Never raises."""
        try:
            due = self._due(now)
        except Exception:
            logger.exception("Forecast rules cannot be read")
            return
        for state in due:
            try:
                self._refresh(state, now)
            except Exception as error:  # one signal must never stop the others
                self._failed(state, error, retry_at=now)
        if self._documents is not None:
            self._documents.forget_answers()

    def status(self) -> Mapping[str, SignalStatus]:
        """By signal; of a document that could not be read, or not wholly, by its key."""
        troubles = self._documents.troubles() if self._documents is not None else {}
        found = {
            key: SignalStatus(last_error=one.said, next_due=one.next_due, step=one.step)
            for key, one in troubles.items()
        }
        with self._lock:
            return found | {signal: state.status for signal, state in self._states.items()}

    def _due(self, now: datetime) -> list[SignalState]:
        """Take over the rules as they are now; the signals with a new step, those that are served already first.

        A signal whose rule changed begins anew.
        """
        rules = self._rules()
        wanted = {plan.signal: plan for plan in plans(rules.rules)}
        if self._documents is not None:
            wanted |= {plan.signal: plan for plan in self._documents.plans(rules, now)}
        with self._lock:
            known = {signal: state for signal, state in self._states.items() if state.plan == wanted.get(signal)}
            self._states = {
                signal: known.get(signal)
                or SignalState.new(plan, now, begins="plan" if signal in self._states else "start")
                for signal, plan in wanted.items()
            }
            due = [state for state in self._states.values() if state.status.next_due <= now]
        return sorted(due, key=lambda state: state.fitted is None)

    def _refresh(self, state: SignalState, now: datetime) -> None:
        """Carry the signal forward; hand out a fit, and a reference, where these are due."""
        plan, fitted, refers = state.plan, state.fitted, state.refers(now)
        end = plan.cutoff(now)
        if fitted is not None:
            with self._lock:
                state.status = replace(state.status, next_due=end + plan.step)
            if self._carried(state, fitted, end):
                self._serve(state, fitted, now)
                self._look_for_backfill(state, now, end)
            if self._memories is not None:
                self._memories.keep(state, now)
        if reason := state.fit_reason(now):
            self._refit(state, now, end, reason)
        if refers and not plan.document:
            self._refer(state, self._request(plan, now, end))

    def _history(self, plan: Plan, start: datetime, end: datetime) -> tuple[FloatArray, bool]:
        if plan.document and self._documents is not None:
            return self._documents.history(plan, start, end)
        return self._range_values(plan.expr, start, end, plan.step, source=plan.source)

    def _carried(self, state: SignalState, fitted: Kept, end: datetime) -> bool:
        """Take the steps that came; False where they are too far from those known, and only a fit helps."""
        plan, start = state.plan, fitted.read_from
        if start < plan.history_start(end):
            state.asked = "gap"
            return False
        values, _ = self._history(plan, start, end)
        self._look_back(state, values, start)
        if not fitted.update(values, start):
            state.asked = "gap"
        return True

    def _serve(self, state: SignalState, fitted: Kept, now: datetime) -> None:
        """Forecast, recalibrate, answer a level shift, and save, with the reference carried forward."""
        made = fitted.forecast(now)
        usual = state.served.moved(made, lowest=fitted.floor)
        forecast = state.shift.answer(usual, fitted.known)
        with self._lock:
            wanted = self._states.get(state.plan.signal) is state
            quality = None if made.quality is None else replace(made.quality, level_shift=state.shift.since)
            forecast = replace(
                forecast, reference=state.reference_for(forecast), quality=quality, labels=state.plan.labels,
                unit=state.plan.unit, served_wapes=state.served.wapes(made.cutoff),
            )  # fmt: skip
        if not wanted:
            return
        self._save(forecast)
        state.served.remember(made, forecast)
        self._tell_shift(state)
        self._succeeded(state, forecast)

    def _look_back(self, state: SignalState, values: FloatArray, start: datetime) -> None:
        """Hold what was served against what came."""
        served = state.served
        served.learn(values, start)
        state.shift.learn(values, start)
        with self._lock:
            changed = state.status.recalibrated != served.recalibrated
            state.status = replace(
                state.status, served_coverage=served.coverage(), served_errors=served.errors(),
                recalibrated=served.recalibrated,
            )  # fmt: skip
            coverage = state.status.served_coverage
        if changed:
            if served.recalibrated:
                state.asked = state.asked or "coverage"
            said = "Coverage is off, quantiles are moved" if served.recalibrated else "Coverage is right again"
            logger.info(said, extra={"signal": state.plan.signal, "coverage": dict(coverage)})

    def _look_for_backfill(self, state: SignalState, now: datetime, end: datetime) -> None:
        """Once in a while, look at a few old steps again; not for each series of a document: they wait for the day."""
        glance = state.glance
        if glance is None or now < state.look_at or state.plan.document:
            return
        state.look_at = now + early_every(state.plan.spec.season)
        values, _ = self._range_values(state.plan.expr, glance.start, glance.end, glance.step, source=state.plan.source)
        if glance.is_another(values):
            state.asked = "backfill"

    def _request(self, plan: Plan, now: datetime, end: datetime) -> FitRequest:
        start = plan.history_start(end)
        values, generated = self._history(plan, start, end)
        return plan.request(values, start=start, made_at=now, generated=generated)

    def _refit(self, state: SignalState, now: datetime, end: datetime, reason: str) -> None:
        """Read the whole history and hand out a fit; not now, where enough of them are under way."""
        with self._lock:
            if state.status.in_flight or self._fits_under_way >= MOST_FITS:
                return
            self._fits_under_way += 1
            state.status = replace(state.status, in_flight=True, next_due=end + state.plan.step)
        try:
            request = self._request(state.plan, now, end)
            if state.fitted is None:
                if self._memories is not None and state.keep_at is None:
                    self._memories.recall(state, now)
                self._look_back(state, request.values, request.start)
            future = self._pool.submit(fit_signal, request)
        except BaseException:
            self._fit_ended(state)
            raise
        state.asked = ""
        self._metrics.refits.labels(reason=reason).inc()
        future.add_done_callback(partial(self._fitted, state, request, reason, time.monotonic()))

    def _fit_ended(self, state: SignalState) -> None:
        with self._lock:
            self._fits_under_way -= 1
            state.status = replace(state.status, in_flight=False)

    def _fitted(
        self, state: SignalState, request: FitRequest, reason: str, began: float, done: Future[Kept]
    ) -> None:  # fmt: skip
        """A fit ended: serve it from the next tick on, the first one at once."""
        if done.cancelled():
            return
        now = request.made_at
        try:
            fitted = done.result()
            if state.fitted is None:
                self._serve(state, fitted, now)
            glance = Glance.of(request.values, request.start, request.step)
            with self._lock:
                due = state.take(fitted, glance, now)
                state.status = replace(state.status, next_refit=due, refit_reason=reason)
        except Exception as error:  # a fit, a broken pool or a full disk: all of them are this signal's trouble only
            self._metrics.fits.labels(result=type(error).__name__).inc()
            self._failed(state, error, retry_at=now if state.fitted is None else state.status.next_due)
            state.asked = state.asked or reason
            state.early_from = now + early_every(state.plan.spec.season)
        else:
            self._metrics.fits.labels(result="fallback" if fitted.fallback_reason else "ok").inc()
            self._metrics.fit_duration.observe(time.monotonic() - began)
        finally:
            self._fit_ended(state)

    def _tell_shift(self, state: SignalState) -> None:
        """Note whether the naive path was served for a shift; log it when that changes."""
        with self._lock:
            before, since = state.status.level_shift, state.shift.since
            state.status = replace(state.status, level_shift=since)
        if (before is None) != (since is None):
            state.asked = state.asked or "level_shift"
            said = "Level shift, the naive path is served" if since else "Level shift is over"
            at = since or before
            logger.info(said, extra={"signal": state.plan.signal, "since": at.isoformat() if at else ""})

    def _succeeded(self, state: SignalState, forecast: Forecast) -> None:
        self._metrics.forecasts.labels(result="fallback" if forecast.fallback_reason else "ok").inc()
        with self._lock:
            recovered, state.error_kind = bool(state.error_kind), ""
            state.status = replace(state.status, last_success=forecast.made_at, last_error="")
        level = logging.INFO if recovered else logging.DEBUG
        logger.log(level, "Forecast made", extra={"signal": forecast.signal, "model": forecast.model})

    def _failed(self, state: SignalState, error: Exception, *, retry_at: datetime) -> None:
        """Note the reason; log it when it is of another kind than the last one."""
        kind = type(error).__name__
        self._metrics.forecasts.labels(result=kind).inc()
        with self._lock:
            changed, state.error_kind = state.error_kind != kind, kind
            state.status = replace(state.status, last_error=_sentence(error), next_due=retry_at)
        if changed:
            unexpected = None if isinstance(error, ForetideError) else error
            logger.warning(
                "Signal is not forecast",
                extra={"signal": state.plan.signal, "reason": _sentence(error)}, exc_info=unexpected,
            )  # fmt: skip

    def _refer(self, state: SignalState, request: FitRequest) -> None:
        """Have a reference made that lasts until the one after it has come."""
        beyond = -(-(self._reference_every + _REFERENCE_SLACK) // request.step)
        with self._lock:
            state.reference_in_flight, state.reference_due = True, request.made_at + self._reference_every
        future = self._reference_pool.submit(reference, replace(request, horizon=request.horizon + beyond))
        future.add_done_callback(partial(self._referred, state))

    def _referred(self, state: SignalState, done: Future[tuple[datetime, FloatArray]]) -> None:
        """A reference ended: keep it for the forecasts to come."""
        if done.cancelled():
            return
        error = done.exception()
        self._metrics.references.labels(result="ok" if error is None else type(error).__name__).inc()
        with self._lock:
            state.reference_in_flight = False
            state.status = replace(state.status, reference_error="" if error is None else _sentence(error))
            if error is None:
                state.reference = Reference(*done.result())
        logger.debug("Reference ended", extra={"signal": state.plan.signal})


def _sentence(error: BaseException) -> str:
    """Our errors are sentences; of others the kind is told too."""
    return str(error) if isinstance(error, ForetideError) else f"{type(error).__name__}: {error}"
