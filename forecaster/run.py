"""The forecaster's loop: once a minute, every signal whose newest step is not yet in its forecast is fitted again.

The tick only reads histories and hands out work; fits run in ``pool``, the Holt-Winters references in
``reference_pool``, and results are saved from there. One signal's trouble is noted in its status and stops no other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from typing import Final, NamedTuple, Protocol

from prometheus_client import CollectorRegistry

from domain.errors import ForetideError
from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster.fit import FitRequest, fit, reference
from forecaster.level_shift import LevelShift
from forecaster.metrics import ForecasterMetrics
from forecaster.plan import Plan, plans
from forecaster.served import Served, ServedErrors
from rules import RuleSet

logger = logging.getLogger(__name__)

REFERENCE_EVERY: Final = timedelta(minutes=15)
"""A reference costs 2–3 s of CPU, most of it importing statsmodels: every 15 min that is 0.3 % of a core per signal."""
WATCHED: Final = 0.95
"""The quantile whose coverage is watched beside the one that the trigger asks for."""
_REFERENCE_SLACK: Final = timedelta(minutes=5)
"""A reference reaches so far beyond horizon and interval, so that it lasts until the next one has come."""


class RangeValues(Protocol):
    """Evaluates a query on a grid, both ends included: one value per step, NaN where there is none.

    The second value tells whether part of it was generated and not measured.
    """

    def __call__(
        self, expr: str, start: datetime, end: datetime, step: timedelta, *, source: str | None
    ) -> tuple[FloatArray, bool]:
        """Raise an error of the ForetideError tree when the query has no answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalStatus:
    """How the forecasting of one signal goes.

    Attributes:
        last_success: When the forecast that was saved last was made; None before the first.
        last_error: Why the newest attempt saved nothing; empty when it did.
        reference_error: Why there is no newer reference; empty when there is no reason to give.
        next_due: When it is fitted again at the earliest.
        in_flight: True while a fit is under way.
        served_coverage: Share of what came at or below each quantile that was served, over the rolling window; empty
            before the first truth came.
        served_errors: The same and the error by range of horizons, nearest first.
        recalibrated: Whether the coverage is so far off that quantiles are moved by the errors of the window.
        level_shift: First step of a new level, while the naive path is served for it; None otherwise.
    """

    last_success: datetime | None = None
    last_error: str = ""
    reference_error: str = ""
    next_due: datetime
    in_flight: bool = False
    served_coverage: Mapping[float, float] = field(default_factory=dict)
    served_errors: tuple[ServedErrors, ...] = ()
    recalibrated: bool = False
    level_shift: datetime | None = None


class _Reference(NamedTuple):
    """A Holt-Winters path and the step before its first."""

    cutoff: datetime
    path: FloatArray


