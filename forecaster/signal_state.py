"""What the loop remembers of one signal between two ticks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster.dated import Kept
from forecaster.level_shift import LevelShift
from forecaster.life import Glance, early_every, next_fit
from forecaster.plan import Plan
from forecaster.served import Served, ServedErrors


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalStatus:
    """How the forecasting of one signal goes.

    Attributes:
        last_success: When the forecast that was saved last was made; None before the first.
        last_error: Why the newest attempt saved nothing, or why a newer fit failed; empty when all is well.
        reference_error: Why there is no newer reference; empty when there is no reason to give.
        next_due: When it is forecast again at the earliest.
        step: Distance of two steps.
        in_flight: True while a fit is under way.
        next_refit: When it is fitted again for its age; None before the first fit.
        refit_reason: Why it was fitted last; empty before the first fit.
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
    step: timedelta
    in_flight: bool = False
    next_refit: datetime | None = None
    refit_reason: str = ""
    served_coverage: Mapping[float, float] = field(default_factory=dict)
    served_errors: tuple[ServedErrors, ...] = ()
    recalibrated: bool = False
    level_shift: datetime | None = None


class Reference(NamedTuple):
    """A Holt-Winters path and the step before its first."""

    cutoff: datetime
    path: FloatArray


@dataclass(slots=True, kw_only=True)
class SignalState:
    """Its status and what is in flight change under the loop's lock only, the rest in one thread at a time.

    Attributes:
        plan: What is asked for; another plan is another state.
        status: As told.
        served: The forecasts that were served, held against what came.
        shift: The level-shift guard.
        fitted: Forecasts until the next fit replaces it; None before the first.
        glance: At the history that it was fitted on.
        begins: Why the first fit is made.
        asked: Why it is to be fitted before its time; empty where there is no reason.
        early_from: Not fitted again for such a reason before.
        look_at: When to look for a backfilled history again.
        keep_at: When to save what was served again; None before that of the time before the restart was read.
        reference_due: When the next reference is made.
        error_kind: Of the last error, so that it is logged once.
    """

    plan: Plan
    status: SignalStatus
    served: Served
    shift: LevelShift
    fitted: Kept | None = None
    glance: Glance | None = None
    begins: str
    asked: str = ""
    early_from: datetime
    look_at: datetime
    keep_at: datetime | None = None
    reference_due: datetime
    reference_in_flight: bool = False
    reference: Reference | None = None
    error_kind: str = ""

    @classmethod
    def new(cls, plan: Plan, now: datetime, *, begins: str) -> SignalState:
        """Of a plan that was not there a minute ago."""
        served = Served(
            levels=plan.levels, watched=plan.watched, horizon=plan.horizon, step=plan.step, judged=plan.judged
        )
        shift = LevelShift(season=plan.spec.season, step=plan.step)
        return cls(
            plan=plan, status=SignalStatus(next_due=now, step=plan.step), served=served, shift=shift, reference_due=now,
            begins=begins, early_from=now, look_at=now,
        )  # fmt: skip

    def fit_reason(self, now: datetime) -> str:
        """Why it is to be fitted now; empty where it is not."""
        if self.fitted is None:
            return self.begins
        if self.status.in_flight:
            return ""
        if self.asked == "gap" or self.fitted.outgrown:
            return self.fitted.outgrown or self.asked
        if self.status.next_refit is not None and self.status.next_refit <= now:
            return "age"
        return self.asked if self.early_from <= now else ""

    def take(self, fitted: Kept, glance: Glance, now: datetime) -> datetime:
        """Go on with a new fit; when it will have aged: all series of a document at once, as one query reads them."""
        season = self.plan.spec.season
        self.fitted, self.glance = fitted, glance
        self.early_from = self.look_at = now + early_every(season)
        return next_fit(self.plan.document or self.plan.signal, season, now)

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
