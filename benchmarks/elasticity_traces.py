"""The recorded workloads of ``benchmarks.elasticity``: read, mended, scaled to 40 replicas, put on the 15 s grid.

Rules look at periods and noise, never at names: a trace whose own noise, scaled up, is far above what the protocol
adds is replayed as it is and, if recorded by the minute, also smoothed over five minutes with the protocol's noise.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.forecast_traces import FloatArray, NoTracesError, read_rows
from controller.simulate import protocol
from controller.simulate.service import Service

COARSEST_SECONDS: Final = 3_600
SECOND_CLASS_SECONDS: Final = 300
DAYS: Final = 60
COARSE_DAYS: Final = 70
FEWEST_DAYS: Final = 6
NOISY: Final = 200.0
"""Own dispersion, ten times the protocol's: scaled up from a service hundreds of times smaller."""
SMOOTH_MINUTES: Final = 5
DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Offered requests per second every 15 s."""

    name: str
    load_rps: FloatArray

    @property
    def roughness(self) -> float:
        """Mean change from one minute to the next, relative to the mean load."""
        minutes = self.load_rps[: len(self.load_rps) // 4 * 4].reshape(-1, 4).mean(axis=1)
        return float(np.abs(np.diff(minutes)).mean() / minutes.mean())


def workloads(data: Path, *, service: Service) -> list[Workload]:
    """All of ``DATA/traces``, or of DATA itself.

    Raises:
        NoTracesError: None is there.
    """
    folder = data / "traces" if (data / "traces").is_dir() else data
    made = [one for file in sorted(folder.glob("*.csv*")) for one in _read(file, service)]
    if not made:
        raise NoTracesError(f"{folder}: no trace of an hour or finer and {FEWEST_DAYS} days or longer")
    return made


def surging(calm: Workload, *, factor: float = 2.5, minutes: int = 30, seed: int = 7) -> Workload:
    """The same with a step up every day at noon, two minutes early or late, on nine days of ten."""
    dice = np.random.default_rng(seed)
    load = calm.load_rps.copy()
    for begin in range(protocol.DAY_TICKS // 2, len(load), protocol.DAY_TICKS):
        shift, there = dice.integers(-8, 9), dice.random() >= 0.1
        if there:
            load[begin + shift : begin + shift + 4 * minutes] *= factor
    return Workload(name=f"{calm.name} with surges", load_rps=load)


def _read(file: Path, service: Service) -> list[Workload]:
    seconds, values = read_rows(file)
    if len(seconds) < 2:
        return []
    period = int(np.median(np.diff(seconds)))
    if period > COARSEST_SECONDS or period % protocol.TICK_SECONDS:
        return []
    whole = _mended(seconds, values, period)
    days = DAYS if period < SECOND_CLASS_SECONDS else COARSE_DAYS
    whole = whole[-days * DAY_SECONDS // period :]
    if len(whole) * period < FEWEST_DAYS * DAY_SECONDS:
        print(f"benchmarks.elasticity: {file.name} is shorter than {FEWEST_DAYS} days", file=sys.stderr)
        return []
    name = file.name.split(".")[0]
    raw = protocol.scaled(protocol.grid(whole, period_seconds=period), service=service)
    # Of coarse recordings nobody can tell noise from shape.
    own = _dispersion(whole) * float(raw.mean()) * period / float(whole.mean())
    if period >= SECOND_CLASS_SECONDS or own < NOISY:
        return [Workload(name=name, load_rps=protocol.noisy(raw))]
    width = SMOOTH_MINUTES * 60 // period
    smooth = np.convolve(whole, np.ones(width) / width, "same")
    smooth = protocol.scaled(protocol.grid(smooth, period_seconds=period), service=service)
    return [
        Workload(name=f"{name} raw", load_rps=raw), Workload(name=f"{name} smoothed", load_rps=protocol.noisy(smooth))
    ]  # fmt: skip


def _dispersion(values: FloatArray) -> float:
    """Variance over mean of neighbours' differences, robust to ramps: the median of hours, by curvature."""
    curve = values[1:-1] - (values[2:] + values[:-2]) / 2
    size = len(curve) // 60 * 60
    spread = (curve[:size] ** 2).reshape(-1, 60).mean(axis=1) / 1.5
    level = values[1 : 1 + size].reshape(-1, 60).mean(axis=1)
    known = level > 0
    return float(np.median(spread[known] / level[known]))


def _mended(seconds: FloatArray, values: FloatArray, period: int) -> FloatArray:
    """On a whole grid: short gaps interpolated, gaps of half a day or more cut out by whole days."""
    cells = np.round((seconds - seconds[0]) / period).astype(np.int64)
    per_day = DAY_SECONDS // period
    gaps = np.diff(cells, prepend=cells[0])
    cut = np.where(gaps > per_day / 2, np.round(gaps / per_day) * per_day, 0).astype(np.int64)
    cells -= np.cumsum(cut)
    places, first = np.unique(cells, return_index=True)
    return np.asarray(np.interp(np.arange(places[0], places[-1] + 1), places, values[first]))
