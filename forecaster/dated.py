"""Fits with a calendar: what ``forecaster.fit`` does, on the history as the calendar lets it be seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

import numpy as np

from domain.errors import FitFailedError
from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster import fit as undated
from forecaster.calendar import View
from forecaster.fit import LONGEST_HORIZON, FitRequest
from forecaster.fitted import Fitted
from forecaster.plan import BEYOND


@dataclass(slots=True, kw_only=True)
class Dated:
    """A fitted signal with a calendar around it; to be used like a ``Fitted``.

    Attributes:
        usual: Fitted on what is seen.
        view: The way there and back.
    """

    usual: Fitted
    view: View

    @property
    def cutoff(self) -> datetime:
        """Time of the last measured step."""
        return self.usual.cutoff

    @property
    def read_from(self) -> datetime:
        """First step to give to ``update``."""
        return self.usual.read_from

    @property
    def fitted_at(self) -> datetime:
        """When it was fitted."""
        return self.usual.fitted_at

    @property
    def fallback_reason(self) -> str:
        """Why a simpler model is served than was asked for; empty when none is."""
        return self.usual.fallback_reason

    @property
    def known(self) -> FloatArray:
        """The newest steps as they were measured, NaN where nothing was."""
        return self.view.measured(self.usual.known, self.usual.cutoff)

    @property
    def floor(self) -> float | None:
        """No forecast goes below this."""
        return self.usual.floor

    @property
    def outgrown(self) -> str:
        """Why it should be fitted again although no time has passed; empty when there is no reason."""
        return self.usual.outgrown

    def update(self, values: FloatArray, start: datetime) -> bool:
        """As ``Fitted.update``; False also where the clock has changed, or after the days that the calendar knows."""
        taken = self.view.taken(values, start)
        return taken is not None and self.usual.update(taken, start)

    def forecast(self, made_at: datetime) -> Forecast:
        """As ``Fitted.forecast``."""
        told = self.view.told(self.usual.forecast(made_at))
        if told is None:
            raise FitFailedError(_emptied(self.usual.signal))
        return told


Kept: TypeAlias = Fitted | Dated
"""A fitted signal, with a calendar around it or without."""


def fit(request: FitRequest) -> Forecast:
    """Forecast one signal once; raises as ``forecaster.fit.fit`` does."""
    return fit_signal(request).forecast(request.made_at)


def fit_signal(request: FitRequest) -> Kept:
    """Fit one signal, to be carried forward step by step; raises as ``forecaster.fit.fit_signal`` does."""
    view = _view(request)
    if view is None or view.changes_nothing:
        return undated.fit_signal(replace(request, calendar=None))
    fitted = undated.fit_signal(_seen(request, view))
    fitted.history_start = view.began(fitted.history_start)
    return Dated(usual=fitted, view=view.trimmed())


def reference(request: FitRequest) -> tuple[datetime, FloatArray]:
    """The Holt-Winters path and its cutoff; raises as ``forecaster.fit.reference`` does."""
    view = _view(request)
    if view is None or view.changes_nothing:
        return undated.reference(request)
    cutoff, path = undated.reference(_seen(request, view))
    told = view.path(path, cutoff)
    if told is None:
        raise FitFailedError(_emptied(request.signal))
    return cutoff, told


def _view(request: FitRequest) -> View | None:
    """What the calendar makes of the history; None without one, or without a value."""
    if request.calendar is None or np.isnan(request.values).all():
        return None
    return View.of(
        request.values, start=request.start, step=request.step, season=request.season, horizon=request.horizon,
        calendar=request.calendar, beyond=BEYOND // request.step,
    )  # fmt: skip


def _seen(request: FitRequest, view: View) -> FitRequest:
    """The request on what is seen."""
    horizon = min(view.horizon, LONGEST_HORIZON)
    return replace(request, values=view.values, start=view.start, horizon=horizon, calendar=None)


def _emptied(signal: str) -> str:
    return f"{signal}: an event has left nothing of it to forecast from"
