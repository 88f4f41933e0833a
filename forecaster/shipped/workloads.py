"""Made workloads to learn from: each a random choice of what demand is known to do, none of them recorded anywhere.

Daily and weekly shapes, quiet nights, growth, levels that wander and shift, batch jobs, bursts that fade, holidays,
two-state load, and noise of four kinds. The ranges of the draws are guesses at what services do; they were written down
before the first coefficient was trained and not moved towards any recorded trace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from scipy.signal import lfilter

from domain.series import FloatArray

WEEK: Final = 7
HOURS: Final = 24


def workload(rng: np.random.Generator, *, season_length: int, seasons: int) -> FloatArray:
    """One demand, shape ``(seasons·season_length,)``, never negative.

    Args:
        rng: Every draw comes from here.
        season_length: Steps per day.
        seasons: Days.
    """
    size = seasons * season_length
    clock = (np.arange(size) + rng.integers(WEEK * season_length)) / season_length
    level = np.ones(size)
    for share, part in PARTS:
        if rng.random() < share:
            level = level * part(rng, clock, season_length)
    for share, added in ADDED:
        if rng.random() < share:
            level = level + added(rng, clock, season_length)
    return _noisy(rng, level * 10 ** rng.uniform(-1, 4), season_length)


def _day(rng: np.random.Generator, clock: FloatArray, season_length: int) -> FloatArray:
    """A few waves of the day, in the exponent: peaks are sharper than nights."""
    shape = sum(rng.normal() / k * np.cos(2 * np.pi * (k * clock - rng.random())) for k in range(1, rng.integers(2, 6)))
    made: FloatArray = np.exp(rng.uniform(0.1, 0.9) * np.asarray(shape))
    return made


def _night(rng: np.random.Generator, clock: FloatArray, season_length: int) -> FloatArray:
    """Hours that are quiet, with edges of minutes to hours."""
    half, edge = rng.uniform(0.1, 0.4), rng.uniform(0.005, 0.06)
    apart = np.abs((clock - rng.random()) % 1 - 0.5)
    floor = rng.uniform(0.0, 0.5)
    made: FloatArray = floor + (1 - floor) / (1 + np.exp(np.clip((apart - half) / edge, -50, 50)))
    return made


def _week(rng: np.random.Generator, clock: FloatArray, season_length: int) -> FloatArray:
    """A weekend of less, or each day a little different."""
    if rng.random() < 0.6:
        days = np.ones(WEEK)
        days[5:] = rng.uniform(0.2, 1.1)
    else:
        days = np.exp(0.15 * rng.normal(size=WEEK))
    return np.asarray(days[clock.astype(np.int64) % WEEK])


def _holiday(rng: np.random.Generator, clock: FloatArray, season_length: int) -> FloatArray:
    """One day of much less, or more."""
    day = clock.astype(np.int64)
    return np.where(day == rng.integers(day[0], day[-1] + 1), rng.choice([0.3, 0.5, 1.6]), 1.0)


def _growth(rng: np.random.Generator, clock: FloatArray, season_length: int) -> FloatArray:
    """Up to 5 % a day up or down."""
    made: FloatArray = np.exp(rng.uniform(-0.03, 0.05) * (clock - clock[0]))
    return made


def _wandering(rng: np.random.Generator, clock: FloatArray, season_length: int) -> FloatArray:
    """A level that wanders and returns within half an hour to two days."""
    memory = np.exp(-1 / (season_length * 2 ** rng.uniform(-5.5, 1)))
    steps = rng.normal(size=len(clock)) * np.sqrt(1 - memory**2)
    made: FloatArray = np.exp(rng.uniform(0.03, 0.5) * _filtered(steps, memory))
    return made


def _shifts(rng: np.random.Generator, clock: FloatArray, season_length: int) -> FloatArray:
    """New levels that stay, every few days."""
    jumps = rng.random(len(clock)) < rng.uniform(0.05, 0.5) / season_length
    made: FloatArray = np.exp(np.cumsum(np.where(jumps, rng.normal(0, 0.5, len(clock)), 0.0)) * 0.8)
    return made


def _two_states(rng: np.random.Generator, clock: FloatArray, season_length: int) -> FloatArray:
    """On and off (a worker pool, a cron of somebody else's) for minutes to half a day each."""
    switches = rng.random(len(clock)) < 1 / (season_length * 2 ** rng.uniform(-6, -1))
    made: FloatArray = np.where(np.cumsum(switches) % 2 == 1, rng.uniform(1.3, 6), 1.0)
    return made


def _jobs(rng: np.random.Generator, clock: FloatArray, season_length: int) -> FloatArray:
    """Batch jobs once a day to every hour, each a few steps long, now and then late or left out."""
    per_day = int(rng.choice([1, 2, 4, 6, 12, HOURS]))
    phase = ((clock * per_day + rng.random()) % 1) * season_length / per_day
    run = np.floor(clock * per_day).astype(np.int64)
    late = rng.choice([0.0, 0.0, 1.0], size=int(run.max()) + 1)[run]
    height = np.exp(0.3 * rng.normal(size=int(run.max()) + 1))[run] * (rng.random(int(run.max()) + 1) < 0.95)[run]
    active = (phase >= late) & (phase < late + rng.integers(1, max(2, season_length // 48) + 1))
    return np.asarray(rng.uniform(0.2, 4) * height * active)


def _bursts(rng: np.random.Generator, clock: FloatArray, season_length: int) -> FloatArray:
    """Crowds that come at once and fade within minutes to hours."""
    begin = rng.random(len(clock)) < rng.uniform(0.1, 6) / season_length
    heights = np.where(begin, rng.uniform(0.3, 2) * np.exp(rng.normal(0, 0.8, len(clock))), 0.0)
    return _filtered(heights, np.exp(-1 / (season_length * 2 ** rng.uniform(-8, -3))))


def _noisy(rng: np.random.Generator, level: FloatArray, season_length: int) -> FloatArray:
    """What is measured of a level: relative noise, some heavy-tailed; counts; a ceiling; whole numbers."""
    kind = rng.choice(["relative", "heavy", "counts", "counts", "steady"])
    if kind == "counts":
        rate = np.minimum(level * min(1.0, 300 / level.mean()), 1e6)
        return np.asarray(rng.poisson(rate), dtype=np.float64)
    spread = rng.uniform(0.01, 0.3) if kind != "steady" else 0.01
    draws = rng.standard_t(3, len(level)) / 1.7 if kind == "heavy" else rng.normal(size=len(level))
    noisy = level * np.exp(np.clip(spread * draws, -2, 2))
    if rng.random() < 0.2:
        noisy = np.minimum(noisy, np.quantile(noisy, rng.uniform(0.9, 1)))
    return np.round(noisy) if rng.random() < 0.2 and level.mean() > 20 else noisy


def _filtered(steps: FloatArray, memory: float) -> FloatArray:
    """``x[t] = memory·x[t − 1] + steps[t]``."""
    made: FloatArray = np.asarray(lfilter([1.0], [1.0, -memory], steps), dtype=np.float64)
    return made


Part = Callable[[np.random.Generator, FloatArray, int], FloatArray]
PARTS: Final[tuple[tuple[float, Part], ...]] = (
    (0.75, _day), (0.3, _night), (0.5, _week), (0.15, _holiday), (0.3, _growth), (0.7, _wandering), (0.3, _shifts),
    (0.15, _two_states),
)  # fmt: skip
"""How often each stands in a workload."""
ADDED: Final[tuple[tuple[float, Part], ...]] = ((0.35, _jobs), (0.45, _bursts))
