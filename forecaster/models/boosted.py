"""Optional member for 4–24 h: one LightGBM model per quantile for all series of a batch.

It sees what the quantile ridge sees and how far ahead is asked, and finds the bends that a linear map cannot. Needs the
``lightgbm`` extra; imported when first used (1.2 s, 180 MB), trained on one thread and without chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.errors import FitFailedError
from domain.series import FloatArray
from forecaster.models.quantile_ridge import FARTHEST_TARGET
from forecaster.windows import Reads, features, moments

NEAREST: Final = 48
"""Steps nearer than this are left to the closed-form members: as good there, and far cheaper."""
STRIDE: Final = 13
HORIZONS_PER_WINDOW: Final = 6
MOST_ROWS: Final = 500_000
TREES: Final = 120
SETTINGS: Final[dict[str, Any]] = {
    "objective": "quantile", "learning_rate": 0.06, "num_leaves": 31, "min_data_in_leaf": 60, "feature_fraction": 0.7,
    "lambda_l2": 5.0, "num_threads": 1, "deterministic": True, "force_row_wise": True, "seed": 1, "verbosity": -1,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Boosted:
    """One booster per level."""

    boosters: tuple[Any, ...]

    def paths(self, reads: Reads, t: int, horizon: int) -> FloatArray:
        """Quantiles of steps ``NEAREST + 1`` to ``horizon``, shape ``(series, steps, levels)``."""
        known = moments(reads, np.array([t]))
        ahead = np.arange(NEAREST + 1, horizon + 1)
        asked = features(reads, known, ahead)
        rows = _with_distance(asked.rows, ahead, reads.lengths.season)
        flat = rows.reshape(-1, rows.shape[-1])
        made = np.stack([booster.predict(flat) for booster in self.boosters], axis=-1).reshape(*rows.shape[:2], -1)
        found: FloatArray = asked.centre[..., None] + asked.scale[..., None] * made
        return np.sort(found, axis=-1)


def fit(
    reads: Reads, values: FloatArray, measured: NDArray[np.bool_], *, horizon: int, levels: Sequence[float], first: int
) -> Boosted:
    """Train on the histories of the batch.

    Raises:
        FitFailedError: The extra is not installed, the horizon too near, or nothing to learn from.
    """
    try:
        import lightgbm
    except ImportError as error:
        raise FitFailedError("the lightgbm member needs the extra: pip install 'foretide[lightgbm]'") from error
    rows, targets, weights = _training(reads, values, measured, horizon, first)
    if len(targets) < 500:
        raise FitFailedError(f"{len(targets)} rows are too few to boost")
    boosters = [
        lightgbm.train({**SETTINGS, "alpha": level}, lightgbm.Dataset(rows, targets, weight=weights), TREES)
        for level in levels
    ]
    return Boosted(boosters=tuple(boosters))


def _training(
    reads: Reads, values: FloatArray, measured: NDArray[np.bool_], horizon: int, first: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rows, targets and weights of all series; each window asks about a few horizons, spread over the range."""
    ends = np.arange(values.shape[1] - 1, first, -STRIDE)
    width = horizon - NEAREST
    rows, targets, weights = [], [], []
    for lap in range(HORIZONS_PER_WINDOW):
        ahead = NEAREST + 1 + (np.arange(len(ends)) * 67 + lap * width // HORIZONS_PER_WINDOW) % width
        usable = ends + ahead <= values.shape[1]
        t, asked_ahead = ends[usable], ahead[usable]
        asked = features(reads, moments(reads, t), asked_ahead)
        at = t + asked_ahead - 1
        good = measured[:, at] & measured[:, t - 1]
        scaled = np.clip((values[:, at] - asked.centre) / asked.scale, -FARTHEST_TARGET, FARTHEST_TARGET)
        typical = np.exp(np.log(asked.scale).mean(axis=1, keepdims=True))
        rows.append(_with_distance(asked.rows, asked_ahead, reads.lengths.season)[good])
        targets.append(scaled[good])
        weights.append(np.sqrt(np.clip(asked.scale / typical, 0.1, 10))[good])
    thin = -(-sum(map(len, targets)) // MOST_ROWS)
    return np.concatenate(rows)[::thin], np.concatenate(targets)[::thin], np.concatenate(weights)[::thin]


def _with_distance(rows: FloatArray, ahead: NDArray[np.int64], season: int) -> FloatArray:
    """The constant column becomes the distance in seasons."""
    told = rows.copy()
    told[..., -1] = ahead / season
    return told
