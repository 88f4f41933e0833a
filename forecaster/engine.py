"""The engine for noisy telemetry: thousands of series of one step and season, fitted and forecast as arrays.

``fit`` learns a batch, ``State.update`` takes the points that come, ``State.forecast`` answers quantiles at any time.
All three members work on one scale, a logarithm that is soft near zero: the median of their quantiles is the same there
as on the scale of the data.

- quantile ridge: what this window says about the step asked (``models.quantile_ridge``)
- waves: what the clock says, and the echo of the last hour (``models.waves``)
- naive: what is now. It alone follows a level shift at once
- boosted, where asked for: replaces naive beyond 4 h (``models.boosted``)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.series import FloatArray, IntArray
from forecaster import conformal
from forecaster.models import boosted, quantile_ridge, waves
from forecaster.shipped import coefficients
from forecaster.windows import Lengths, Newest, Windows

BoolArray = NDArray[np.bool_]

SOFTNESS: Final = 0.3
"""Added to a value before its logarithm, in means of the series: zeros stay finite, spikes stay small."""
TINY: Final = 1e-200
"""Below it nothing is divided by: what comes later may be 1e100."""
FARTHEST: Final = 1e9
"""Spreads that a value may lie from the middle; its square, summed, stays a number."""
OUT_OF_RANGE: Final = 3.0
"""A forecast leaves the history's range by at most so many times its width."""
CALIBRATION_SHARE: Final = 0.35
CALIBRATION_ORIGINS: Final = 48
MEMBERS: Final = ("quantile_ridge", "waves", "naive")
BREACHES: Final = 3
"""Steps in a row above the highest forecast quantile that count as a shift of the level; by chance 1 in 8,000."""
SHIFT_WIDER: Final = 1.5
"""The band of naive is so much wider while a shift is young."""
SLACK: Final = 288
"""Columns the ring may grow by before it is copied back."""
REWOUND: Final = 8
"""Of these so many lie before the newest values: the steps that ``rewind`` can take back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The soft logarithm of each series and its inverse; linear where negative values are known.

    Then in spreads around the middle, so that single precision is enough for what hardly varies, too.

    Attributes:
        mean: Of the history where it is a logarithm, shape ``(series, 1)``; NaN where linear.
        middle: Of the history on that scale.
        width: Its standard deviation, > 0.
        highest: No forecast exceeds this.
        lowest: Nor falls below this.
    """

    mean: FloatArray
    middle: FloatArray
    width: FloatArray
    highest: FloatArray
    lowest: FloatArray

    @classmethod
    def of(cls, values: FloatArray) -> Scale:
        """Of histories without gaps, shape ``(series, steps)``."""
        lowest, highest = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
        mean = values.mean(axis=1, keepdims=True)
        reach = OUT_OF_RANGE * (highest - lowest)
        logarithmic = np.where((lowest >= 0) & (mean > TINY), mean, np.nan)
        line = _logarithm(values, logarithmic)
        width = line.std(axis=1, keepdims=True)
        return cls(
            mean=logarithmic, middle=line.mean(axis=1, keepdims=True), width=np.where(width > TINY, width, 1.0),
            highest=highest + reach, lowest=np.where(lowest >= 0, 0.0, lowest - reach),
        )  # fmt: skip

    def soft(self, values: FloatArray) -> FloatArray:
        """To the members' scale, shape ``(series, steps)``."""
        return np.clip((_logarithm(values, self.mean) - self.middle) / self.width, -FARTHEST, FARTHEST)

    def slope(self, soft: FloatArray) -> FloatArray:
        """What one unit at ``soft``, shape ``(series, …)``, is in the unit of the data."""
        line = np.exp(soft * self.width + self.middle)
        found: FloatArray = self.width * np.where(np.isnan(self.mean), 1.0, self.mean * line)
        return found

    def hard(self, soft: FloatArray) -> FloatArray:
        """Back from shape ``(series, …)``, within the bounds of reason."""
        beside = (-1, *(1,) * (soft.ndim - 1))
        mean, highest = self.mean.reshape(beside), self.highest.reshape(beside)
        line = soft * self.width.reshape(beside) + self.middle.reshape(beside)
        linear = np.isnan(mean)
        ceiling = np.log(np.where(linear, 1.0, highest / np.where(linear, 1.0, mean)) + SOFTNESS)
        grown = (np.exp(np.minimum(line, ceiling)) - SOFTNESS) * mean
        return np.clip(np.where(linear, line, grown), self.lowest.reshape(beside), highest)


