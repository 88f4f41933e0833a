"""Groups whose costs hang together: joint paths, whose sums by group add up to the total's, path by path.

Each group and the total have a forecast of their own (``forecaster.fit``). Their errors at one time correlate as those
of "the same hour a week ago" did, idle against what uses it, too; over time each keeps what its backtest learned. The
total then knows best how sure it is, since its own errors have in them what its parts share: the groups are moved until
they add up to it, those that are least sure the most (reconciliation of paths by variance, Wickramasuriya et al. 2019,
"MinT" with a diagonal). What is drawn of the total is the sum of the groups, to the last bit.

Beyond a week no error was ever seen by a backtest on weeks of history. There the level of each series wanders on as
weeks did: without it, sums of a month from four weeks of history held 67 % of what came where 80 % were promised, with
it 77 % (application server by the hour; docs/forecasting-capacity.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np

from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster import paths

HOUR: Final = timedelta(hours=1)
DAY_STEPS: Final = 24
WEEK_STEPS: Final = 7 * DAY_STEPS
WIDEST: Final = 1.0
"""Of a level, a week: what doubled or vanished may do so again, and no more is claimed."""
_BLOCK: Final = DAY_STEPS
"""Steps drawn at once: a month of 20 groups as a whole would take 0.5 GB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to draw; picklable.

    Attributes:
        forecasts: By the hour, of each group, on one grid; at least one.
        total: Of their sum; None with one group.
        histories: Hours behind the forecasts, shape ``(groups, hours)``; NaN where unknown.
        weights: Part of each step that counts (ratio), shape ``(horizon,)``.
        count: Paths.
    """

    forecasts: tuple[Forecast, ...]
    total: Forecast | None
    histories: FloatArray
    weights: FloatArray
    count: int = paths.PATHS


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What came out.

    Attributes:
        sums: Of the steps that count, shape ``(groups, count)``.
        course: The total up to each step, shape ``(count, horizon)``; its last column is the sum of ``sums``.
    """

    sums: FloatArray
    course: FloatArray


def draw(task: Task) -> Drawn:
    """Joint paths from the seed of the forecasts' names and cutoff: the same task, the same paths."""
    series = [*task.forecasts, *([task.total] if task.total is not None else [])]
    histories = task.histories
    if task.total is not None:
        histories = np.concatenate([histories, np.nansum(histories, axis=0, keepdims=True)])
    mixing = np.linalg.cholesky(correlation(histories)).astype(np.float64)
    widths = np.array([wandering(one) for one in histories])
    random = np.random.Generator(np.random.PCG64(_seed(series)))
    horizon, groups = len(task.weights), len(task.forecasts)
    state = _State(series, mixing, widths, random, task.count)
    sums, course = np.zeros((groups, task.count)), np.empty((task.count, horizon))
    for first in range(0, horizon, _BLOCK):
        steps = range(first, min(first + _BLOCK, horizon))
        made = state.drawn(steps)
        own = made[:, :groups] if task.total is None else reconciled(made[:, :groups], made[:, groups])
        for at, step in enumerate(steps):
            sums += own[at] * task.weights[step]
            course[:, step] = sums.sum(axis=0)
    return Drawn(sums=sums, course=course)


def correlation(histories: FloatArray) -> FloatArray:
    """Of what an hour differed by from the same hour a week before (a day, with less than two weeks), about 0.

    What is unknown on one side counts as no difference, so that the matrix stays one of correlations. It is moved
    towards independence by one day's worth: a day is about one independent look.
    """
    hours = histories.shape[1]
    back = WEEK_STEPS if hours >= 2 * WEEK_STEPS else DAY_STEPS
    if hours <= back:
        return np.eye(len(histories))
    differences = np.nan_to_num(histories[:, back:] - histories[:, :-back])
    lengths = np.linalg.norm(differences, axis=1, keepdims=True)
    units = np.divide(differences, lengths, out=np.zeros_like(differences), where=lengths > 0)
    days = differences.shape[1] / DAY_STEPS
    found: FloatArray = units @ units.T * (days / (1 + days))
    np.fill_diagonal(found, 1.0)
    return found


