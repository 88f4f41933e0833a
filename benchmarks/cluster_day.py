"""All that is written to the API server in a day of moving metrics, and in passes without a changed decision.

120 rules are objects of the cluster, so that their statuses and events are in it, and follow measured load, which moves
more than a forecast of it. Each lives one hour of the day, one after another begun, so that together they see every
hour of it five times; the half hour before, in which all floors come up from nothing, is not counted. The calendar is
moved by hand, so that it takes minutes, and writes are divided by its seconds. The renewals of the Lease go by real
seconds and by process, whatever the number of rules: they come on top once, as of a program with 1,000 rules.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.cluster_fleet import HIGH, PER_REPLICA, fleet
from benchmarks.cluster_pass import LEASES, Told, run, writes_of
from benchmarks.report import Row
from domain.series import FloatArray
from tests.cluster.control_plane import Cluster

RULES: Final = 120
TICK_SECONDS: Final = 15
A_DAY: Final = 86_400 // TICK_SECONDS
BEFORE: Final = 1_800 // TICK_SECONDS
PASSES: Final = 3_600 // TICK_SECONDS
_NIGHT: Final = 0.2
"""Of the day's peak; a usual website."""
_ECHO, _DRIFT, _SCATTER = 0.95, 0.015, 0.05
"""Noise relative to the load: a drift that lasts some minutes (5 % in all), and what scatters from scrape to scrape."""


def day(rules: int = RULES, *, seed: int = 7) -> Iterator[FloatArray]:
    """The loads of all rules, pass by pass: of a night and a day, each rule with its own peak and hour."""
    dice = np.random.default_rng(seed)
    peaks = dice.uniform(0.3, 0.9, rules) * HIGH * PER_REPLICA
    hours, drift = 2 * np.pi * np.arange(rules) / rules, np.zeros(rules)
    for number in range(BEFORE + PASSES):
        height = 0.5 - 0.5 * np.cos(2 * np.pi * number / A_DAY + hours)
        drift = _ECHO * drift + dice.normal(0.0, _DRIFT, rules)
        scatter = dice.normal(0.0, _SCATTER, rules)
        yield peaks * (_NIGHT + (1.0 - _NIGHT) * height) * np.maximum(0.0, 1.0 + drift + scatter)


def day_rows(cluster: Cluster) -> list[Row]:
    """Writes a second for 1,000 rules, and those of passes in which nothing was decided anew."""
    with fleet(cluster, size=RULES, documents=True) as made, tempfile.TemporaryDirectory(prefix="foretide-day-") as at:
        made.config(Path(at) / "home", documents=True)
        told = {one["what"]: one for one in run("cluster_day_child", Path(at) / "home", made)}
        writes = {what: writes_of(made, one) for what, one in told.items()}
        renewals = made.writes(*_times(told["day"])).get(LEASES, 0) / told["day"]["seconds"]
    print(f"benchmarks.cluster: {writes}, {renewals:.2f} renewals of the Lease a second", file=sys.stderr)
    rate = sum(writes["day"].values()) / (PASSES * TICK_SECONDS) * 1000 / RULES + renewals
    idle = sum(writes["second"].values()) + sum(writes["quiet"].values())
    return [
        Row(metric="idle_writes_documents", ours=idle, unit="writes", direction="<=", must=0, goal=0),
        Row(metric="api_writes_per_s_per_1000", ours=round(rate, 2), unit="1/s", direction="<=", must=4, goal=2),
    ]


def _times(one: Told) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(one["since"]), datetime.fromisoformat(one["until"])
