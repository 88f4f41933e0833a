"""How long from a sample to the HPA's own word: the real program, many rules, the real HPA controller.

``foretide up --config …`` decides every 15 s, as a user starts it. A sample arrives when its OTLP request is begun at
our door; the way ends when the HPA's status (sync 1 s) has a desired number of replicas that is the floor or more, as
far as a list each 0.1 s shows. Each service climbs by two replicas at a time, so that no step of ours and no policy of
the rule's behavior spreads it over several passes. Instants lie evenly over the 15 s, by a fixed seed.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from benchmarks.program import FORETIDE, Running, running
from benchmarks.report import NotMeasuredError, Row
from tests.cluster.api import Object
from tests.cluster.control_plane import Cluster
from tests.cluster.credentials import CONTEXT
from tests.cluster.objects import deployment, hpa, replicas

SERVICES: Final = 50
STEPS: Final = 5
STEP_REPLICAS: Final = 2
FIRST: Final = 2
HIGH: Final = 20
EVERY_SECONDS: Final = 21.0
"""Between two steps of a service; all five are the 10 replicas that a floor may rise without a minute's rest."""
PER_REPLICA: Final = 10
SEED: Final = 20_261_122
DEADLINE_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.1
METRIC: Final = "queue"
_CONFIG: Final = """
cluster: kubernetes
kubernetes:
  context: {context}
  kubeconfig: {kubeconfig}
  namespace: {own}
  changes_per_minute: 1000  # 50 by default; writes keep their default of 20 a second
rules_dir: rules
"""
LEASE: Final = "foretide-controller"
_RULE: Final = """
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  target: {{kind: Deployment, name: {name}}}
  replicas: {{min: {low}, max: {high}}}
  mode: enforce
  backtestOverride: {{reason: measured on a cluster of its own}}
  actuate: {{with: bounds, hpa: {name}}}
  triggers:
  - {{name: load, query: 'sum(offered_load{{service="{name}"}})', perReplica: {per_replica}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One sample: when it is sent, in seconds from the begin, and the floor that it asks for."""

    at: float
    service: str
    floor: int


@dataclass(slots=True)
class Watched:
    """Steps that no HPA shows yet, and how long the others took: until the floor was written, and until it shows."""

    pending: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    unwritten: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)
    written: list[float] = field(default_factory=list)

    def sent(self, step: Step, at: float) -> None:
        """A sample went out."""
        for of in (self.pending, self.unwritten):
            of.setdefault(step.service, []).append((at, step.floor))

    def seen(self, hpas: Sequence[Object], at: float) -> None:
        """A list of them, asked for before ``at``."""
        for one in hpas:
            name, status = one["metadata"]["name"], one.get("status", {})
            self.written += _reached(self.unwritten.get(name, []), one["spec"]["minReplicas"], at)
            self.took += _reached(self.pending.get(name, []), status.get("desiredReplicas", 0), at)

    @property
    def missing(self) -> int:
        """How many floors no status shows yet."""
        return sum(len(waiting) for waiting in self.pending.values())


def _reached(waiting: list[tuple[float, int]], replicas: int, at: float) -> list[float]:
    """How long those took that are there now; the others wait on."""
    took = [at - sent for sent, floor in waiting if floor <= replicas]
    waiting[:] = [(sent, floor) for sent, floor in waiting if floor > replicas]
    return took


def steps(services: int, *, seed: int = SEED) -> list[Step]:
    """By time; each service begins somewhere within the first 21 s."""
    begins = np.random.default_rng(seed).uniform(0, EVERY_SECONDS, services)
    made = [
        Step(at=float(begin) + EVERY_SECONDS * number, service=_name(k), floor=FIRST + STEP_REPLICAS * (number + 1))
        for k, begin in enumerate(begins)
        for number in range(STEPS)
    ]
    return sorted(made, key=lambda step: step.at)


def sample_rows(cluster: Cluster) -> list[Row]:
    """Percentiles over all steps of all services."""
    watched = measured(cluster, services=SERVICES)
    p50, p99 = np.percentile(watched.took, [50, 99])
    written = np.percentile(watched.written, [50, 99])
    print(f"benchmarks.cluster: minReplicas written after {written[0]:.1f}, {written[1]:.1f} s", file=sys.stderr)
    return [
        Row(metric="sample_to_patch_p50_s", ours=round(float(p50), 2), unit="s", direction="<=", must=20, goal=12),
        Row(metric="sample_to_patch_p99_s", ours=round(float(p99), 2), unit="s", direction="<=", must=35, goal=20),
    ]


