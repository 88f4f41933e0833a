"""Ridge regression that forgets, walk-forward: weights of a block stand on rows whose outcome was known before it."""

from __future__ import annotations

from typing import Final

import numpy as np

from forecaster.lead_decay import summed
from forecaster.lead_features import FloatArray

EVERY: Final = 4
"""Rows a minute apart are learned from: neighbours of 15 s tell the same."""
STRENGTH: Final = 20.0
SHARE: Final = 1e-3
"""Part of each feature's own variance that is added to the penalty, so that collinear features cannot run away."""


def walk_forward(
    features: FloatArray, outcome: FloatArray, *, known: int, block: int, half_life: float,
    weight: FloatArray | None = None, prior: FloatArray | None = None, strength: float = STRENGTH,
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
    weights = _weights(squares, products, behind(known, block), half_life, prior, strength)
    predicted = (rows @ weights).reshape(-1)
    return np.asarray(predicted[:ticks])


def behind(known: int, block: int) -> int:
    """How many blocks lie between a block and the newest one that it may learn from, that one included."""
    return 1 + -(-known // block)


def _weights(
    squares: FloatArray, products: FloatArray, late: int, half_life: float, prior: FloatArray | None, strength: float
) -> FloatArray:
    kept = 0.5 ** (1 / half_life)
    gram = shifted(summed(squares, kept), late)
    right = shifted(summed(products, kept), late)
    return solved(gram, right, prior, strength)


def solved(gram: FloatArray, right: FloatArray, prior: FloatArray | None, strength: float) -> FloatArray:
    """The weights from sums over what was learned, shapes ``(…, features, features)`` and ``(…, features, 1)``."""
    count = gram.shape[-1]
    before = np.zeros(count) if prior is None else prior
    penalty = strength + SHARE * np.einsum("...ii->...i", gram)
    pulled = gram.copy()
    pulled[..., np.arange(count), np.arange(count)] += penalty
    return np.asarray(np.linalg.solve(pulled, right + (penalty * before)[..., None]))


def shifted(values: FloatArray, blocks: int) -> FloatArray:
    """The values so many blocks later, zeros before."""
    made = np.zeros_like(values)
    if blocks < len(values):
        made[blocks:] = values[:-blocks]
    return made
