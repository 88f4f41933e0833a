"""Sampled paths: what the steps of a forecast may do together, so that sums and first dates come out right.

Each step keeps the forecast's own quantiles exactly. What a quantile cannot say, whether an hour that errs upward is
followed by another, is learned from the backtest's errors in normal scores: part of an error lasts over the whole
horizon, the rest fades from step to step (``domain.forecasts.Dependence``). Steps drawn one by one make a month's
sum far too sure (docs/forecasting-capacity.md has the figures, and those of the Schaake shuffle that lost to this).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from statistics import NormalDist
from typing import Final

import numpy as np

from domain.forecasts import Dependence, Forecast
from domain.series import FloatArray, IntArray

PATHS: Final = 1_000
"""A probability of 0.3 is then known to ± 0.015, the width of a sum to ± 2 %."""
FARTHEST: Final = 3.5
"""Normal scores beyond it count as it: one step in 2,000 on either side together."""
ASSUMED: Final = Dependence(lasting=1.0, echo=0.0)
"""Where nothing could be learned: all steps err alike. It makes sums too wide (by a third at the worst measured), where
independent steps make them three times too narrow."""
HALF_LIVES: Final = (0.3, 1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Steps after which the fading part has halved: the grid of ``learned``, rough on purpose."""
SHARES: Final = tuple(i / 20 for i in range(21))
STUDENT: Final = {1: 3.0777, 2: 1.8856, 3: 1.6377, 4: 1.5332, 6: 1.4398, 10: 1.3722, 30: 1.3104, float("inf"): 1.2816}
"""Student's 0.9 quantile by degrees of freedom, from the tables; between them a line over their inverse (off by < 1 %).
scipy would have it, but a fit's process does without (70 MB)."""


def seed(signal: str, cutoff: datetime) -> int:
    """The one of a signal's forecast: the first 8 bytes of SHA-256 of ``signal``, a newline and the cutoff (ISO 8601).

    The same forecast gives the same paths in every process; so every limit is asked of the same ones.
    """
    return int.from_bytes(hashlib.sha256(f"{signal}\n{cutoff.isoformat()}".encode()).digest()[:8], "big")


def sample(forecast: Forecast, *, count: int = PATHS, steps: int | None = None) -> FloatArray:
    """Paths of one forecast.

    Args:
        forecast: Its ``dependence`` is kept; ``ASSUMED`` stands in where it has none.
        count: Number of paths, ≥ 2.
        steps: Only so many of the first; None for all.

    Returns:
        Shape ``(count, steps)``. Each column is the step's quantiles at ``(i + ½) ÷ count``, in an order of its own.
    """
    rows = forecast.values[:steps]
    drawn = drivers(seed(forecast.signal, forecast.cutoff), count, len(rows))
    return shaped(dependent(drawn, forecast.dependence or ASSUMED), rows, forecast.quantiles)


def sample_group(forecasts: Sequence[Forecast], *, shared: float, count: int = PATHS) -> FloatArray:
    """Paths of forecasts on one grid whose errors are partly shared; their sum over the first axis is the total.

    Args:
        forecasts: Same cutoff, step and horizon, different signals.
        shared: Correlation of the errors of two of them at one time, 0 … 1, as of ``shared_by``.
        count: Number of paths.

    Returns:
        Shape ``(len(forecasts), count, horizon)``; over time each keeps its own dependence.

    Raises:
        ValueError: Their grids differ.
    """
    first = forecasts[0]
    if any((one.cutoff, one.step, one.horizon) != (first.cutoff, first.step, first.horizon) for one in forecasts):
        raise ValueError("forecasts of one group need the same cutoff, step and horizon")
    common = drivers(seed("\n".join(one.signal for one in forecasts), first.cutoff), count, first.horizon)
    made = []
    for one in forecasts:
        own = drivers(seed(one.signal, one.cutoff), count, one.horizon)
        mixed = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
        made.append(shaped(dependent(mixed, one.dependence or ASSUMED), one.values, one.quantiles))
    return np.stack(made)


