"""What ``benchmarks.cluster_ahead`` plays in: its clock, its Deployments and HPAs, their usage, and who looks."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.cluster_curves import HISTORY_TICKS, SERVICE, Curve
from domain.clock import to_ms
from domain.labels import METRIC_NAME, Labels
from domain.load_ahead import TICK
from domain.series import Series
from tests.cluster.api import ApiError, Object, path
from tests.cluster.control_plane import Cluster
from tests.cluster.objects import CPU_REQUEST_MILLICORES, deployment, hpa

FACTOR: Final = 15
TICK_SECONDS: Final = TICK.total_seconds() / FACTOR
LEAD_IN: Final = 60
START: Final = "8s"
AGE_TICKS: Final = 2
LOW, HIGH = 2, 80
TARGETS: Final = {"hpa": 60, "raised": 77, "floor": 77}
CARRIES: Final = SERVICE.largest_utilization_ratio
BEHAVIOR: Final[Object] = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "policies": [
            {"type": "Pods", "value": 4, "periodSeconds": 1}, {"type": "Percent", "value": 100, "periodSeconds": 1}
        ],
    },
    "scaleDown": {
        "stabilizationWindowSeconds": 300 // FACTOR,
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 1}],
    },
}  # fmt: skip
"""Kubernetes' own, compressed."""


class CompressedClock:
    """Stands at tick ``-LEAD_IN`` until it is started, and then runs 15 times as fast."""

    def __init__(self) -> None:
        """On a tick of now."""
        self._began, now = math.inf, time.time()  # noqa: TID251 (this is a clock)
        self._first = datetime.fromtimestamp(now // TICK.total_seconds() * TICK.total_seconds(), UTC)

    def start(self) -> None:
        """From now on it runs."""
        self._began = time.monotonic()

    def now(self) -> datetime:
        """As samples, decisions and annotations have it."""
        return self._first + FACTOR * timedelta(seconds=self._passed_seconds())

    def monotonic(self) -> float:
        """Not compressed: requests, watches and the Lease are as quick as they are."""
        return time.monotonic()

    def tick(self) -> int:
        """Which one it is, counted from the begin of what counts."""
        return int(self._passed_seconds() // TICK_SECONDS) - LEAD_IN

    def at(self, tick: int) -> datetime:
        """When it begins."""
        return self._first + (tick + LEAD_IN) * TICK

    def wait(self, tick: int) -> None:
        """Until it begins."""
        threading.Event().wait(max(0.0, self._began + (tick + LEAD_IN) * TICK_SECONDS - time.monotonic()))

    def _passed_seconds(self) -> float:
        return max(0.0, time.monotonic() - self._began)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Wanted and ready replicas of each tick that counts, shape ``(curves, ticks)``; NaN where nobody looked."""

    wanted: NDArray[np.float64]
    ready: NDArray[np.float64]


def make(cluster: Cluster, namespaces: dict[str, str], shown: Sequence[Curve]) -> None:
    """As many replicas as the curve begins with, ready."""
    for arm, namespace in namespaces.items():
        for one in shown:
            first = max(math.ceil(one.mean(-LEAD_IN, 1 - LEAD_IN) / TARGETS[arm] * 100), LOW)
            millicores = one.mean(-LEAD_IN, 1 - LEAD_IN) * CPU_REQUEST_MILLICORES
            cluster.metrics.set_load(namespace, one.name + "-", cpu_millicores=millicores)
            cluster.api.create(deployment(one.name, namespace, replicas=first, start=START))
            scaler = hpa(
                one.name, namespace, low=LOW, high=HIGH, cpu_percent=TARGETS[arm], behavior=BEHAVIOR
            )  # fmt: skip
            cluster.api.create(scaler)
    for namespace in namespaces.values():
        cluster.api.until("all pods run", lambda where=namespace: _all_ready(cluster, where), seconds=120)  # type: ignore[misc]


def _all_ready(cluster: Cluster, namespace: str) -> bool:
    found = cluster.api.list("Deployment", namespace)
    return all(one["spec"]["replicas"] == one.get("status", {}).get("readyReplicas") for one in found)


def past(one: Curve, clock: CompressedClock) -> Series:
    """What Foretide has collected by now."""
    ticks = np.arange(-HISTORY_TICKS, clock.tick() + LEAD_IN + 1) - LEAD_IN
    return Series(
        labels=labels(one),
        timestamps_ms=to_ms(clock.at(0)) + ticks * round(TICK / timedelta(milliseconds=1)),
        values=np.array(one.load[one.begin - AGE_TICKS + ticks]),
    )


def labels(one: Curve) -> Labels:
    """Of its load in Foretide's store."""
    return Labels.of({METRIC_NAME: "offered_load", "service": one.name})


def usage(one: Curve, clock: CompressedClock) -> Callable[[], float]:
    """Of all its pods: the mean of the 30 s that ended 30 s ago."""

    def millicores() -> float:
        tick = clock.tick()
        return one.mean(tick - AGE_TICKS - 1, tick - AGE_TICKS) * CPU_REQUEST_MILLICORES

    return millicores


class Watching:
    """Looks at every Deployment once a tick."""

    def __init__(self, cluster: Cluster, arms: dict[str, str], names: Sequence[str], ticks: int) -> None:
        self._cluster, self._arms, self._names, self._ticks = cluster, arms, list(names), ticks
        blank = (len(names), ticks)
        self.seen = {arm: Seen(wanted=np.full(blank, np.nan), ready=np.full(blank, np.nan)) for arm in arms.values()}

    def run(self, clock: CompressedClock, over: threading.Event) -> None:
        """Until the last tick, or ``over``."""
        while not over.is_set() and clock.tick() < self._ticks:
            tick = clock.tick()
            with suppress(ApiError):
                self._look(self._cluster.api.request("GET", path("Deployment", None, None))["items"], tick)
            clock.wait(tick + 1)

    def _look(self, found: Sequence[Object], tick: int) -> None:
        for one in found:
            arm, name = self._arms.get(one["metadata"]["namespace"]), one["metadata"]["name"]
            if arm is not None and 0 <= tick < self._ticks:
                row = self._names.index(name)
                self.seen[arm].wanted[row, tick] = one["spec"]["replicas"]
                self.seen[arm].ready[row, tick] = one.get("status", {}).get("readyReplicas", 0)