@dataclass(slots=True, kw_only=True)
class _State:
    """What the loop remembers of one signal; changed under the loop's lock only."""

    plan: Plan
    status: SignalStatus
    served: Served
    shift: LevelShift
    reference_due: datetime
    reference_in_flight: bool = False
    reference: _Reference | None = None
    error_kind: str = ""

    @classmethod
    def new(cls, plan: Plan, now: datetime) -> _State:
        watched = sorted({WATCHED, plan.spec.quantile})
        served = Served(levels=plan.levels, watched=watched, horizon=plan.horizon, step=plan.step)
        shift = LevelShift(season=plan.spec.season, step=plan.step)
        return cls(plan=plan, status=SignalStatus(next_due=now), served=served, shift=shift, reference_due=now)

    def refers(self, now: datetime) -> bool:
        """Whether a reference is due: after the first forecast, which shall not wait for it."""
        return self.status.last_success is not None and self.reference_due <= now and not self.reference_in_flight

    def reference_for(self, forecast: Forecast) -> FloatArray | None:
        """The last reference from the forecast's cutoff on; None where it does not reach to the forecast's end."""
        if self.reference is None:
            return None
        passed = (forecast.cutoff - self.reference.cutoff) // forecast.step
        path = self.reference.path[max(passed, 0) : max(passed, 0) + forecast.horizon]
        return path if passed >= 0 and len(path) == forecast.horizon else None


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
        reference_every: timedelta = REFERENCE_EVERY,
    ) -> None:
        """Take the collaborators; nothing runs before the first ``tick``.

        Args:
            range_values: Reads a signal's history.
            save: Stores a forecast; called from the pools' threads.
            pool: Runs fits (numpy).
            reference_pool: Runs references; its workers end after each, because statsmodels stays in memory.
            rules: The running set.
            registry: For the loop's own metrics.
            reference_every: How often a reference is made anew.
        """
        self._range_values, self._save, self._rules = range_values, save, rules
        self._pool, self._reference_pool, self._reference_every = pool, reference_pool, reference_every
        self._metrics = ForecasterMetrics(registry)
        self._states: dict[str, _State] = {}
        self._lock = Lock()

    def tick(self, now: datetime) -> None:
        """Hand out the fits that are due. Never raises."""
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

    def status(self) -> Mapping[str, SignalStatus]:
        """By signal."""
        with self._lock:
            return {signal: state.status for signal, state in self._states.items()}

    def _due(self, now: datetime) -> list[_State]:
        """Take over the rules as they are now; the signals to fit. A signal whose rule changed begins anew."""
        wanted = plans(self._rules().rules)
        with self._lock:
            known = {signal: state for signal, state in self._states.items() if state.plan in wanted}
            self._states = {plan.signal: known.get(plan.signal) or _State.new(plan, now) for plan in wanted}
            states = list(self._states.values())
            return [state for state in states if state.status.next_due <= now and not state.status.in_flight]

    def _refresh(self, state: _State, now: datetime) -> None:
        """Read the history, hand out the fit, and the reference where that is due."""
        plan = state.plan
        end = plan.cutoff(now)
        start = plan.history_start(end)
        values, generated = self._range_values(plan.expr, start, end, plan.step, source=plan.source)
        request = plan.request(values, start=start, made_at=now, generated=generated)
        self._look_back(state, values, start)
        with self._lock:
            state.status = replace(state.status, in_flight=True, next_due=end + plan.step)
            refer = state.refers(now)
        began = time.monotonic()
        self._pool.submit(fit, request).add_done_callback(partial(self._fitted, state, request, began))
        if refer:
            self._refer(state, request)

    def _look_back(self, state: _State, values: FloatArray, start: datetime) -> None:
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
            said = "Coverage is off, quantiles are moved" if served.recalibrated else "Coverage is right again"
            logger.info(said, extra={"signal": state.plan.signal, "coverage": dict(coverage)})

    def _fitted(self, state: _State, request: FitRequest, began: float, done: Future[Forecast]) -> None:
        """A fit ended: save its forecast, recalibrated, with the reference carried forward to its cutoff."""
        if done.cancelled():
            return
        try:
            fitted = done.result()
            usual = state.served.moved(fitted, lowest=_lowest(request.values))
            forecast = state.shift.answer(usual, request.values)
            with self._lock:
                wanted = self._states.get(state.plan.signal) is state
                forecast = replace(forecast, reference=state.reference_for(forecast))
            if wanted:
                self._save(forecast)
                state.served.remember(fitted, forecast)
                self._tell_shift(state)
        except Exception as error:  # a fit, a broken pool or a full disk: all of them are this signal's trouble only
            self._failed(state, error, retry_at=request.made_at)
        else:
            self._metrics.fit_duration.observe(time.monotonic() - began)
            self._succeeded(state, forecast)

    def _tell_shift(self, state: _State) -> None:
        """Note whether the naive path was served for a shift; log it when that changes."""
        with self._lock:
            before, since = state.status.level_shift, state.shift.since
            state.status = replace(state.status, level_shift=since)
        if (before is None) != (since is None):
            said = "Level shift, the naive path is served" if since else "Level shift is over"
            at = since or before
            logger.info(said, extra={"signal": state.plan.signal, "since": at.isoformat() if at else ""})

    def _succeeded(self, state: _State, forecast: Forecast) -> None:
        self._metrics.fits.labels(result="fallback" if forecast.fallback_reason else "ok").inc()
        with self._lock:
            recovered, state.error_kind = bool(state.error_kind), ""
            state.status = replace(state.status, last_success=forecast.made_at, last_error="", in_flight=False)
        level = logging.INFO if recovered else logging.DEBUG
        logger.log(level, "Forecast made", extra={"signal": forecast.signal, "model": forecast.model})

    def _failed(self, state: _State, error: Exception, *, retry_at: datetime) -> None:
        """Note the reason; log it when it is of another kind than the last one."""
        kind = type(error).__name__
        self._metrics.fits.labels(result=kind).inc()
        with self._lock:
            changed, state.error_kind = state.error_kind != kind, kind
            state.status = replace(state.status, last_error=_sentence(error), in_flight=False, next_due=retry_at)
        if changed:
            unexpected = None if isinstance(error, ForetideError) else error
            logger.warning(
                "Signal is not forecast",
                extra={"signal": state.plan.signal, "reason": _sentence(error)}, exc_info=unexpected,
            )  # fmt: skip

    def _refer(self, state: _State, request: FitRequest) -> None:
        """Have a reference made that lasts until the one after it has come."""
        beyond = -(-(self._reference_every + _REFERENCE_SLACK) // request.step)
        with self._lock:
            state.reference_in_flight, state.reference_due = True, request.made_at + self._reference_every
        future = self._reference_pool.submit(reference, replace(request, horizon=request.horizon + beyond))
        future.add_done_callback(partial(self._referred, state))

    def _referred(self, state: _State, done: Future[tuple[datetime, FloatArray]]) -> None:
        """A reference ended: keep it for the forecasts to come."""
        if done.cancelled():
            return
        error = done.exception()
        self._metrics.references.labels(result="ok" if error is None else type(error).__name__).inc()
        with self._lock:
            state.reference_in_flight = False
            state.status = replace(state.status, reference_error="" if error is None else _sentence(error))
            if error is None:
                state.reference = _Reference(*done.result())
        logger.debug("Reference ended", extra={"signal": state.plan.signal})


def _lowest(values: FloatArray) -> float | None:
    """No quantile falls below this: 0, where no negative value is known."""
    return None if bool((values < 0).any()) else 0.0


def _sentence(error: BaseException) -> str:
    """Our errors are sentences; of others the kind is told too."""
    return str(error) if isinstance(error, ForetideError) else f"{type(error).__name__}: {error}"
