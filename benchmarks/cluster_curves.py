"""The load curves of ``benchmarks.cluster_ahead``: a stretch of a day, and the two weeks that lie before it.

With ``--data`` the recorded workloads of ``benchmarks.elasticity`` (40 replicas at their peak, its noise), and the
calmest of them once more with a surge on most days; of each the busiest day of its second half. Without it three are
made: days as people make them, the same with such surges, and the same with a rush that no other day has. The stretch
ends an hour after the day's busiest five minutes. Nothing looks at what the controllers would do there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.elasticity_traces import Workload, surging, workloads
from controller.simulate import protocol
from controller.simulate.loop import FloatArray
from controller.simulate.service import Service
from domain.load_ahead import TICK
from forecaster.leads import HISTORY

DAY: Final = protocol.DAY_TICKS
HOUR: Final = DAY // 24
HISTORY_TICKS: Final = HISTORY // TICK
BUSIEST_TICKS: Final = 20
SERVICE: Final = Service.queue()
SEED: Final = 20_261_123
MADE_DAYS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Offered load by ticks of 15 s, in replicas that are busy for all of their time.

    Attributes:
        name: A DNS label.
        load: Before and during the stretch.
        begin: The stretch's first tick, at least two weeks and a little in.
    """

    name: str
    load: FloatArray
    begin: int

    def at(self, tick: int) -> float:
        """Counted from the begin of the stretch."""
        return float(self.load[min(self.begin + tick, len(self.load) - 1)])

    def mean(self, first: int, last: int) -> float:
        """Of these ticks, both included."""
        return float(self.load[self.begin + first : self.begin + last + 1].mean())


def curves(data: Path | None, *, ticks: int) -> list[Curve]:
    """Each with a stretch of so many ticks."""
    found = _made() if data is None else workloads(data, service=SERVICE)
    if data is not None:
        calmest = min(found, key=lambda one: one.roughness)
        found.append(surging(calmest))
    return [_stretch(one, ticks) for one in found]


def _stretch(of: Workload, ticks: int) -> Curve:
    load = of.load_rps / SERVICE.capacity_rps
    days = len(load) // DAY
    first = max(days // 2, -(-HISTORY_TICKS // DAY) + 1)
    busiest = max(range(first, days), key=lambda day: float(load[day * DAY : (day + 1) * DAY].sum()))
    end = min(busiest * DAY + peak_end(load[busiest * DAY : (busiest + 1) * DAY]), len(load))
    return Curve(name=of.name.replace("_", "-").replace(" ", "-"), load=load, begin=end - ticks)


def peak_end(day: FloatArray) -> int:
    """The tick an hour after the day's busiest five minutes."""
    return int(np.convolve(day, np.ones(BUSIEST_TICKS), "same").argmax()) + HOUR


def _made() -> list[Workload]:
    dice = np.random.default_rng(SEED)
    hours = np.arange(MADE_DAYS * DAY) / HOUR
    level = np.repeat(dice.normal(1.0, 0.08, MADE_DAYS), DAY)
    week = np.where(np.arange(MADE_DAYS * DAY) // DAY % 7 < 5, 1.0, 0.75)
    days = (
        (1.0 + 0.6 * np.cos(2 * np.pi * (hours - 15) / 24) + 0.2 * np.cos(4 * np.pi * (hours - 10) / 24)) * level * week
    )
    rush = days.copy()
    at = (MADE_DAYS - 1) * DAY + 13 * HOUR
    rush[at : at + HOUR] *= np.minimum(1 + 1.5 * np.arange(HOUR) / (HOUR / 4), 2.5)
    calm = Workload(name="days", load_rps=_scaled(days))
    return [calm, surging(calm, seed=SEED), Workload(name="rush", load_rps=_scaled(rush))]


def _scaled(load: FloatArray) -> FloatArray:
    return protocol.noisy(protocol.scaled(load, service=SERVICE))
