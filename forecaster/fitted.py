"""A fitted signal: what a fit gives, carried forward step by step until the next one.

``update`` takes the steps that came, ``forecast`` answers at any time; both are cheap enough for the tick. The fit
itself is ``forecaster.fit``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from domain.errors import FitFailedError
from domain.forecasts import Backtest, Combination, Dependence, Forecast, Quality
from domain.series import FloatArray
from domain.units import format_duration
from forecaster.guard import beyond
from forecaster.history import refuse_absurd
from forecaster.recent import Recent
from forecaster.serving import Banded, ColdStart, Combined, Constant, Empirical, Flat, Made, Median, Serving

SEASONS_NEEDED: Final = 2
MODEL_VERSION: Final = "2"
"""Counts up when the same history and coefficients would give another forecast; stored with each."""

READ_AGAIN: Final = 4
"""Steps: a late scrape moves the last two of a rate; the rings can take back 8."""
SAME: Final = 1e-9
"""Values that differ by less than this ratio are the same: a query may sum from another end."""


@dataclass(slots=True, kw_only=True)
class Fitted:
    """One signal between two fits; picklable, used by one thread at a time.

    Attributes:
        signal: ``namespace/rule/trigger``.
        model: Name of the model that is served.
        serving: What it keeps.
        spare: Served where that leaves the bounds of reason; None where there is nothing simpler.
        recent: The newest steps.
        cutoff: Time of the last measured step.
        history_start: Time of the first step behind the fit.
        step: Distance of two steps.
        season: Length of the season.
        horizon: Steps to forecast.
        quantiles: Levels, rising.
        fitted_at: When it was fitted.
        fitted_steps: How many steps the fit saw.
        backtest: What the fit found.
        fallback_reason: Why a simpler model is served than was asked for; empty when none is.
        generated: Whether part of the history was generated.
        combination: Of which members the served model is made; empty where it is one model.
        dependence: Of the errors over time, as the fit found it.
    """

    signal: str
    model: str
    serving: Serving
    spare: Banded | None = None
    recent: Recent
    cutoff: datetime
    history_start: datetime
    step: timedelta
    season: timedelta
    horizon: int
    quantiles: tuple[float, ...]
    fitted_at: datetime
    fitted_steps: int
    backtest: Backtest | None
    fallback_reason: str
    generated: bool
    combination: tuple[Combination, ...] = ()
    dependence: Dependence | None = None

    @property
    def read_from(self) -> datetime:
        """First step to give to ``update``: the last ones are read again, what was late then may be there now."""
        return self.cutoff - (READ_AGAIN - 1) * self.step

    @property
    def known(self) -> FloatArray:
        """The newest steps as they were measured, NaN where nothing was."""
        return self.recent.known

    @property
    def floor(self) -> float | None:
        """No forecast goes below this: 0 where the signal never did, None where negative values are known."""
        return self.recent.floor

    @property
    def outgrown(self) -> str:
        """Why it should be fitted again although no time has passed; empty when there is no reason."""
        if isinstance(self.serving, Constant) and self.recent.highest > self.recent.lowest:
            return "moved"
        two_seasons = SEASONS_NEEDED * self.recent.season_length
        if self.recent.steps >= 2 * self.fitted_steps or self.fitted_steps < two_seasons <= self.recent.steps:
            return "grown"
        return ""

    def update(self, values: FloatArray, start: datetime) -> bool:
        """Take the steps that came; O(1) for each. False, and nothing is taken, where a gap is too long to bridge.

        Steps that were taken before may be among them; one that has another value now is taken back first. Trailing
        steps without a value are left for later.

        Args:
            values: On the grid of the history, NaN where nothing was measured; best from ``read_from`` on.
            start: Time of ``values[0]``, no later than the first step after ``cutoff``.

        Raises:
            FitFailedError: A value is infinite or absurdly large; nothing is taken.
        """
        refuse_absurd(self.signal, values, start, self.step)
        known = np.flatnonzero(~np.isnan(values))
        values = values[: known[-1] + 1] if len(known) else values[:0]
        before = (self.cutoff - start) // self.step + 1  # so many of them were taken before
        if before < 0:
            return False
        again = self._other_than_before(values[max(before - READ_AGAIN, 0) : before], min(before, READ_AGAIN))
        line = np.concatenate([again, values[before:]])
        if longest_gap(line) > self.recent.season_length:
            return False
        if len(line):
            self._take(line, back=len(again))
        return True

    def forecast(self, made_at: datetime) -> Forecast:
        """What is to come after ``cutoff``.

        Raises:
            FitFailedError: Neither the model nor its spare stays within reason.
        """
        model, made, reason = self._made()
        return Forecast(
            signal=self.signal, model=model, made_at=made_at, cutoff=self.cutoff, step=self.step, season=self.season,
            mean=made.mean, quantiles=self.quantiles, values=made.values, reference=None, backtest=self.backtest,
            history_start=self.history_start, fallback_reason=reason, generated=self.generated,
            fitted_at=self.fitted_at, model_version=MODEL_VERSION, quality=self._quality(),
            combination=self.combination if model == self.model else (),
            dependence=self.dependence,
        )  # fmt: skip

    def _other_than_before(self, values: FloatArray, count: int) -> FloatArray:
        """The last ``count`` steps from the first on that has another value now; empty where none has."""
        old = self.recent.measured_of(count)
        new = np.concatenate([values, np.full(count - len(values), np.nan)])
        new = np.where(np.isnan(new), old, new)
        other = np.flatnonzero((np.abs(new - old) > SAME * np.abs(old)) | (np.isnan(old) & ~np.isnan(new)))
        return new[other[0] :] if len(other) else new[:0]

    def _take(self, line: FloatArray, *, back: int) -> None:
        """Replace the last ``back`` steps by these and go on."""
        engine = self.serving.state if isinstance(self.serving, Median | Combined) else None
        if back:
            self.recent.rewind(back)
            if engine is not None:
                engine.rewind(back)
        measured = ~np.isnan(line)
        for value, seen in zip(self.recent.bridged(line), measured, strict=True):
            self.recent.append(float(value), measured=bool(seen))
            if engine is not None:
                engine.update(np.array([value]))
        self.cutoff += (len(line) - back) * self.step

    def _made(self) -> tuple[str, Made, str]:
        """Model, forecast and reason; the spare's where the model's leaves the bounds of reason."""
        made = self.serving.made(self.recent, self.horizon, self.quantiles)
        if isinstance(self.serving, Constant | Flat | ColdStart | Empirical):  # these stay near what came
            return self.model, made, self._reason()
        doubt = self._doubt(made)
        if doubt is None:
            return self.model, made, self._reason()
        if self.spare is not None:
            simpler = self.spare.made(self.recent, self.horizon, self.quantiles)
            if self._doubt(simpler) is None:
                return str(self.spare.point), simpler, f"{self.model} {doubt}"
        raise FitFailedError(f"{self.signal}: {self.model} {doubt}")

    def _doubt(self, made: Made) -> str | None:
        return beyond(made.mean, made.values, lowest=self.recent.lowest, highest=self.recent.highest)

    def _reason(self) -> str:
        """Of a short history the length that it has by now."""
        if not isinstance(self.serving, Flat | ColdStart):
            return self.fallback_reason
        got, needed = (self.recent.steps - 1) * self.step, SEASONS_NEEDED * self.season
        return f"history {format_duration(got)} of {format_duration(needed)} (two seasons)"

    def _quality(self) -> Quality:
        return Quality(
            history_steps=self.recent.steps, missing_ratio=1 - self.recent.measured_steps / self.recent.steps,
            cold_start=self.fitted_steps < SEASONS_NEEDED * self.recent.season_length,
        )  # fmt: skip


def longest_gap(values: FloatArray) -> int:
    """Most steps in a row without a value."""
    known = np.flatnonzero(~np.isnan(values))
    return int(np.diff(known, prepend=-1).max()) - 1 if len(known) else len(values)
