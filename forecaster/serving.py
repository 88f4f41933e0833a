"""What each kind of model keeps of a fit, and how it forecasts from the newest steps without another.

All are small, picklable and cheap: this is the part of a forecast that runs at each step, in the tick itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from domain.series import FloatArray
from forecaster import cold_start, combine, engine, sparse
from forecaster.calibrate import Calibration
from forecaster.models import FINE
from forecaster.models.drift import Drift
from forecaster.models.fourier_ar import FourierAr
from forecaster.recent import Recent

CONSTANT_BAND: Final = 0.05
"""Half width of the 0.05–0.95 band of a history that never moved, as a ratio of its level: a guess."""


class Made(NamedTuple):
    """Point forecast, shape ``(horizon,)``, and quantiles, shape ``(horizon, levels)``."""

    mean: FloatArray
    values: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Median:
    """The engine's median: a batch of one, which keeps its own newest steps on its own scale."""

    state: engine.State

    def made(self, recent: Recent, horizon: int, levels: Sequence[float]) -> Made:
        """Forecast from the steps that the state was given."""
        known = self.state.levels
        found = np.asarray(self.state.forecast(horizon, guarded=False)[0], dtype=np.float64)
        found = _floored(found, recent)
        return Made(found[:, known.index(0.5)], found[:, [known.index(level) for level in levels]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Banded:
    """A point model, in the band of its own errors."""

    point: FourierAr | Drift | str
    calibration: Calibration

    def made(self, recent: Recent, horizon: int, levels: Sequence[float]) -> Made:
        """Forecast from the newest steps."""
        mean = _floored(self._path(recent, horizon), recent)
        known = self.calibration.levels
        band = self.calibration.band(mean)[:, [known.index(level) for level in levels]]
        return Made(mean, _floored(band, recent))

    def _path(self, recent: Recent, horizon: int) -> FloatArray:
        values = recent.values
        if isinstance(self.point, FourierAr | Drift):
            return self.point.path(values, recent.steps, horizon)
        end = np.array([len(values)])
        path: FloatArray = FINE[self.point](values, end, season_length=recent.season_length, horizon=horizon)[0]
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """Shipped coefficients over what is known, tiled back: the first hours, and a member until the engine can learn."""

    def quantiles(self, recent: Recent, horizon: int, levels: Sequence[float]) -> FloatArray:
        """Shape ``(horizon, levels)``."""
        found = cold_start.quantiles(
            recent.values, season_length=recent.season_length, horizon=horizon, levels=tuple(levels)
        )
        return _floored(found, recent)

    def made(self, recent: Recent, horizon: int, levels: Sequence[float]) -> Made:
        """Forecast from the newest steps."""
        all_levels = sorted({*levels, 0.5})
        found = self.quantiles(recent, horizon, all_levels)
        return Made(found[:, all_levels.index(0.5)], found[:, [all_levels.index(level) for level in levels]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """Several members, combined by stretches of the horizon (``forecaster.combine``).

    Attributes:
        parts: The combinations.
        levels: Of the members' quantiles, 0.5 among them.
        state: The engine, where one of its members takes part.
        banded: The point models that do.
        shipped: The shipped coefficients, where these do.
    """

    parts: tuple[combine.Part, ...]
    levels: tuple[float, ...]
    state: engine.State | None
    banded: Mapping[str, Banded]
    shipped: ColdStart | None

    def made(self, recent: Recent, horizon: int, levels: Sequence[float]) -> Made:
        """Forecast from the newest steps."""
        found = _floored(combine.mixed(self.parts, self._members(recent, horizon)), recent)
        asked = [self.levels.index(level) for level in levels]
        return Made(found[:, self.levels.index(0.5)], found[:, asked])

    def _members(self, recent: Recent, horizon: int) -> dict[str, FloatArray]:
        made = {name: one.made(recent, horizon, self.levels).values for name, one in self.banded.items()}
        if self.shipped is not None:
            made[cold_start.MEMBER] = self.shipped.quantiles(recent, horizon, self.levels)
        if self.state is not None:
            for name, soft in self.state.members(horizon).items():
                made[name] = self.state.scale.hard(np.maximum.accumulate(soft, axis=-1))[0]
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Empirical:
    """Mostly zeros: quantiles of what came at this time of the seasons before."""

    levels: tuple[float, ...]

    def made(self, recent: Recent, horizon: int, levels: Sequence[float]) -> Made:
        """Forecast from the seasons that are remembered."""
        found = sparse.newest(recent.known, recent.season_length, horizon, self.levels)
        asked = [self.levels.index(level) for level in levels]
        return Made(found[:, self.levels.index(0.5)], found[:, asked])


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """Too little for a season: the last value, in a band that widens as a random walk of the steps seen so far."""

    steps: FloatArray
    spread: float

    def made(self, recent: Recent, horizon: int, levels: Sequence[float]) -> Made:
        """Forecast from the last value."""
        widening = np.sqrt(np.arange(1, horizon + 1))
        offsets = np.clip(np.outer(widening, self.steps), -self.spread, self.spread)
        return Made(np.full(horizon, recent.last), _floored(recent.last + offsets, recent))


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A level that never moved, in a token band; a fit is needed when it does."""

    def made(self, recent: Recent, horizon: int, levels: Sequence[float]) -> Made:
        """Forecast from the level."""
        offsets = CONSTANT_BAND * abs(recent.last) * (np.asarray(levels) - 0.5) / 0.45
        values = np.tile(recent.last + offsets, (horizon, 1))
        return Made(np.full(horizon, recent.last), _floored(values, recent))


Serving: TypeAlias = Median | Banded | Combined | ColdStart | Empirical | Flat | Constant


def flat(values: FloatArray, levels: Sequence[float]) -> Flat:
    """What the steps of a short history tell."""
    steps = np.diff(values)
    count = len(steps)
    moved = np.clip(0.5 + (np.asarray(levels) - 0.5) * (count + 1) / count, 0.0, 1.0)
    return Flat(steps=np.quantile(steps, moved), spread=float(np.ptp(values)))


def _floored(values: FloatArray, recent: Recent) -> FloatArray:
    return values if recent.floor is None else np.maximum(values, recent.floor)
