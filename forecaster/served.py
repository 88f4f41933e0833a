"""What was served, held against what came: the errors of the last two days, by distance.

Each range of horizons (1, 2, 3–4, 5–8 … steps) keeps a ring of the errors at its middle step. Where the quantiles as
they were fitted cover too much or too little of what came, the next ones are moved by the quantiles of those errors,
in units of the band's own width, so that what was learned in the busy hours fits the quiet ones.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster.trail import Trail

WINDOW: Final = timedelta(days=2)
MOST: Final = 500
LEAST: Final = 100
"""Errors remembered per range: two days of them, but 100 to 500. One signal holds 12 kB per range at most."""
FIRST_ROWS: Final = 32
"""Room that a range begins with; it doubles as errors come."""
MOST_AWAITED: Final = 24
"""Forecasts of one range that wait for their truth at a time, about."""
ENOUGH: Final = 50
"""Fewer known errors move nothing: a share of 0.95 in 50 is known to ± 0.06 (two standard deviations)."""
INDEPENDENT: Final = 20
"""Errors that do not overlap, needed besides: two days hold 4 of them 12 hours ahead, and moved by those the bands did
worse than as fitted (docs/forecasting.md)."""
TOLERATED: Final = 0.05
SETTLED: Final = 0.025
"""A range is moved from a deviation of the coverage beyond the first on, until one below the second: no flapping."""
_ROUNDING: Final = 1e-9
"""1 − 0.95 is more than 0.05 to a computer."""
BARE: Final = 0.01
"""Added to the width of a band, in its middle's size: a band without width must not divide by nothing."""
FARTHEST: Final = 6e4
"""An error counts as so many widths at most; half precision ends at 65,504."""
HUGE: Final = 1e30
"""Sizes beyond it count as that: single precision ends at 3e38."""
SERVED, AT_MOST, BELOW = 1, 2, 4
MARKS: Final = np.array([[SERVED], [AT_MOST], [BELOW]], dtype=np.uint8)
"""Bits of what is marked of an error at each quantile: at or below it as served; at most, and below it, as fitted."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedErrors:
    """How the forecasts that were served did at one range of horizons.

    Attributes:
        first: First step ahead of the range.
        last: Its last step.
        known: Forecasts of it whose truth came, within the window.
        wape: Sum of their absolute errors ÷ sum of what came; None before the first, or where nothing but 0 came.
        coverage: Share of what came at or below each quantile as it was served; empty before the first.
        moved: Whether its quantiles are moved by these errors now.
    """

    first: int
    last: int
    known: int
    wape: float | None
    coverage: Mapping[float, float]
    moved: bool


class _Awaited(NamedTuple):
    """One step of a forecast whose truth has not come."""

    at: datetime
    mean: float
    fitted: FloatArray
    served: FloatArray


class _Error(NamedTuple):
    """What one forecast erred by, at each quantile, and its point forecast."""

    residual: FloatArray
    marks: NDArray[np.uint8]
    sizes: tuple[float, float]


def _errors(awaited: Sequence[_Awaited], truths: Sequence[float]) -> Iterator[_Error]:
    """Of many at once: numpy takes as long for one as for ten."""
    truth = np.array(truths)[:, None]
    fitted, served = np.stack([one.fitted for one in awaited]), np.stack([one.served for one in awaited])
    residuals = np.clip((truth - fitted) / unit(fitted), -FARTHEST, FARTHEST)
    marks = SERVED * (truth <= served) + AT_MOST * (residuals <= 0) + BELOW * (residuals < 0)
    for one, true, residual, mark in zip(awaited, truths, residuals, marks.astype(np.uint8), strict=True):
        yield _Error(residual, mark, (min(abs(true - one.mean), HUGE), min(abs(true), HUGE)))


class _Ring:
    """The errors of one range of horizons; adding one is O(1), its memory does not grow.

    Of far ranges only every n-th forecast is awaited: errors that overlap tell little twice. Ranges that
    can never know enough errors that do not overlap keep what is counted, but not the errors to move quantiles by.
    """

    def __init__(self, *, first: int, last: int, levels: int, size: int) -> None:
        self.first, self.last, self.lead = first, last, (first + last) // 2
        self.every = max(1, self.lead // MOST_AWAITED)
        self.size = size // self.every
        self.movable = self.size >= INDEPENDENT * min(self.lead, MOST_AWAITED)
        self.awaited: deque[_Awaited] = deque(maxlen=self.lead // self.every + 1)
        self.moved = False
        rows = min(self.size, FIRST_ROWS)
        self.residuals_kept = np.zeros((rows if self.movable else 0, levels), dtype=np.float16)
        self.marks = np.zeros((rows, levels), dtype=np.uint8)
        self.sizes = np.zeros((rows, 2), dtype=np.float32)
        self.added = 0
        self.counts = np.zeros((len(MARKS), levels), dtype=np.int64)

    @property
    def known(self) -> int:
        return min(self.added, self.size)

    @property
    def stands_for(self) -> int:
        """Steps of forecasts, of which it looks at one."""
        return (self.last - self.first + 1) * self.every

    @property
    def independent(self) -> float:
        """Errors that do not overlap: forecasts wait for their truth side by side, one of so many counts."""
        return self.known / (len(self.awaited) + 1)

    @property
    def residuals(self) -> FloatArray:
        """What came minus the fitted quantiles, in units of the band; shape ``(known, levels)``, in no order."""
        return self.residuals_kept[: self.known].astype(np.float64)

    def add(self, error: _Error) -> None:
        row = self.added % self.size
        if row == len(self.marks):
            self._grow()
        if self.added >= self.size:
            self.counts -= self.marks[row] & MARKS != 0
        if self.movable:
            self.residuals_kept[row] = error.residual
        self.marks[row], self.sizes[row] = error.marks, error.sizes
        self.counts += error.marks & MARKS != 0
        self.added += 1

    def coverage(self) -> FloatArray:
        """Share at or below each quantile as it was served."""
        shares: FloatArray = self.counts[0] / self.known
        return shares

    def wape(self) -> float | None:
        error, size = np.add.reduce(self.sizes[: self.known], axis=0, dtype=np.float64)
        return float(error / size) if size > 0 else None

    def judge(self, levels: FloatArray, watched: Sequence[int]) -> None:
        """Whether its quantiles are to be moved from now on."""
        enough = self.movable and self.known >= ENOUGH and self.independent >= INDEPENDENT
        self.moved = enough and off(self.counts[1:] / max(self.known, 1), levels, watched, already=self.moved)

    def _grow(self) -> None:
        rows = min(self.size, 2 * len(self.marks))
        for name in ("residuals_kept", "marks", "sizes"):
            old = getattr(self, name)
            if len(old):
                new = np.zeros((rows, old.shape[1]), dtype=old.dtype)
                new[: len(old)] = old
                setattr(self, name, new)


class Served:
    """The memory of one signal's served forecasts; used by one thread at a time."""

    def __init__(
        self, *, levels: Sequence[float], watched: Sequence[float], horizon: int, step: timedelta,
        judged: Sequence[timedelta] = (),
    ) -> None:  # fmt: skip
        """Begin with nothing known.

        Args:
            levels: Of the forecasts' quantiles, rising.
            watched: The levels whose coverage decides whether quantiles are moved.
            horizon: Steps of the forecasts.
            step: Distance of two steps.
            judged: Trailing times whose error gates ask for.
        """
        size = min(MOST, max(LEAST, WINDOW // step))
        self._levels, self._step = tuple(levels), step
        self._judged, self._trail = tuple(judged), Trail(judged)
        self._places = np.asarray(self._levels)
        self._watched = [self._levels.index(level) for level in watched]
        self._rings = [
            _Ring(first=first, last=last, levels=len(self._levels), size=size) for first, last in doubling(horizon)
        ]

    def learn(self, values: FloatArray, start: datetime) -> None:
        """Hold what was served against a history read later; steps that it has no value for are forgotten.

        Args:
            values: On the grid of the forecasts, NaN where nothing was measured.
            start: Time of ``values[0]``.
        """
        end = start + (len(values) - 1) * self._step
        came: list[tuple[_Ring, _Awaited, float]] = []
        for ring in self._rings:
            while ring.awaited and ring.awaited[0].at <= end:
                awaited = ring.awaited.popleft()
                row = (awaited.at - start) // self._step
                if row >= 0 and isfinite(values[row]):
                    came.append((ring, awaited, float(values[row])))
        if came:
            rings, waited, truths = zip(*came, strict=True)
            for ring, awaited, error in zip(rings, waited, _errors(waited, truths), strict=True):
                ring.add(error)
                self._trail.add(awaited.at, *(ring.stands_for * size for size in error.sizes))
        for ring in self._rings:
            ring.judge(self._places, self._watched)

    def moved(self, fitted: Forecast, *, lowest: float | None) -> Forecast:
        """The forecast with the quantiles of the ranges that are off moved; the point forecast stays the model's.

        Args:
            fitted: As the fit gave it.
            lowest: No quantile falls below this; None where negative values are known.
        """
        if not self.recalibrated:
            return fitted
        values = fitted.values.copy()
        for ring in self._rings:
            if ring.moved:
                rows = slice(ring.first - 1, ring.last)
                values[rows] = moved(values[rows], ring.residuals, self._levels)
        return replace(fitted, values=values if lowest is None else np.maximum(values, lowest))

    def remember(self, fitted: Forecast, served: Forecast) -> None:
        """Await the truth of a forecast that was served, and of what the fit had said."""
        number = (served.cutoff - _EPOCH) // self._step
        for ring in self._rings:
            row, at = ring.lead - 1, served.cutoff + ring.lead * self._step
            if number % ring.every or (ring.awaited and ring.awaited[-1].at >= at):
                continue  # the signal is silent: the same cutoff once more
            said = fitted.values[row].copy(), served.values[row].copy()
            ring.awaited.append(_Awaited(at, float(served.mean[row]), *said))

    @property
    def recalibrated(self) -> bool:
        """Whether any range's quantiles are moved now."""
        return any(ring.moved for ring in self._rings)

    def coverage(self) -> Mapping[float, float]:
        """Share of what came at or below each served quantile, all ranges alike; empty before the first."""
        shares = [ring.coverage() for ring in self._rings if ring.known]
        means = np.mean(shares, axis=0).tolist() if shares else ()
        return dict(zip(self._levels, means, strict=False))

    def errors(self) -> tuple[ServedErrors, ...]:
        """By range of horizons, nearest first."""
        return tuple(
            ServedErrors(
                first=ring.first, last=ring.last, known=ring.known, wape=ring.wape() if ring.known else None,
                coverage=dict(zip(self._levels, ring.coverage().tolist(), strict=True)) if ring.known else {},
                moved=ring.moved,
            )
            for ring in self._rings
        )  # fmt: skip

    def wapes(self, now: datetime) -> dict[timedelta, float]:
        """The error of what was served over each trailing time that gates ask for, where that is known."""
        return self._trail.wapes(self._judged, now)

    def body(self) -> dict[str, Any]:
        """What is to be kept over a restart, as JSON: some 10 kB for each range that is full."""
        rings = [_ring_body(ring) for ring in self._rings]
        return {"levels": list(self._levels), "rings": rings, "trail": self._trail.body()}

    def restore(self, body: Mapping[str, Any]) -> None:
        """Go on from a kept body; ValueError, KeyError or TypeError where it is none of these forecasts."""
        if tuple(body["levels"]) != self._levels or len(body["rings"]) != len(self._rings):
            raise ValueError("other levels or ranges")
        for ring, kept in zip(self._rings, body["rings"], strict=True):
            _restore(ring, kept)
        if "trail" in body:  # bodies of before gates looked back have none
            self._trail.restore(body["trail"])


def _ring_body(ring: _Ring) -> dict[str, Any]:
    said = np.array([[one.mean, *one.fitted, *one.served] for one in ring.awaited], dtype=np.float64)
    return {
        "first": ring.first, "last": ring.last, "added": ring.added, "moved": ring.moved,
        "residuals": _text(ring.residuals_kept[: ring.known]), "marks": _text(ring.marks[: ring.known]),
        "sizes": _text(ring.sizes[: ring.known]), "awaited": [one.at.isoformat() for one in ring.awaited],
        "said": _text(said),
    }  # fmt: skip


def _restore(ring: _Ring, kept: Mapping[str, Any]) -> None:
    """Everything is decoded before anything is taken over."""
    if (kept["first"], kept["last"]) != (ring.first, ring.last):
        raise ValueError("another range")
    added, levels = int(kept["added"]), ring.marks.shape[1]
    known = min(added, ring.size)
    marks = _array(kept["marks"], np.uint8, (known, levels))
    residuals = _array(kept["residuals"], np.float16, (known if ring.movable else 0, levels))
    sizes = _array(kept["sizes"], np.float32, (known, 2))
    said = _array(kept["said"], np.float64, (len(kept["awaited"]), 1 + 2 * levels))
    times = [datetime.fromisoformat(at) for at in kept["awaited"]]
    while len(ring.marks) < known:
        ring._grow()
    ring.marks[:known], ring.sizes[:known], ring.residuals_kept[: len(residuals)] = marks, sizes, residuals
    ring.added, ring.moved = added, bool(kept["moved"])
    ring.counts = (marks[:, None] & MARKS != 0).sum(axis=0)
    ring.awaited.extend(
        _Awaited(at, float(row[0]), row[1 : 1 + levels].copy(), row[1 + levels :].copy())
        for at, row in zip(times, said, strict=True)
    )


def _text(values: NDArray[Any]) -> str:
    """Little-endian bytes in base64."""
    return base64.b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes()).decode()


def _array(text: str, kind: type[np.generic], shape: tuple[int, int]) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text, validate=True), np.dtype(kind).newbyteorder("<")).reshape(shape)