def drivers(start: int, count: int, steps: int) -> FloatArray:
    """Independent normal numbers, shape ``(count, 1 + steps)``; the second half mirrors the first (antithetic)."""
    half = np.random.Generator(np.random.PCG64(start)).standard_normal((-(-count // 2), 1 + steps))
    return np.concatenate([half, -half])[:count]


def dependent(drawn: FloatArray, dependence: Dependence) -> FloatArray:
    """Normal scores that depend over time as asked, shape ``(count, steps)``.

    Args:
        drawn: Of ``drivers``: the first column carries what lasts, the others what is new at each step.
        dependence: Over time.
    """
    lasting, echo = dependence.lasting, dependence.echo
    fading = drawn[:, 1:].T.copy()  # a row per step: neighbours in memory are added
    fading[1:] *= np.sqrt(1 - echo**2)
    for before, step in zip(fading[:-1], fading[1:], strict=True):
        step += echo * before
    made: FloatArray = np.sqrt(lasting) * drawn[:, :1] + np.sqrt(1 - lasting) * fading.T
    return made


def shaped(normal: FloatArray, rows: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Each step's own quantiles in the order of the scores: the ``i``-th smallest of ``n`` is at ``(i + ½) ÷ n``.

    Between two levels a value is a line over normal scores. Beyond the outermost ones that line goes on, which is a
    normal tail: a guess, and too short where spikes rule. Nothing falls below 0 where no quantile does.

    Args:
        normal: Shape ``(count, steps)``; only the order within each column matters.
        rows: Quantiles of each step, shape ``(steps, levels)``, rising.
        levels: Rising.
    """
    count, steps = normal.shape
    places = np.clip(_normal((np.arange(count) + 0.5) / count), -FARTHEST, FARTHEST)
    ranked = _lines(places, rows, levels)
    made = np.empty((count, steps))
    np.put_along_axis(made, np.argsort(normal, axis=0, kind="stable"), ranked, axis=0)
    return np.maximum(made, 0.0) if rows.size and float(rows.min()) >= 0 else made


def _lines(places: FloatArray, rows: FloatArray, levels: Sequence[float]) -> FloatArray:
    """The values of each step at these normal scores, shape ``(places, steps)``."""
    if len(levels) == 1:
        return np.repeat(rows.T, len(places), axis=0)
    knots = _normal(levels)
    left = np.clip(np.searchsorted(knots, places) - 1, 0, len(knots) - 2)
    along = (places - knots[left]) / (knots[left + 1] - knots[left])
    below, above = rows.T[left], rows.T[left + 1]
    made: FloatArray = below + along[:, None] * (above - below)
    return made


def scores(actuals: FloatArray, bands: FloatArray, levels: Sequence[float]) -> FloatArray:
    """What came as normal scores of what was forecast: the inverse of the lines above.

    Args:
        actuals: Shape ``(origins, horizon)``; NaN where unknown.
        bands: Quantiles, shape ``(origins, horizon, levels)``, at least two levels; NaN where there were none.
        levels: Rising.

    Returns:
        Shape of ``actuals``, within ± ``FARTHEST``; NaN where unknown.
    """
    made = np.full(actuals.shape, np.nan)
    known = ~np.isnan(actuals) & ~np.isnan(bands).any(axis=-1)
    came, rows, knots = actuals[known], np.maximum.accumulate(bands[known], axis=-1), _normal(levels)
    # Quantiles that are one (zeros, mostly) are drawn apart by a millionth of the band: no division by 0.
    apart = 1e-6 * (rows[:, -1:] - rows[:, :1]) + 1e-12 * np.abs(rows).mean(axis=1, keepdims=True) + 1e-290
    rows = rows + apart * np.arange(len(knots))
    left = np.clip((rows < came[:, None]).sum(axis=1) - 1, 0, len(knots) - 2)
    at = np.arange(len(came))
    with np.errstate(over="ignore"):
        along = (came - rows[at, left]) / (rows[at, left + 1] - rows[at, left])
    made[known] = np.clip(knots[left] + along * (knots[left + 1] - knots[left]), -FARTHEST, FARTHEST)
    return made


def learned(origins: IntArray, actuals: FloatArray, bands: FloatArray, levels: Sequence[float]) -> Dependence | None:
    """The dependence under which sums of the scores vary as they did in the backtest.

    For blocks of 2, 4, 8 … steps and the whole horizon the mean square of the block's sum is compared with that of
    single steps; the pair whose curve lies nearest (least squares of logarithms) is taken. A history that holds few
    stretches as long as a block tells little of its sum: the variance is widened as Student's quantile is against the
    normal one, with as many degrees of freedom as such stretches fit side by side.

    Args:
        origins: Number of steps known at each origin, shape ``(n,)``.
        actuals: What came, shape ``(n, horizon)``; NaN where unknown.
        bands: Quantiles, shape ``(n, horizon, levels)``; NaN where there were none.
        levels: Rising.

    Returns:
        None where nothing can be learned: fewer than two levels, one step, no errors known.
    """
    horizon = actuals.shape[1]
    if len(levels) < 2 or horizon < 2:
        return None
    found = scores(actuals, bands, levels)
    known = ~np.isnan(found)
    single = float((found[known] ** 2).mean()) if known.any() else 0.0
    sizes = tuple(2**k for k in range(1, horizon.bit_length()) if 2**k < horizon) + (horizon,)
    ratios = np.array([_block_square(found, size) for size in sizes]) / (single or 1.0)
    usable = np.isfinite(ratios) & (ratios > 0)
    if single <= 0 or not usable.any():
        return None
    seen = len(np.unique((origins[:, None] + np.arange(horizon))[known]))
    blocks = np.asarray(sizes, dtype=np.float64)
    widened = np.minimum(ratios * _unsureness(seen / blocks), blocks)  # at most: all steps err alike
    pairs, curves = _curves(sizes)
    distance = ((np.log(curves[:, usable]) - np.log(widened[usable])) ** 2).sum(axis=1)
    lasting, echo = pairs[int(np.argmin(distance))]
    return Dependence(lasting=float(lasting), echo=float(echo))


def shared_by(found: Sequence[FloatArray]) -> float:
    """How much of their errors several signals have in common: the mean correlation of two of them, 0 … 1.

    Args:
        found: ``scores`` of each signal at the same origins, shape ``(n, horizon)`` each.

    Returns:
        The mean over pairs, of all steps at which both are known; 0 for one signal, or where nothing is known.
    """
    pairs = [(one, other) for at, one in enumerate(found) for other in found[at + 1 :]]
    known = [value for one, other in pairs if np.isfinite(value := _correlation(one, other))]
    return float(np.clip(np.mean(known), 0.0, 1.0)) if known else 0.0


def _correlation(one: FloatArray, other: FloatArray) -> float:
    """About 0, not about the mean: a forecast that is too low for long errs, too."""
    both = ~(np.isnan(one) | np.isnan(other))
    product, own, others = (one * other)[both].sum(), (one[both] ** 2).sum(), (other[both] ** 2).sum()
    return float(product / np.sqrt(own * others)) if own > 0 and others > 0 else float("nan")


def _block_square(found: FloatArray, size: int) -> float:
    """Mean square of the sums of blocks of so many steps, ÷ ``size``; NaN where no block is known as a whole."""
    blocks = found.shape[1] // size
    sums = found[:, : blocks * size].reshape(len(found), blocks, size).sum(axis=2)
    whole = sums[~np.isnan(sums)]
    return float((whole**2).mean()) / size if len(whole) else float("nan")


def student(stretches: float) -> float:
    """What a standard deviation known from so many independent stretches is to be multiplied by."""
    return float(np.sqrt(_unsureness(np.array([stretches]))[0]))


def _unsureness(stretches: FloatArray) -> FloatArray:
    """What a variance known from so many independent stretches is to be multiplied by."""
    inverse = [1 / freedom for freedom in reversed(STUDENT)]
    quantiles = np.interp(1 / np.maximum(stretches, 1.0), inverse, list(reversed(STUDENT.values())))
    widened: FloatArray = (quantiles / STUDENT[float("inf")]) ** 2
    return widened


def _normal(levels: Sequence[float] | FloatArray) -> FloatArray:
    """Quantiles of the standard normal distribution."""
    standard = NormalDist()
    return np.array([standard.inv_cdf(float(level)) for level in levels])


@lru_cache(maxsize=64)
def _curves(sizes: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Every pair of the grid, shape ``(pairs, 2)``, and what it makes of sums, shape ``(pairs, sizes)``.

    The variance of the mean of ``m`` unit scores, times ``m``: ``1 + 2·Σ (1 − k/m)·correlation(k)`` over 0 < k < m.
    """
    pairs = np.array([(lasting, 0.5 ** (1 / half)) for lasting in SHARES for half in HALF_LIVES])
    lasting, echo = pairs[:, :1], pairs[:, 1:]
    m = np.asarray(sizes, dtype=np.float64)
    fading = 2 * (echo / (1 - echo) - echo * (1 - echo**m) / (m * (1 - echo) ** 2))
    return pairs, 1 + lasting * (m - 1) + (1 - lasting) * fading