def _logarithm(values: FloatArray, mean: FloatArray) -> FloatArray:
    """Of values in means; the values themselves where the mean is NaN."""
    linear = np.isnan(mean)
    ratio = np.maximum(values, 0.0) / np.where(linear, 1.0, mean)
    made: FloatArray = np.where(linear, values, np.log(ratio + SOFTNESS))
    return made


@dataclass(slots=True, kw_only=True)
class State:
    """What is kept of a batch between fits.

    Attributes:
        season: Steps per season.
        horizon: Farthest step that was fitted.
        levels: Quantile levels, rising.
        scale: Of the members.
        ridge: Coefficients.
        waves: Coefficients.
        offsets: Bands of the point members, by name, shape ``(series, ranges, levels)``.
        spread: Of each history, shape ``(series,)``.
        boosted: The optional member; None where it was not asked for.
        steps: Number of steps known since the fit's first, the clock of the waves.
        shifted_until: Step until which a series counts as shifted: naive alone is served, shape ``(series,)``.
    """

    season: int
    horizon: int
    levels: tuple[float, ...]
    scale: Scale
    ridge: quantile_ridge.QuantileRidge
    waves: waves.Waves
    offsets: Mapping[str, FloatArray]
    spread: FloatArray
    boosted: boosted.Boosted | None = None
    steps: int
    shifted_until: IntArray
    _ring: NDArray[np.float32]
    _end: int
    _breaches: IntArray
    _promised: NDArray[np.float32] | None = None
    _promised_at: int = 0

    @property
    def newest(self) -> NDArray[np.float32]:
        """The known values on the members' scale, as many as the fit had, newest last."""
        return self._ring[:, self._end - (self._ring.shape[1] - SLACK) : self._end]

    def update(self, values: FloatArray) -> None:
        """One more step of each series, shape ``(series,)``; one that is missing (NaN) repeats the last."""
        if self._end == self._ring.shape[1]:
            size = self._ring.shape[1] - SLACK + REWOUND
            self._ring[:, :size] = self._ring[:, self._end - size :].copy()
            self._end = size
        soft = self.scale.soft(values[:, None])[:, 0]
        self._judge(soft)
        self._ring[:, self._end] = np.where(np.isfinite(soft), soft, self._ring[:, self._end - 1])
        self._end += 1
        self.steps += 1

    def rewind(self, steps: int) -> None:
        """Take back the last steps, at most ``REWOUND``; as many must be given again before the next forecast."""
        self._end -= steps
        self.steps -= steps

    def trim(self) -> None:
        """Forget what no member looks back to any more."""
        size, enough = self._ring.shape[1] - SLACK, Lengths(season=self.season).lookback(self.horizon)
        if size > enough:
            self._ring = self._ring[:, size - enough :].copy()
            self._end -= size - enough

    @property
    def shifted(self) -> BoolArray:
        """Which series have left their band for another level within the last hour, shape ``(series,)``."""
        return self.steps < self.shifted_until

    def _judge(self, soft: FloatArray) -> None:
        """Count steps above the highest quantile that was forecast last; some in a row are a shift."""
        ahead = self.steps - self._promised_at
        if self._promised is None or ahead >= self._promised.shape[1]:
            return
        self._breaches = np.where(soft > self._promised[:, ahead], self._breaches + 1, 0)
        hour = Lengths(season=self.season).hour
        self.shifted_until = np.where(self._breaches >= BREACHES, self.steps + 1 + hour, self.shifted_until)

    def forecast(self, horizon: int | None = None, *, guarded: bool = True) -> FloatArray:
        """Quantiles of the next steps, shape ``(series, horizon, levels)``: the median of the members'.

        Of a series whose level has just shifted naive's, in a wider band: the others go back to the old level too soon.
        Not where the caller has a guard of its own (``guarded=False``).
        """
        members = self.members(horizon or self.horizon)
        made = combined(list(members.values()))
        if not guarded:
            return self.scale.hard(made)
        self._promised, self._promised_at = made[..., -1].astype(np.float32), self.steps
        shifted = self.shifted
        if shifted.any():
            now = self.newest[shifted, -1].astype(np.float64)[:, None, None]
            made[shifted] = np.maximum.accumulate(now + SHIFT_WIDER * (members["naive"][shifted] - now), axis=-1)
        return self.scale.hard(made)

    def members(self, horizon: int) -> dict[str, FloatArray]:
        """Each member's quantiles on the members' scale; boosted stands in naive's place, where it is fitted."""
        known = self.newest.astype(np.float64)
        points: dict[str, FloatArray] = {
            "waves": self.waves.path(known, self.steps, horizon),
            "naive": np.broadcast_to(known[:, -1:], (len(known), horizon)),
        }
        made = {"quantile_ridge": self.ridge.paths(Newest(known, self.season, self.spread), known.shape[1], horizon)}
        for name, point in points.items():
            made[name] = point[..., None] + conformal.spread_out(self.offsets[name], self.ridge.ranges, horizon)
        if self.boosted is not None and horizon > boosted.NEAREST:
            reads = Newest(known, self.season, self.spread)
            made["naive"][:, boosted.NEAREST :] = self.boosted.paths(reads, known.shape[1], horizon)
        return made


