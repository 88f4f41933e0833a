"""Whether our HPA is theirs: the real controller follows load curves over kwok's pods, and ours replays them.

The replay gets no more than the curves, the first replicas, how long pods take to start, and the instants at which the
real controller's metrics were measured (its sync is 1 s here, and late on a busy machine); the pods that it counts
are its own. A tick is a second.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urlsplit

import numpy as np
from numpy.typing import NDArray

from controller.hpa.metrics import Kind, Metric, TargetType
from controller.hpa.normalize import (
    DEFAULT_DOWN,
    DEFAULT_UP,
    History,
    HPABehavior,
    HPAScalingPolicy,
    HPAScalingRules,
)
from controller.hpa.numbers import Settings, Version
from controller.hpa.pods import Container, Phase, Pod, PodMetric
from controller.hpa.reconcile import Controller, HorizontalPodAutoscaler, Scale
from tests.cluster.api import Object
from tests.cluster.control_plane import Cluster
from tests.cluster.objects import CPU_REQUEST_MILLICORES, deployment, hpa

TARGET_PERCENT: Final = 50
HIGH: Final = 40
FIRST: Final = 4
"""Replicas before the curve begins, which each curve's first load asks for."""
KWOK_SECONDS: Final = 0.2
"""From a change of the wanted replicas to ready pods without a delay; a guess from watching a few."""
SETTINGS: Final = Settings(
    version=Version(minor=36),
    cpu_initialization_seconds=1.0,
    readiness_delay_seconds=1.0,
    downscale_stabilization_seconds=10.0,
)
"""As the cluster's controller manager is started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A load in millicores over seconds, on pods that take ``start_seconds``, under an HPA of that behavior."""

    name: str
    load: Callable[[float], float]
    start_seconds: int = 0
    behavior: HPABehavior | None = None


def _level(replicas: float) -> float:
    return replicas * CPU_REQUEST_MILLICORES * TARGET_PERCENT / 100


def _wave(seconds: float, *, low: float, high: float, period: float) -> float:
    return _level((low + high) / 2 - (high - low) / 2 * math.cos(2 * math.pi * seconds / period))


