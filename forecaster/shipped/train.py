"""Train the shipped coefficients: ``python -m forecaster.shipped.train -o FILE``; a few minutes, no network, no data.

Made workloads are cut at random moments as a forecaster would find them: hours or days of history, the rest tiled back.
What came afterwards teaches the quantile ridge, for each season length, length of history and range of horizons.
The same program gives the same coefficients, up to the rounding of the linear algebra underneath.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from domain.series import FloatArray, IntArray
from forecaster import cold_start, engine
from forecaster.models import quantile_ridge
from forecaster.shipped.coefficients import FILE, KNOWN, LEVELS, SEASONS, VERSION
from forecaster.shipped.workloads import workload
from forecaster.windows import Newest, features, moments

SEED: Final = 20_240_601
WORKLOADS: Final = 480
DAYS: Final = 16
CUTS: Final = 16
"""Moments at which each workload is cut, for each length of history."""
AHEADS: Final = 3
"""Steps asked of each cut in each range of horizons."""
JITTER: Final = 1.25
"""Lengths of history are drawn up to this ratio around each of ``KNOWN``: no one alignment of the tiles is learnt."""
BLOCK: Final = 240
"""Cuts that are looked at together, at a season of 288: some 10 MB."""


def train(season_length: int, *, workloads: int = WORKLOADS, cuts: int = CUTS) -> FloatArray:
    """Coefficients of one season length, shape ``(known, ranges, levels, columns)``."""
    rng = np.random.default_rng([SEED, season_length])
    made = [workload(rng, season_length=season_length, seasons=DAYS) for _ in range(workloads)]
    return np.stack([_taught(made, season_length, seasons, cuts, rng) for seasons in KNOWN])


def _taught(
    made: Sequence[FloatArray], season_length: int, seasons: float, cuts: int, rng: np.random.Generator
) -> FloatArray:
    """Coefficients for one length of history, shape ``(ranges, levels, columns)``."""
    ranges, block = quantile_ridge.ranges(season_length), max(1, BLOCK * 288 // season_length)
    drawn = [_cut(values, season_length, seasons, rng) for values in made for _ in range(cuts)]
    moving = [cut for cut in drawn if np.ptp(cut[0]) > 0]
    blocks = []
    for at in range(0, len(moving), block):
        known, came, usual = (np.stack(part) for part in zip(*moving[at : at + block], strict=True))
        blocks.append(_rows(known, came, usual, season_length, ranges))
    return np.stack([_fitted([one[each] for one in blocks]) for each in range(len(ranges))])


def _cut(
    values: FloatArray, season_length: int, seasons: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A history as a forecaster would find it, what came, and the usual error of the last season repeated."""
    short = seasons < cold_start.TILED
    size = (cold_start.TILED if short else round(seasons)) * season_length
    drawn = round(seasons * season_length * JITTER ** rng.uniform(-1, 1))
    length = max(cold_start.shortest(season_length), drawn) if short else size
    end = int(rng.integers(length, len(values) - season_length + 1))
    usual = np.abs(values[season_length:] - values[:-season_length]).mean(keepdims=True) + 1e-9
    known = cold_start.tiled(values[end - length : end], season_length, size)
    return known, values[end : end + season_length], usual


def _rows(
    known: FloatArray, came: FloatArray, usual: FloatArray, season_length: int, ranges: Sequence[tuple[int, int]]
) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
    """By range of horizons: rows, targets in spreads of the window, and what such a spread is in usual errors."""
    scale = engine.Scale.of(known)
    soft, later = scale.soft(known), scale.soft(came)
    reads = Newest(soft, season_length, soft.std(axis=1) + 1e-12)
    now = moments(reads, np.array([soft.shape[1]]))
    made = []
    for first, last in ranges:
        ahead: IntArray = np.unique(np.linspace(first, last, AHEADS).astype(np.int64))
        rows = features(reads, now, ahead)
        apart = (later[:, ahead - 1] - rows.centre) / rows.scale
        far = quantile_ridge.FARTHEST_TARGET
        made.append((rows.rows, np.clip(apart, -far, far), rows.scale * scale.slope(rows.centre) / usual))
    return made


def _fitted(blocks: Sequence[tuple[FloatArray, FloatArray, FloatArray]]) -> FloatArray:
    """Coefficients of one range, shape ``(levels, columns)``.

    A row counts by the root of what its errors cost in the data's unit, in errors of seasonal naive: an error on a
    logarithm is small change in a calm window. Weighed as in a full history (by the root of the spread alone) WQL a day
    ahead is up to 14 % higher, weighed by the whole cost that of 10 minutes ahead up to 5 %.
    """
    rows, targets, cost = (np.concatenate([block[part] for block in blocks]) for part in range(3))
    one = (1, targets.size)
    weights = quantile_ridge.weights(cost.reshape(one), np.ones(one, dtype=np.bool_))
    found = quantile_ridge.shared(rows.reshape(*one, -1), targets.reshape(one), weights, LEVELS, most=targets.size)
    return found.astype(np.float64)


def write(trained: dict[int, FloatArray], file: Path) -> None:
    """In half precision: a coefficient is told to a thousandth, far below what the data tell."""
    arrays: dict[str, Any] = {
        f"season_{season}": coefficients.astype(np.float16) for season, coefficients in trained.items()
    }
    held = io.BytesIO()
    np.savez_compressed(held, version=np.int64(VERSION), **arrays)
    file.write_bytes(held.getvalue())


def main(arguments: Sequence[str] | None = None) -> int:
    """Train all season lengths and write the file."""
    parser = argparse.ArgumentParser(prog="python -m forecaster.shipped.train", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, help=f"the file to write, {FILE} in this package")
    asked = parser.parse_args(arguments)
    trained = {}
    for season_length in SEASONS:
        trained[season_length] = train(season_length)
        print(f"{season_length} steps per season: trained", file=sys.stderr)
    write(trained, asked.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
