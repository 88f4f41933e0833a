"""How the members' forecasts become one, with a band: weighted by what each did on the last stretches of the history.

Each stretch (fold) was forecast from what came before it. A member weighs the inverse square of its error there; the
forecast is the mean of the middle half of the weighted members, so that one that strays moves nothing. The band comes
from the same folds, each blended with the weights of the *other* folds: errors of a blend that had not seen them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.series import FloatArray, IntArray

POWER: Final = 2.0
"""On M4 hourly, mean OWA of three stretches: 1.5 gives 0.581, 2 gives 0.579, 3 gives 0.583."""
REACH: Final = 3.0
"""A forecast further than so many ranges of the history beyond it is refused."""
SEEN_INFLATION: Final = 1.3
"""Of the band where the only fold also set the weights (facts §2b: 1.0 covers 0.87 of the 0.95 band asked for)."""
UNSKILLED: Final = 1.5
"""Times the best naive member's loss from which that one is served alone. On three folds a loss by less is chance: at
1.0 every tenth M4 series would switch, and the OWA rise by up to 2 %."""
SINGLE_SERIES: Final = 50.0
"""Errors after which a series' own quantiles weigh as much as those of all series of its batch (facts §7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """What the members said and what came.

    Attributes:
        members: Names.
        past: Members' forecasts of each fold, shape ``(members, folds, series, horizon)``.
        came: What came, shape ``(folds, series, horizon)``; NaN where nothing was measured: it weighs nothing.
        ahead: Members' forecasts from the end of the history, shape ``(members, series, horizon)``.
        simple: How many of the first members are the naive ones that the blend must not lose to.
    """

    members: tuple[str, ...]
    past: FloatArray
    came: FloatArray
    ahead: FloatArray
    simple: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """One forecast for each series.

    Attributes:
        mean: Shape ``(series, horizon)``.
        weights: Of each member, shape ``(members, series)``; they sum to 1.
        errors: Came − blend on each fold, the fold's own errors unseen; shape ``(folds, series, horizon)``; bridged
            from the errors beside them where nothing was measured.
        past: The blend on each fold, of the same shape.
        member_loss: Mean absolute error of each member over the folds, shape ``(members, series)``.
        loss: The same of the blend, shape ``(series,)``.
        beaten: Where a simple member stands alone, because the blend did clearly worse.
        sound: Where a member stayed within reason and half a fold was measured; elsewhere the blend means nothing.
    """

    mean: FloatArray
    weights: FloatArray
    errors: FloatArray
    past: FloatArray
    member_loss: FloatArray
    loss: FloatArray
    beaten: NDArray[np.bool_]
    sound: NDArray[np.bool_]


def within_reason(points: FloatArray, batch: FloatArray) -> NDArray[np.bool_]:
    """Which of ``points``, shape ``(…, series, horizon)``, stay near the history; shape ``(…, series)``."""
    low, high = (bound[:, None] for bound in _reach(batch))
    with np.errstate(invalid="ignore"):
        inside = (points >= low) & (points <= high)
    return np.asarray(inside.all(axis=-1))


def clipped(values: FloatArray, batch: FloatArray) -> FloatArray:
    """``values``, shape ``(series, …)``, within reason, and not below 0 where the history never was."""
    low, high = _reach(batch)
    low = np.where(batch.min(axis=1) >= 0, 0.0, low)
    beside = (-1, *(1,) * (values.ndim - 1))
    kept: FloatArray = np.clip(values, low.reshape(beside), high.reshape(beside))
    return kept


def _reach(batch: FloatArray) -> tuple[FloatArray, FloatArray]:
    low, high = batch.min(axis=1), batch.max(axis=1)
    reach = REACH * (high - low)
    return low - reach, high + reach


def blend(folds: Folds, batch: FloatArray, *, power: float = POWER) -> Blend:
    """Weight, combine, and tell the errors that such a blend made on the folds.

    A member that leaves the bounds of reason on any fold or ahead has no weight for that series.
    """
    sound = within_reason(folds.past, batch).all(axis=1) & within_reason(folds.ahead, batch)
    past = np.where(sound[:, None, :, None], folds.past, 0.0)
    ahead = np.where(sound[..., None], folds.ahead, 0.0)
    known = ~np.isnan(folds.came)
    came = np.where(known, folds.came, 0.0)
    misses = np.where(known, np.abs(came - past), 0.0).sum(axis=-1)  # (members, folds, series)
    counts = known.sum(axis=-1)
    tiny = 1e-9 * np.abs(batch).mean(axis=1) + 1e-290
    member_loss = np.where(sound, _mean_loss(misses, counts), np.inf)
    weights = _weights(member_loss, tiny, power)
    unseen = [_weights(np.where(sound, loss, np.inf), tiny, power) for loss in _without_each(misses, counts)]
    blended = np.stack([middle_mean(past[:, fold], unseen[fold]) for fold in range(len(unseen))])
    loss = _mean_loss(np.where(known, np.abs(came - blended), 0.0).sum(axis=-1)[None], counts)[0]
    beaten = loss > UNSKILLED * member_loss[: folds.simple].min(axis=0) + 1e3 * tiny
    if beaten.any():
        best = np.argmin(member_loss[: folds.simple], axis=0)
        alone = np.arange(len(weights))[:, None] == best
        weights = np.where(beaten, alone, weights)
        blended = np.where(beaten[:, None], (alone[:, None, :, None] * past).sum(axis=0), blended)
        loss = _mean_loss(np.where(known, np.abs(came - blended), 0.0).sum(axis=-1)[None], counts)[0]
    enough = counts.sum(axis=0) * 2 >= came.shape[2]
    return Blend(
        mean=middle_mean(ahead, weights), weights=weights, errors=_bridged(folds.came - blended), past=blended,
        member_loss=member_loss, loss=loss, beaten=beaten, sound=sound.any(axis=0) & enough,
    )  # fmt: skip


def _mean_loss(misses: FloatArray, counts: IntArray) -> FloatArray:
    """Sums of absolute errors, shape ``(members, folds, series)``, ÷ how many were known: ``(members, series)``."""
    loss: FloatArray = misses.sum(axis=1) / np.maximum(counts.sum(axis=0), 1)
    return loss


def _bridged(errors: FloatArray) -> FloatArray:
    """Errors of steps that were not measured, on the line between those beside them."""
    for row in np.flatnonzero(np.isnan(errors).any(axis=(0, 2))):
        flat = errors[:, row].ravel()
        known = np.flatnonzero(~np.isnan(flat))
        if len(known):
            flat = np.interp(np.arange(len(flat)), known, flat[known])
        errors[:, row] = np.nan_to_num(flat).reshape(errors[:, row].shape)
    return errors


def _without_each(misses: FloatArray, counts: IntArray) -> list[FloatArray]:
    """Mean loss over all folds but each one, shape ``(members, series)``; the only fold itself where there is one."""
    count = misses.shape[1]
    if count == 1:
        return [_mean_loss(misses, counts)]
    return [_mean_loss(np.delete(misses, fold, axis=1), np.delete(counts, fold, axis=0)) for fold in range(count)]


def middle_mean(points: FloatArray, weights: FloatArray) -> FloatArray:
    """Mean of the middle half of the weighted members, at each step.

    Args:
        points: Shape ``(members, series, horizon)``.
        weights: Shape ``(members, series)``, summing to 1.

    Returns:
        Shape ``(series, horizon)``.
    """
    order = np.argsort(points, axis=0, kind="stable")
    ranked = np.take_along_axis(points, order, axis=0)
    shares = np.take_along_axis(np.broadcast_to(weights[..., None], points.shape), order, axis=0)
    above = np.cumsum(shares, axis=0)
    inside = np.maximum(np.minimum(above, 0.75) - np.maximum(above - shares, 0.25), 0.0)
    middle: FloatArray = (inside * ranked).sum(axis=0) / inside.sum(axis=0)
    return middle


def band(made: Blend, levels: Sequence[float], *, edges: Sequence[int], floor: FloatArray | None = None) -> FloatArray:
    """Quantiles around the blend, whose own path is the median.

    Errors are taken in units of each series' usual error or, with ``floor``, of the forecast itself: what is forecast
    twice as high errs twice as much. Their quantiles, by band of steps, come from the series itself and from all series
    of the batch, the more from itself the more errors it has.

    Args:
        made: The blend and its errors.
        levels: Rising, each in (0, 1).
        edges: Bounds of the bands of steps, from 0 to the horizon.
        floor: Smallest size of a forecast as a unit, shape ``(series,)``, > 0.

    Returns:
        Shape ``(series, horizon, levels)``, rising along the last axis.
    """
    folds, series, horizon = made.errors.shape
    usual = np.maximum(made.loss, 1e-12 * np.abs(made.mean).max(axis=1) + 1e-290)
    unit = np.repeat(usual[:, None], horizon, axis=1) if floor is None else np.maximum(made.mean, floor[:, None])
    past_unit = unit if floor is None else np.maximum(made.past, floor[:, None])
    scaled = made.errors / past_unit
    inflation = SEEN_INFLATION if folds == 1 else 1.0
    values = np.empty((series, horizon, len(levels)))
    for first, end in zip(edges[:-1], edges[1:], strict=True):
        part = scaled[..., first:end].transpose(1, 0, 2).reshape(series, -1)
        offsets = inflation * _offsets(part, levels, folds)
        values[:, first:end] = made.mean[:, first:end, None] + unit[:, first:end, None] * offsets[:, None]
    return np.maximum.accumulate(values, axis=2)


def _offsets(errors: FloatArray, levels: Sequence[float], folds: int) -> FloatArray:
    """Quantiles of each row, shrunk to those of all rows, as distances from the median; shape ``(rows, levels)``."""
    rows, count = errors.shape
    # A fold's neighbouring errors are nearly one: two to a fold and band are counted as independent.
    own = np.quantile(errors, _outward((0.5, *levels), folds * 2), axis=1)
    pooled = np.quantile(errors, _outward((0.5, *levels), folds * rows), axis=None)
    share = count / (count + SINGLE_SERIES) if rows > 1 else 1.0
    offsets: FloatArray = share * (own[1:] - own[0]).T + (1 - share) * (pooled[1:] - pooled[0])
    return offsets


def _weights(loss: FloatArray, tiny: FloatArray, power: float) -> FloatArray:
    """Inverse power of the loss; equal ones where none is finite (the caller then serves something else)."""
    best = loss.min(axis=0) + tiny
    raw = np.where(np.isfinite(loss), (np.where(np.isfinite(best), best, 1.0) / (loss + tiny)) ** power, 0.0)
    raw = np.where(np.isfinite(best), raw, 1.0)
    weights: FloatArray = raw / raw.sum(axis=0)
    return weights


def _outward(levels: Sequence[float], count: float) -> FloatArray:
    """Levels moved outward by ``(n + 1) ÷ n``, so that a new error is covered with the probability asked for."""
    asked = np.asarray(levels, dtype=np.float64)
    moved: FloatArray = np.clip(0.5 + (asked - 0.5) * (count + 1) / count, 0.0, 1.0)
    return moved
