"""Would another model do better? Once a day the challengers forecast a few signals again, beside the served model.

From the same origins, over the same steps. It is told and nothing more: no challenger is ever served.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from typing import Final

import numpy as np

from domain.errors import FitFailedError, ForetideError, HistoryTooShortError
from domain.forecasts import Combination, Forecast
from domain.series import FloatArray, IntArray
from forecaster import history as histories
from forecaster import replayed
from forecaster.challengers import Candidate
from forecaster.fit import FitRequest
from forecaster.fitted import SEASONS_NEEDED
from forecaster.plan import Plan, plans
from forecaster.run import RangeValues
from rules import RuleSet

logger = logging.getLogger(__name__)

EVERY: Final = timedelta(days=1)
LARGEST: Final = 3
"""Signals that are challenged where none is named: those with the largest forecast; a challenge may take a minute."""
ORIGINS: Final = 4
LEVELS: Final = (0.05, 0.5, 0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """How one challenger did on one signal.

    Attributes:
        name: The challenger.
        made_at: When it was judged.
        wape: Sum of absolute errors ÷ sum of absolute values; None where it could not answer.
        coverage_95: Share of values at or below its 0.95 quantile; None where it could not answer.
        served_model: What it is held against.
        served_wape: Of that from the same origins; None where it cannot be replayed.
        origins: From how many.
        error: Why it could not answer; empty where it did.
    """

    name: str
    made_at: datetime
    wape: float | None = None
    coverage_95: float | None = None
    served_model: str
    served_wape: float | None = None
    origins: int = 0
    error: str = ""


def judge(
    request: FitRequest, model: str, candidate: Candidate, combination: tuple[Combination, ...] = ()
) -> Challenge:
    """Forecast the last third of a history again, by the challenger and by the served model.

    Raises:
        NoDataError: Nothing was measured.
        HistoryTooShortError: Less than three seasons: two for the first origin.
        FitFailedError: Absurd values, or nothing but zeros to judge by.
    """
    known = histories.prepare(
        request.signal, request.values, start=request.start, step=request.step, season=request.season
    )
    size, season, horizon = len(known.values), known.season_length, request.horizon
    if size < 3 * season:
        raise HistoryTooShortError(needed=(SEASONS_NEEDED + 1) * request.season, got=size * request.step)
    first, last = max(2 * season, size * 2 // 3), max(2 * season, size - horizon)
    origins: IntArray = np.unique(np.linspace(min(first, last), last, ORIGINS).astype(np.int64))
    truth = np.concatenate([np.where(known.measured, known.values, np.nan), np.full(horizon, np.nan)])
    actuals = truth[origins[:, None] + np.arange(horizon)]
    served = replayed.paths(known, model, origins, horizon, combination)
    told = partial(
        Challenge, name=candidate.name, made_at=request.made_at, served_model=model, origins=len(origins),
        served_wape=None if served is None else _wape(actuals, served),
    )  # fmt: skip
    try:
        made = candidate.quantiles(
            [known.values[:origin] for origin in origins], season_length=season, horizon=horizon, levels=LEVELS
        )
    except FitFailedError as error:
        return told(error=str(error))
    made = made if known.lowest is None else np.maximum(made, known.lowest)
    seen = ~np.isnan(actuals)
    covered = float((actuals[seen] <= made[..., LEVELS.index(0.95)][seen]).mean())
    return told(wape=_wape(actuals, made[..., LEVELS.index(0.5)]), coverage_95=covered)


def _wape(actuals: FloatArray, points: FloatArray) -> float:
    size = float(np.nansum(np.abs(actuals)))
    if not size:
        raise FitFailedError("there is nothing but zeros to judge by")
    return float(np.nansum(np.abs(actuals - points))) / size


class Challenges:
    """Hands out a challenge per signal and challenger, once a day each, and keeps what came of it."""

    def __init__(
        self,
        *,
        candidates: Sequence[Candidate],
        named: Sequence[str],
        rules: Callable[[], RuleSet],
        latest: Callable[[str], Forecast | None],
        range_values: RangeValues,
        pool: Executor,
    ) -> None:
        """Take the collaborators.

        Args:
            candidates: Who challenges; none is a loop without work.
            named: Signals to challenge; empty for the largest.
            rules: The running set.
            latest: The newest forecast of a signal; what has none is not challenged.
            range_values: Reads a signal's history.
            pool: Runs each challenge in a process that ends with it.
        """
        self._candidates, self._named, self._rules, self._latest = candidates, named, rules, latest
        self._range_values, self._pool = range_values, pool
        self._lock = Lock()
        self._known: dict[tuple[str, str], Challenge] = {}
        self._due: dict[str, datetime] = {}

    def of(self, signal: str) -> tuple[Challenge, ...]:
        """What is known of a signal, by challenger."""
        with self._lock:
            return tuple(one for (of, _), one in sorted(self._known.items()) if of == signal)

    def tick(self, now: datetime) -> None:
        """Hand out what is due. Never raises."""
        if not self._candidates:
            return
        for plan, forecast in self._chosen():
            if self._due.get(plan.signal, now) > now:
                continue
            self._due[plan.signal] = now + EVERY
            try:
                self._hand_out(plan, forecast, now)
            except ForetideError as error:
                logger.warning("Signal is not challenged", extra={"signal": plan.signal, "reason": str(error)})

    def _chosen(self) -> list[tuple[Plan, Forecast]]:
        known = [(plan, self._latest(plan.signal)) for plan in plans(self._rules().rules)]
        made = [(plan, forecast) for plan, forecast in known if forecast is not None]
        if self._named:
            return [pair for pair in made if pair[0].signal in self._named]
        return sorted(made, key=lambda pair: -float(np.abs(pair[1].mean).mean()))[:LARGEST]

    def _hand_out(self, plan: Plan, forecast: Forecast, now: datetime) -> None:
        start = plan.history_start(forecast.cutoff)
        values, generated = self._range_values(plan.expr, start, forecast.cutoff, plan.step, source=plan.source)
        request = plan.request(values, start=start, made_at=now, generated=generated)
        for candidate in self._candidates:
            future = self._pool.submit(judge, request, forecast.model, candidate, forecast.combination)
            future.add_done_callback(partial(self._judged, plan.signal, candidate.name, forecast.model, now))

    def _judged(self, signal: str, name: str, model: str, now: datetime, done: Future[Challenge]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        found = (
            done.result() if error is None else Challenge(name=name, made_at=now, served_model=model, error=str(error))
        )
        with self._lock:
            self._known[signal, name] = found
        extra = {"signal": signal, "challenger": name, "wape": found.wape, "served_wape": found.served_wape}
        logger.info("Challenge ended", extra={**extra, "reason": found.error})