def combined(members: Sequence[FloatArray]) -> FloatArray:
    """The median of the members' quantiles, never crossing."""
    if len(members) == 3:  # twelve times as fast as np.median
        one, two, three = members
        middle = np.maximum(np.minimum(one, two), np.minimum(np.maximum(one, two), three))
    else:
        middle = np.median(np.stack(members), axis=0)
    return np.maximum.accumulate(middle, axis=-1)


def fit(
    values: FloatArray, measured: BoolArray, *, season_length: int, horizon: int, levels: Sequence[float],
    boost: bool = False,
) -> State:  # fmt: skip
    """Learn a batch.

    Args:
        values: Histories without gaps, shape ``(series, steps)``; one that begins late has its season tiled back.
        measured: Which of them were measured.
        season_length: Steps per season, ≥ 24.
        horizon: Farthest step to be asked for; the history must hold it, two seasons and some more.
        levels: Quantile levels, rising.
        boost: Whether to train the optional member too (20 times the time).

    Raises:
        FitFailedError: The optional member was asked for and cannot be trained.
    """
    scale = Scale.of(values)
    soft = scale.soft(values)
    size, reads = soft.shape[1], Windows(soft, season_length)
    first = reads.lengths.needed(horizon)
    learned = usable(measured, first)
    ridge = quantile_ridge.fit(
        reads, soft, learned, horizon=horizon, levels=levels, first=first,
        anchor=_anchor(size, season_length, horizon, levels) if len(soft) == 1 else None,
    )  # fmt: skip
    far = boosted.fit(reads, soft, learned, horizon=horizon, levels=levels, first=first) if boost else None
    return State(
        season=season_length, horizon=horizon, levels=tuple(levels), scale=scale, ridge=ridge,
        waves=waves.fit(soft, season_length), offsets=_offsets(soft, measured, season_length, ridge.ranges, levels),
        spread=reads.spread, boosted=far, steps=size, _end=size + REWOUND,
        shifted_until=np.zeros(len(soft), dtype=np.int64), _breaches=np.zeros(len(soft), dtype=np.int64),
        _ring=np.pad(soft.astype(np.float32), ((0, 0), (REWOUND, SLACK - REWOUND))),
    )  # fmt: skip