def wandering(history: FloatArray) -> float:
    """How far a level goes in a week (ratio, one standard deviation), from the means of weeks a day apart.

    Widened by Student's quantile for as many weeks as there are; 0 where fewer than two are known, or nothing moved.
    """
    known = history[int(np.argmax(np.isfinite(history))) :] if np.isfinite(history).any() else history[:0]
    starts = range(0, len(known) - WEEK_STEPS + 1, DAY_STEPS)
    levels = np.array([np.nanmean(part) if np.isfinite(part := known[at : at + WEEK_STEPS]).any() else np.nan
                       for at in starts])  # fmt: skip
    before, after = levels[:-7], levels[7:]
    there = np.isfinite(before) & np.isfinite(after) & ((before > 0) | (after > 0))
    if not there.any():
        return 0.0
    with np.errstate(divide="ignore"):
        changes = np.log(after[there]) - np.log(before[there])
    usual = float(np.sqrt(np.mean(np.minimum(np.abs(changes), WIDEST) ** 2)))
    return min(usual * paths.student(len(known) / WEEK_STEPS - 1), WIDEST)


def reconciled(groups: FloatArray, total: FloatArray) -> FloatArray:
    """Groups moved until they add up to the total, each by its share of their variances; never below 0.

    Args:
        groups: Shape ``(steps, groups, count)``.
        total: Shape ``(steps, count)``.
    """
    missing = total - groups.sum(axis=1)
    spread = groups.var(axis=2) + 1e-12 * groups.mean(axis=2) ** 2 + 1e-290
    moved = groups + (spread / spread.sum(axis=1, keepdims=True))[:, :, None] * missing[:, None]
    kept: FloatArray = np.maximum(moved, 0.0)
    return kept


class _State:
    """Draws block after block; what lasts, what fades and where levels have got to is carried on."""

    def __init__(
        self,
        series: Sequence[Forecast],
        mixing: FloatArray,
        widths: FloatArray,
        random: np.random.Generator,
        count: int,
    ) -> None:
        known = [one.dependence or paths.ASSUMED for one in series]
        self._series, self._mixing, self._widths, self._random = series, mixing, widths[:, None], random
        self._half = -(-count // 2)
        self._count = count
        self._lasting = np.array([[one.lasting] for one in known])
        self._echo = np.array([[one.echo] for one in known])
        self._lasts = self._normal()
        self._fades: FloatArray | None = None
        self._levels = np.zeros((len(series), count))

    def drawn(self, steps: range) -> FloatArray:
        """Values, shape ``(steps, series, count)``."""
        scores = np.stack([self._score() for _ in steps])
        rows = np.stack([one.values[steps.start : steps.stop] for one in self._series], axis=1)
        flat = paths.shaped(
            scores.reshape(-1, self._count).T, rows.reshape(-1, rows.shape[2]), self._series[0].quantiles
        )
        values = flat.T.reshape(scores.shape)
        for at, step in enumerate(steps):
            if step >= WEEK_STEPS:
                self._levels = self._levels + self._widths * self._normal() / np.sqrt(WEEK_STEPS)
                values[at] *= np.maximum(1 + self._levels, 0.0)
        return values

    def _score(self) -> FloatArray:
        new = self._normal()
        self._fades = new if self._fades is None else self._echo * self._fades + np.sqrt(1 - self._echo**2) * new
        score: FloatArray = np.sqrt(self._lasting) * self._lasts + np.sqrt(1 - self._lasting) * self._fades
        return score

    def _normal(self) -> FloatArray:
        """Correlated across series, shape ``(series, count)``; the second half mirrors the first."""
        half = self._mixing @ self._random.standard_normal((len(self._series), self._half))
        return np.concatenate([half, -half], axis=1)[:, : self._count]


def _seed(series: Sequence[Forecast]) -> int:
    return paths.seed("\n".join(one.signal for one in series), series[0].cutoff)