def measured(cluster: Cluster, *, services: int) -> Watched:
    """How long each step took.

    Raises:
        NotMeasuredError: A floor did not come within a minute.
    """
    namespace, own = cluster.namespace("loop"), cluster.namespace("foretide")
    _made(cluster, namespace, services)
    with TemporaryDirectory(prefix="foretide-loop-") as name:
        folder = Path(name)
        _configured(cluster, namespace, own, folder, services)
        command = [FORETIDE, "up", "--config", str(folder / "foretide.yaml")]
        with running(command, folder, cwd=folder) as program:
            _send(program, {_name(k): FIRST for k in range(services)})
            cluster.api.until("it leads", lambda: _leads(cluster, own))
            watched = _followed(cluster, namespace, program, steps(services))
    cluster.api.delete("Namespace", namespace)
    if watched.missing:
        raise NotMeasuredError(f"{watched.missing} floors of {services * STEPS} did not come within a minute")
    return watched


def _made(cluster: Cluster, namespace: str, services: int) -> None:
    """Deployments of two, each under an HPA whose own metric is content with that."""
    cluster.metrics.set_external(namespace, METRIC, 1)
    target: Object = {"type": "AverageValue", "averageValue": "10"}
    external: Object = {"type": "External", "external": {"metric": {"name": METRIC}, "target": target}}
    names = [_name(k) for k in range(services)]
    for name in names:
        cluster.api.create(deployment(name, namespace, replicas=FIRST))
        cluster.api.create(hpa(name, namespace, low=FIRST, high=HIGH, metrics=[external]))
    cluster.api.until(
        "all pods run", lambda: all(replicas(cluster.api, name, namespace) == (FIRST, FIRST) for name in names),
        seconds=60,
    )  # fmt: skip


def _configured(cluster: Cluster, namespace: str, own: str, folder: Path, services: int) -> None:
    config = _CONFIG.format(context=CONTEXT, kubeconfig=cluster.kubeconfig(), own=own)
    (folder / "foretide.yaml").write_text(config)
    (folder / "rules").mkdir()
    for name in map(_name, range(services)):
        rule = _RULE.format(name=name, namespace=namespace, low=FIRST, high=HIGH, per_replica=PER_REPLICA)
        (folder / "rules" / f"{name}.yaml").write_text(rule)


def _leads(cluster: Cluster, own: str) -> bool:
    return bool(cluster.api.get("Lease", LEASE, own)["spec"].get("holderIdentity"))


def _followed(cluster: Cluster, namespace: str, program: Running, planned: Sequence[Step]) -> Watched:
    watched, waiting, began = Watched(), list(planned), time.monotonic()
    deadline = began + planned[-1].at + DEADLINE_SECONDS
    while (waiting or watched.missing) and time.monotonic() < deadline:
        while waiting and waiting[0].at <= time.monotonic() - began:
            step = waiting.pop(0)
            watched.sent(step, time.monotonic())
            _send(program, {step.service: step.floor})
        hpas = cluster.api.list("HorizontalPodAutoscaler", namespace)
        watched.seen(hpas, time.monotonic())
        threading.Event().wait(POLL_SECONDS)
    return watched


def _send(program: Running, wanted: dict[str, int]) -> None:
    """OTLP, one gauge; half a replica's load less than the floor could carry, so that rounding says nothing else."""
    now = str(time.time_ns())
    points = [
        {
            "timeUnixNano": now, "asDouble": PER_REPLICA * (floor - 0.5),
            "attributes": [{"key": "service", "value": {"stringValue": name}}],
        }
        for name, floor in wanted.items()
    ]  # fmt: skip
    metrics = [{"name": "offered_load", "gauge": {"dataPoints": points}}]
    body = json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{program.port}/v1/metrics", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        told = json.load(answer)
    if told.get("partialSuccess", {}).get("rejectedDataPoints"):
        raise NotMeasuredError(f"samples were refused: {told}")


def _name(number: int) -> str:
    return f"service-{number:03d}"