def _anchor(size: int, season_length: int, horizon: int, levels: Sequence[float]) -> quantile_ridge.Anchor:
    """What shipped coefficients say to a series without a batch, weighing nine of its seasons.

    Only beyond a 12th of the season (2 h of a day): on the recorded workloads the ridge alone loses 7–10 % less 24 h
    ahead; nearer, 3–6 % more.
    """
    full = coefficients.FULL * season_length
    shipped = coefficients.for_history(season_length, full, horizon=horizon, levels=levels)
    return quantile_ridge.Anchor(coefficients=shipped.coefficients[0], weight=full / size, beyond=season_length / 12)


def usable(measured: BoolArray, first: int) -> BoolArray:
    """Steps to learn from: measured, and not before ``first`` steps of the series' own beginning."""
    begin = np.argmax(measured, axis=1)[:, None] + np.where(measured[:, :1], 0, first)
    learned: BoolArray = measured & (np.arange(measured.shape[1]) >= begin)
    return learned


def replay(
    values: FloatArray, measured: BoolArray, origins: IntArray, *, season_length: int, horizon: int,
    levels: Sequence[float],
) -> dict[str, FloatArray]:  # fmt: skip
    """What a batch fitted before the first origin would have said at each, each origin seeing what came before it.

    Args:
        values: Histories without gaps, shape ``(series, steps)``.
        measured: Which of them were measured.
        origins: Number of steps known at each, rising; the first must be enough for ``fit``.
        season_length: Steps per season.
        horizon: Steps ahead.
        levels: Quantile levels, rising.

    Returns:
        Quantiles by member, and the served ones as ``median``, shape ``(series, origins, horizon, levels)``.
    """
    begin = int(origins[0])
    state = fit(values[:, :begin], measured[:, :begin], season_length=season_length, horizon=horizon, levels=levels)
    soft = state.scale.soft(values)
    reads = Windows(soft, season_length)
    reads.spread = state.spread
    spread_out = {
        name: conformal.spread_out(offsets, state.ridge.ranges, horizon)[:, None]
        for name, offsets in state.offsets.items()
    }
    flat = np.broadcast_to(soft[:, origins - 1][..., None], (len(soft), len(origins), horizon))
    made = {
        "quantile_ridge": state.ridge.paths_at(reads, origins, horizon),
        "waves": state.waves.paths(soft, origins, horizon)[..., None] + spread_out["waves"],
        "naive": flat[..., None] + spread_out["naive"],
    }
    made["median"] = combined(list(made.values()))
    return {name: state.scale.hard(np.maximum.accumulate(quantiles, axis=-1)) for name, quantiles in made.items()}


def _offsets(
    soft: FloatArray,
    measured: BoolArray,
    season_length: int,
    ranges: Sequence[tuple[int, int]],
    levels: Sequence[float],
) -> dict[str, FloatArray]:
    """Bands of the point members, from what they would have said in the last third of the history."""
    size, horizon = soft.shape[1], ranges[-1][1]
    begin = int(size * (1 - CALIBRATION_SHARE))
    origins: IntArray = np.linspace(begin, size - 1, CALIBRATION_ORIGINS).astype(np.int64)
    known = np.pad(np.where(measured, soft, np.nan), ((0, 0), (0, horizon)), constant_values=np.nan)
    actuals = known[:, origins[:, None] + np.arange(horizon)]
    points = {
        "waves": waves.fit(soft[:, :begin], season_length).paths(soft, origins, horizon),
        "naive": soft[:, origins - 1][..., None],
    }
    return {name: conformal.offsets(actuals - point, ranges, levels) for name, point in points.items()}
