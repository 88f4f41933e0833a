"""A prediction with its uncertainty, and how well its kind did before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from domain.labels import Labels
from domain.series import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonAccuracy:
    """How well the served model did up to a distance ahead; None where the history cannot tell.

    Attributes:
        until: End of the band, which begins at the first step: each band holds those before it.
        wape: Sum of absolute errors ÷ sum of absolute actuals (ratio).
        mase: Mean absolute error ÷ that of seasonal naive in the history before the first origin.
        pinball: Mean over the quantiles of the mean pinball loss, in the signal's unit.
        coverage_95: Share of actuals at or below the 0.95 quantile (ratio).
        skill_vs_naive: 1 − error ÷ that of the last value held; 0 is no better, 1 perfect.
        skill_vs_seasonal_naive: The same against the last season repeated.
    """

    until: timedelta
    wape: float | None
    mase: float | None
    pinball: float | None
    coverage_95: float | None
    skill_vs_naive: float | None
    skill_vs_seasonal_naive: float | None

    @property
    def until_seconds(self) -> float:
        """``until`` as a number."""
        return self.until.total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What a rolling backtest inside the history found, for the model that is served.

    Attributes:
        wape: Sum of absolute errors ÷ sum of actuals of the served model (ratio).
        coverage: For each quantile the share of actuals at or below it (ratio, ideally the quantile itself).
        origins: How many forecasts were made and compared.
        wape_by_model: The same error for every model that competed, the served one included.
        by_horizon: The served model by how far ahead, nearest first; empty in forecasts stored before it was counted.
        sum_coverage: As ``coverage``, of sums over ``sum_steps`` steps against those of sampled paths; empty where
            nobody asked for it, or no stretch is known as a whole.
        sum_steps: Steps of such a sum.
    """

    wape: float
    coverage: Mapping[float, float]
    origins: int
    wape_by_model: Mapping[str, float]
    by_horizon: tuple[HorizonAccuracy, ...] = ()
    sum_coverage: Mapping[float, float] = field(default_factory=dict)
    sum_steps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """How the errors of one forecast hang together: what a sum over its steps, or the first step past a limit, needs.

    As normal scores, two steps ``k`` apart correlate by ``lasting + (1 − lasting)·echo**k``.

    Attributes:
        lasting: Share of the error that stays over the whole horizon (ratio, 0 … 1).
        echo: Correlation of the rest from one step to the next (ratio, 0 … 1).
    """

    lasting: float
    echo: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What a forecast stands on.

    Attributes:
        history_steps: From the first measured step to the last.
        missing_ratio: Share of these that were not measured.
        cold_start: Whether the fit knew less than two seasons.
        level_shift: First step of a new level, while the naive path is served for it; None otherwise.
    """

    history_steps: int
    missing_ratio: float
    cold_start: bool
    level_shift: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """Of what a forecast is made on one stretch of its horizon.

    Attributes:
        until: End of the stretch, which begins where the one before ends.
        members: Names of the models.
        weights: Of each, they sum to 1; empty where the median of the members is served.
    """

    until: timedelta
    members: tuple[str, ...]
    weights: Mapping[str, float]

    @property
    def until_seconds(self) -> float:
        """``until`` as a number."""
        return self.until.total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Demand to come, as seen at ``cutoff``.

    Attributes:
        signal: What is forecast: ``namespace/rule/trigger``, or ``namespace/document{label="value"}``.
        model: The model that is served, for example ``fourier_ar``.
        made_at: When it was computed.
        cutoff: Time of the last measured step behind it; step ``i`` of the forecast is at ``cutoff + (i + 1)·step``.
        step: Distance of two steps.
        season: Length of the season it was fitted with; None where there is none.
        mean: Point forecast, shape ``(horizon,)``, in the signal's unit.
        quantiles: Levels, rising, shape ``(n,)``.
        values: The quantiles' values, shape ``(horizon, n)``; never crossing, never below 0 for a demand.
        reference: Holt-Winters by statsmodels, shape ``(horizon,)``, for explanation; None where it did not fit.
        backtest: Error and coverage on the history; None where the history was too short for one.
        history_start: Time of the first step behind it.
        fallback_reason: Why a simpler model is served than was asked for; empty when none is.
        generated: True when part of the history was generated (a demo) and not measured.
        labels: Of the series, where it comes from a ``Forecast`` document.
        unit: Of the values, as the document writes it; empty where nobody said.
        events: Events and holidays that moved a step of it, in order of their beginning.
        fitted_at: When the coefficients behind it were fitted; None in forecasts stored before that was told.
        model_version: Of the forecaster's models; empty in these.
        quality: What it stands on; None in these.
        combination: Which members it is made of, by distance; empty where one model is served as it was asked for.
        dependence: Of its errors over time, learned in the backtest; None where nothing could be learned.
        served_wapes: WAPE of what was served before it, by the trailing time that a gate asks for; none of a time for
            which forecasts have not been served yet.
    """

    signal: str
    model: str
    made_at: datetime
    cutoff: datetime
    step: timedelta
    season: timedelta | None
    mean: FloatArray
    quantiles: tuple[float, ...]
    values: FloatArray
    reference: FloatArray | None
    backtest: Backtest | None
    history_start: datetime
    fallback_reason: str = ""
    generated: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""
    events: tuple[str, ...] = ()
    fitted_at: datetime | None = None
    model_version: str = ""
    quality: Quality | None = None
    combination: tuple[Combination, ...] = ()
    dependence: Dependence | None = None
    served_wapes: Mapping[timedelta, float] = field(default_factory=dict)

    @property
    def horizon(self) -> int:
        """Number of steps."""
        return len(self.mean)

    @property
    def end(self) -> datetime:
        """Time of the last step."""
        return self.cutoff + self.horizon * self.step

    def quantile(self, level: float) -> FloatArray:
        """The path of one quantile, shape ``(horizon,)``, interpolated linearly between the stored levels.

        A level outside the stored ones gets the outermost: the band is never made up.
        """
        levels = np.asarray(self.quantiles)
        return np.array([np.interp(level, levels, row) for row in self.values])

    def peak(self, level: float, *, after: datetime, until: datetime) -> tuple[datetime, float] | None:
        """Time and value of the largest step of a quantile in ``(after, until]``; None where no step lies there."""
        first = max((after - self.cutoff) // self.step, 0)  # a live pass asks for a few steps of hundreds
        last = min((until - self.cutoff) // self.step, self.horizon)
        levels = np.asarray(self.quantiles)
        inside = [
            (self.cutoff + (i + 1) * self.step, float(np.interp(level, levels, self.values[i])))
            for i in range(first, last)
        ]
        return max(inside, key=lambda pair: pair[1], default=None)


def signal_name(document: str, labels: Mapping[str, str]) -> str:
    """What a series of a ``Forecast`` document is called: its labels in order, escaped as Prometheus does."""
    inner = Labels.of(labels).without(["__name__"])
    return f"{document}{inner}" if inner else document


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastMemory:
    """What the forecaster wants to know again after a restart: how the forecasts of a signal did that were served.

    Attributes:
        signal: Of the forecasts.
        plan: Digest of what was asked for; the memory is of no use to another plan.
        saved_at: When it was written.
        body: JSON that the forecaster alone understands.
    """

    signal: str
    plan: str
    saved_at: datetime
    body: Mapping[str, Any]
