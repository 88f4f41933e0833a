"""An explanation as the API and the dashboard show it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import numpy as np

from app.views import DecompositionView, ReferenceView, ResidualsView, SeasonView
from dashboard.contract import Columns, ExplanationPart, ExplanationView
from domain.clock import to_ms
from domain.series import FloatArray
from domain.units import format_duration
from forecaster.explain import Explanation, Season
from forecaster.explain_words import season_name, sentences
from forecaster.models.textbook import Textbook

_TITLES: Final = {"holt_winters": "Holt-Winters", "sarimax": "SARIMAX with waves"}
_SYMBOLS: Final = {
    "smoothing_level": "α", "smoothing_trend": "β", "smoothing_seasonal": "γ", "ar.L1": "AR", "ma.L1": "MA",
}  # fmt: skip
"""The parameters that say how the model behaves; the API has all of them."""


def api_view(found: Explanation) -> DecompositionView:
    """Everything that is known."""
    return DecompositionView(
        signal=found.signal, model=found.model, sentences=list(sentences(found)), cutoff=found.cutoff,
        point_seconds=found.step.total_seconds(), observed=found.observed.tolist(), trend=found.trend.tolist(),
        trend_strength=found.trend_strength, trend_share=found.trend_share,
        seasons=[
            SeasonView(
                length_seconds=one.length.total_seconds(), values=one.values.tolist(), strength=one.strength,
                share=one.share,
            )
            for one in found.seasons
        ],
        remainder=found.remainder.tolist(), remainder_share=found.remainder_share, measured_share=found.measured_share,
        adf_p=found.adf_p,
        residuals=ResidualsView(
            count=found.residuals, ljung_box_p=found.ljung_box_p, lags=found.ljung_box_lags,
            autocorrelation=found.autocorrelation, autocorrelation_lag=found.autocorrelation_lag,
        ),
        references=[_reference(one, found.forecast_step) for one in found.references], failures=list(found.failures),
    )  # fmt: skip


def dashboard_view(found: Explanation) -> ExplanationView:
    """What fits into a small panel."""
    seasons = [
        ExplanationPart(
            name=season_name(one.length).capitalize(), columns=_cycle(one, found), share=one.share, cycle=True
        )
        for one in found.seasons
    ]  # fmt: skip
    trend = ExplanationPart(name="Trend", columns=_columns(found.trend, found), share=found.trend_share)
    left = ExplanationPart(name="Remainder", columns=_columns(found.remainder, found), share=found.remainder_share)
    return ExplanationView(
        sentences=sentences(found), parts=(trend, *seasons, left), cutoff=found.cutoff, point=found.step,
        references=tuple(_line(one, found.forecast_step) for one in found.references) + found.failures,
    )  # fmt: skip


def _reference(one: Textbook, step: timedelta) -> ReferenceView:
    return ReferenceView(
        model=one.model, parameters=dict(one.parameters), aic=one.aic, points=one.points,
        point_seconds=one.block * step.total_seconds(), path=one.path.tolist(), note=one.note,
    )  # fmt: skip


def _line(one: Textbook, step: timedelta) -> str:
    shown = ", ".join(f"{sign} {one.parameters[name]:.2f}" for name, sign in _SYMBOLS.items() if name in one.parameters)
    fitted = f"AIC {one.aic:,.0f} on {one.points} means of {format_duration(one.block * step)}"
    told = f"{_TITLES.get(one.model, one.model)}: {shown}; {fitted}"
    return f"{told}; {one.note}" if one.note else told


def _cycle(season: Season, found: Explanation) -> Columns:
    """The last time round, turned so that it begins at a multiple of its length since the epoch: a day at midnight."""
    count = round(season.length / found.step)
    first = (to_ms(found.cutoff) // _step_ms(found) - count + 1) % count
    last = np.roll(season.values[-count:], first)
    begin = (to_ms(found.cutoff) // _step_ms(found) // count - 1) * count * _step_ms(found)
    times = begin + _step_ms(found) * np.arange(count, dtype=np.int64)
    return Columns(t=times, v=last, n_raw=count, step_ms=_step_ms(found))


def _columns(values: FloatArray, found: Explanation) -> Columns:
    times = to_ms(found.cutoff) - _step_ms(found) * np.arange(len(values) - 1, -1, -1, dtype=np.int64)
    return Columns(t=times, v=values, n_raw=len(values), step_ms=_step_ms(found))


def _step_ms(found: Explanation) -> int:
    return int(found.step / timedelta(milliseconds=1))
