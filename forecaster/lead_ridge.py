"""Ridge regression that forgets, walk-forward: weights of a block stand on rows whose outcome was known before it."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.signal import lfilter

from forecaster.lead_features import FloatArray

EVERY: Final = 4
"""Rows a minute apart are learned from: neighbours of 15 s tell the same."""
SHARE: Final = 1e-3
"""Part of each feature's own variance that is added to the penalty, so that collinear features cannot run away."""


def walk_forward(
    features: FloatArray, outcome: FloatArray, *, known: int, block: int, half_life: float,
    weight: FloatArray | None = None, prior: FloatArray | None = None, strength: float = 20.0,
) -> FloatArray:  # fmt: skip
    """Predictions of ``outcome``.

    Args:
        features: Shape ``(ticks, features)``.
        outcome: Shape ``(ticks,)``; may be anything where it is not known by the end.
        known: Ticks until an outcome is known.
        block: Ticks for which one set of weights is used.
        half_life: In blocks.
        weight: Of each row, shape ``(ticks,)``; 1 by default.
        prior: Weights that data pull away from; zeros by default.
        strength: How many rows' worth of pull a feature of size 1 needs.
    """
    ticks, count = features.shape
    blocks = -(-ticks // block)
    padded = np.zeros((blocks * block, count))
    padded[:ticks] = features
    rows = padded.reshape(blocks, block, count)
    outcomes = np.zeros(blocks * block)
    outcomes[:ticks] = outcome
    learned_from = rows[:, ::EVERY]
    turned = learned_from.transpose(0, 2, 1)
    if weight is not None:
        at_stake = np.zeros(blocks * block)
        at_stake[:ticks] = weight
        turned = turned * at_stake.reshape(blocks, 1, block)[:, :, ::EVERY]
    squares = turned @ learned_from
    products = turned @ outcomes.reshape(blocks, block)[:, ::EVERY, None]
    weights = _weights(squares, products, 1 + -(-known // block), half_life, prior, strength)
    predicted = (rows @ weights).reshape(-1)
    return np.asarray(predicted[:ticks])


def _weights(
    squares: FloatArray, products: FloatArray, behind: int, half_life: float, prior: FloatArray | None, strength: float
) -> FloatArray:
    blocks, count, _ = squares.shape
    kept = 0.5 ** (1 / half_life)
    gram = shifted(lfilter([1.0], [1.0, -kept], squares, axis=0), behind)
    right = shifted(lfilter([1.0], [1.0, -kept], products, axis=0), behind)
    before = np.zeros(count) if prior is None else prior
    penalty = strength + SHARE * np.einsum("bii->bi", gram)
    gram[:, np.arange(count), np.arange(count)] += penalty
    return np.asarray(np.linalg.solve(gram, right + (penalty * before)[..., None]))


def shifted(values: FloatArray, blocks: int) -> FloatArray:
    """The values so many blocks later, zeros before."""
    made = np.zeros_like(values)
    if blocks < len(values):
        made[blocks:] = values[:-blocks]
    return made
