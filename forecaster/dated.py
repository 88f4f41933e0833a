"""Fits with a calendar: what ``fit`` and ``reference`` do, on the history as the calendar lets it be seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np

from domain.errors import FitFailedError
from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster import fit as undated
from forecaster.calendar import View
from forecaster.fit import FitRequest


def fit(request: FitRequest) -> Forecast:
    """Forecast one signal; raises as ``forecaster.fit.fit`` does."""
    view = view_of(request)
    if view is None:
        return undated.fit(request)
    told = view.told(undated.fit(seen(request, view)))
    if told is None:  # only steps at the very end that are no 20th of the usual
        raise FitFailedError(f"{request.signal}: nothing but an event's emptiness is left to forecast from")
    return told


def reference(request: FitRequest) -> tuple[datetime, FloatArray]:
    """The Holt-Winters path and its cutoff; raises as ``forecaster.fit.reference`` does."""
    view = view_of(request)
    if view is None:
        return undated.reference(request)
    cutoff, path = undated.reference(seen(request, view))
    told = view.path(path, cutoff)
    if told is None:
        raise FitFailedError(f"{request.signal}: nothing but an event's emptiness is left to forecast from")
    return cutoff, told


def view_of(request: FitRequest, *, beyond: int = 0) -> View | None:
    """What the calendar makes of the history; None without one, or without a value."""
    if request.calendar is None or np.isnan(request.values).all():
        return None
    return View.of(
        request.values, start=request.start, step=request.step, season=request.season, horizon=request.horizon,
        calendar=request.calendar, beyond=beyond,
    )  # fmt: skip


def seen(request: FitRequest, view: View) -> FitRequest:
    """The request on what is seen."""
    return replace(request, values=view.values, start=view.start, horizon=view.horizon, calendar=None)