SLOW: Final = HPABehavior(
    scale_up=HPAScalingRules(
        window_seconds=5, policies=(HPAScalingPolicy(type="Pods", value=2, period_seconds=10),)
    ),
    scale_down=HPAScalingRules(
        window_seconds=20, policies=(HPAScalingPolicy(type="Percent", value=20, period_seconds=15),)
    ),
)  # fmt: skip
QUICK: Final = HPABehavior(
    scale_up=DEFAULT_UP,
    scale_down=HPAScalingRules(window_seconds=0, policies=(*DEFAULT_DOWN.policies,)),
)
RUNS: Final = (
    Run(name="wave", load=lambda s: _wave(s, low=FIRST, high=20, period=120)),
    Run(name="wave-slow-pods", load=lambda s: _wave(s, low=FIRST, high=20, period=120), start_seconds=10),
    Run(name="step", load=lambda s: _level(FIRST if s % 100 < 30 else 17)),
    Run(name="step-slow-pods", load=lambda s: _level(FIRST if s % 100 < 30 else 17), start_seconds=10),
    Run(name="surge", load=lambda s: _level(FIRST + 30 * math.exp(-(((s % 150 - 60) / 12) ** 2))), behavior=QUICK),
    Run(name="ramp-slow-policies", load=lambda s: _level(FIRST + (s % 160) / 10), behavior=SLOW),
    Run(name="wave-slow-policies", load=lambda s: _wave(s, low=FIRST, high=24, period=90), behavior=SLOW),
    Run(name="two-waves", load=lambda s: _wave(s, low=2, high=12, period=70) + _wave(s, low=2, high=6, period=25)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the real controller did about one run: the replicas of each second, and when it passed, in seconds."""

    replicas: NDArray[np.int64]
    passes: tuple[float, ...]


def record(cluster: Cluster, runs: Sequence[Run], *, seconds: int) -> list[Recorded]:
    """All runs side by side, once their first replicas are calm."""
    namespace = cluster.namespace("fidelity")
    began = [math.inf]

    def followed(run: Run) -> Callable[[], float]:
        return lambda: run.load(max(0.0, time.monotonic() - began[0]))

    for run in runs:
        cluster.metrics.set_load(namespace, run.name + "-", cpu_millicores=followed(run))
        start = f"{run.start_seconds}s" if run.start_seconds else None
        cluster.api.create(deployment(run.name, namespace, replicas=FIRST, start=start))
    cluster.api.until("all pods run", lambda: set(_seen(cluster, namespace, "ready").values()) == {FIRST}, seconds=60)
    for run in runs:
        behavior = _manifest(run.behavior)
        cluster.api.create(hpa(run.name, namespace, high=HIGH, cpu_percent=TARGET_PERCENT, behavior=behavior))
    cluster.api.until("all HPAs calculate", lambda: _all_active(cluster, namespace), seconds=60)
    began[0] = time.monotonic()
    ticks = []
    for tick in range(seconds):
        threading.Event().wait(max(0.0, began[0] + tick - time.monotonic()))
        ticks.append(_seen(cluster, namespace, "wanted"))
    return [
        Recorded(
            replicas=np.array([tick[run.name] for tick in ticks], dtype=np.int64),
            passes=tuple(_passes(cluster, namespace, run.name, began[0], seconds)),
        )
        for run in runs
    ]


def _passes(cluster: Cluster, namespace: str, name: str, began: float, seconds: int) -> Iterator[float]:
    for at, target in cluster.metrics.measured:
        split = urlsplit(target)
        asks = f"/{namespace}/" in split.path and parse_qs(split.query).get("labelSelector") == [f"app={name}"]
        if asks and 0 <= at - began < seconds:
            yield at - began


def _seen(cluster: Cluster, namespace: str, what: str) -> dict[str, int]:
    """Wanted or ready replicas of each Deployment."""
    return {
        one["metadata"]["name"]: one["spec"]["replicas"]
        if what == "wanted"
        else one.get("status", {}).get("readyReplicas", 0)
        for one in cluster.api.list("Deployment", namespace)
    }


def _all_active(cluster: Cluster, namespace: str) -> bool:
    return all(
        any(one["type"] == "ScalingActive" and one["status"] == "True" for one in each["status"].get("conditions", []))
        for each in cluster.api.list("HorizontalPodAutoscaler", namespace)
    )


def _manifest(behavior: HPABehavior | None) -> Object | None:
    if behavior is None:
        return None
    return {"scaleUp": _rules(behavior.scale_up), "scaleDown": _rules(behavior.scale_down)}


def _rules(rules: HPAScalingRules) -> Object:
    policies = [
        {"type": one.type, "value": one.value, "periodSeconds": one.period_seconds} for one in rules.policies
    ]  # fmt: skip
    return {
        "stabilizationWindowSeconds": rules.window_seconds, "selectPolicy": rules.select_policy, "policies": policies,
    }  # fmt: skip


@dataclass(slots=True)
class _Pods:
    """The replay's own pods: when each was made, the oldest first."""

    start_seconds: float
    made: list[float] = field(default_factory=list)

    def to(self, count: int, now: float) -> None:
        """As a ReplicaSet does: the youngest go first."""
        self.made = self.made[:count] + [now] * (count - len(self.made))

    def ready_at(self, index: int) -> float:
        return self.made[index] + self.start_seconds + KWOK_SECONDS

    def seen(self, now: float, load: float) -> tuple[list[Pod], dict[str, PodMetric]]:
        """Pods and what each of the running ones uses; instants in whole seconds, as Kubernetes writes them."""
        running = [index for index in range(len(self.made)) if self.ready_at(index) <= now]
        share = math.ceil(load / max(1, len(running)))  # a quantity of millis is rounded up
        request = (Container(name="app", requests={"cpu": CPU_REQUEST_MILLICORES}),)
        pods = []
        for index in range(len(self.made)):
            since = float(math.floor(self.ready_at(index)))
            is_running = index in running
            pods.append(
                Pod(
                    name=str(index), phase=Phase.RUNNING if is_running else Phase.PENDING, ready=is_running or None,
                    ready_changed=since, started=since if is_running else None, containers=request,
                )
            )  # fmt: skip
        metrics = {
            str(index): PodMetric(value=share, at=float(math.floor(now)), window_seconds=15.0) for index in running
        }
        return pods, metrics


def replay(run: Run, passes: Sequence[float], *, seconds: int) -> NDArray[np.int64]:
    """The replicas that our controller wants at each second, passing when the real one did."""
    controller, history = Controller(settings=SETTINGS), History()
    scaler = HorizontalPodAutoscaler(max_replicas=HIGH, behavior=run.behavior)
    pods = _Pods(start_seconds=run.start_seconds, made=[-60.0] * FIRST)
    wanted = np.full(seconds, FIRST, dtype=np.int64)
    for now in (*range(-20, 0), *passes):  # the controller has seen some passes before the curve begins
        seen, usage = pods.seen(now, run.load(max(0.0, now)))
        metric = Metric(
            kind=Kind.RESOURCE, target_type=TargetType.UTILIZATION, target=TARGET_PERCENT, name="cpu", pods=usage
        )
        count = len(pods.made)
        done = controller.reconcile(
            scaler, scale=Scale(spec_replicas=count, status_replicas=count), metrics=[metric], pods=seen,
            history=history, now=float(now),
        )  # fmt: skip
        pods.to(done.replicas, now)
        wanted[max(0, math.ceil(now)) :] = done.replicas
    return wanted


def within_one(recorded: NDArray[np.int64], replayed: NDArray[np.int64]) -> float:
    """Share of ticks that lie at most one pod apart."""
    return float((np.abs(recorded - replayed) <= 1).mean())