def doubling(horizon: int) -> list[tuple[int, int]]:
    """First and last step of each range of horizons: 1, 2, 3–4, 5–8 … up to the horizon, both included."""
    ranges, first, last = [], 1, 1
    while first <= horizon:
        ranges.append((first, min(last, horizon)))
        first, last = last + 1, 2 * last
    return ranges


def unit(values: FloatArray) -> FloatArray:
    """What errors are measured in beside each row of quantiles: the width of the band; shape ``(rows, 1)``, > 0."""
    width = values[:, -1:] - values[:, :1] + BARE * np.abs(values).mean(axis=1, keepdims=True)
    return np.where(width > 0, width, 1.0)


def is_off(residuals: FloatArray, levels: Sequence[float], watched: Sequence[int], *, already: bool) -> bool:
    """Whether quantiles cover so much more or less than they promise that they have to be moved.

    What came exactly at a quantile may count as below or as above: zeros at a quantile of 0 are no fault.

    Args:
        residuals: What came minus the quantiles, shape ``(known, levels)``.
        levels: What they promise.
        watched: Which of them count.
        already: Whether they are moved now; then they stay so until the deviation is small.
    """
    if len(residuals) < ENOUGH:
        return False
    shares = np.stack([(residuals <= 0).mean(axis=0), (residuals < 0).mean(axis=0)])
    return off(shares, np.asarray(levels), watched, already=already)


def off(shares: FloatArray, promised: FloatArray, watched: Sequence[int], *, already: bool) -> bool:
    """The same from the shares at most and below each quantile, shape ``(2, levels)``."""
    worst = np.maximum(promised - shares[0], shares[1] - promised)[list(watched)].max()
    return bool(worst > (SETTLED if already else TOLERATED) + _ROUNDING)


def moved(values: FloatArray, residuals: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Quantiles moved so that they would have covered what came, never crossing.

    Args:
        values: Shape ``(rows, levels)``.
        residuals: What came minus such quantiles, in their ``unit``, shape ``(known, levels)``.
        levels: Rising.

    Source:
        Split-conformal prediction: of n errors the quantile at 0.5 + (level − 0.5)·(n + 1)/n.
    """
    count = len(residuals)
    places = np.clip(0.5 + (np.asarray(levels) - 0.5) * (count + 1) / count, 0.0, 1.0)
    offsets = [np.quantile(column, place) for column, place in zip(residuals.T, places, strict=True)]
    found: NDArray[np.float64] = np.sort(values + unit(values) * np.asarray(offsets), axis=1)
    return found
