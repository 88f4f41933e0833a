"""A cluster of real processes on this machine: what the demo scales, without Kubernetes.

Two threads: one brings every workload towards its wanted number and keeps the endpoints file true, one asks replicas
whether they are ready. ``scale`` only sets the number.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from controller.actuation.shares import Granted
from controller.cluster import BoundsDone, BoundsOrder, Order, Resource
from controller.cluster.process import PROBE_TIMEOUT_SECONDS, Process
from controller.cluster.replicas import Replicas
from domain.errors import ActuationError, RefusedError, UnavailableError
from domain.labels import Labels
from domain.names import INSTANCE, JOB, NAMESPACE
from domain.pods import PodQuery, PodState
from domain.scaling import Workload, WorkloadRef
from domain.startup import PodStart

log = logging.getLogger(__name__)

CONVERGE_SECONDS: Final = 0.5
PROBE_LOOK_SECONDS: Final = 0.25
LONGEST_CLOSE_SECONDS: Final = 6.0
"""All grace periods together at the end of the program, which itself must end within 10 s."""
POD: Final = "pod"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalWorkload:
    """A workload that may be scaled.

    Attributes:
        ref: Its name; pods are ``<name>-0``, ``<name>-1`` …
        command: Program and arguments; ``{fd}`` becomes the number of the socket that already listens, ``{python}``
            this interpreter. The program must end when its stdin does.
        requests: What one replica is taken to request: ``cpu`` in cores, ``memory`` in bytes. Nothing enforces it.
        ready_path: HTTP path that answers 2xx or 3xx when the replica takes work.
        env: Added to the cluster's environment.
        replicas: To begin with.
        max_replicas_on_this_machine: More are refused: 8 small Python processes fit on a laptop.
        stop_grace: From SIGTERM to SIGKILL.
        labels: Added to the labels of its scrape targets.
        endpoints_file: Where its ready replicas are listed, in the format of Prometheus' file_sd; None for nowhere.
    """

    ref: WorkloadRef
    command: tuple[str, ...]
    requests: Mapping[str, float] = field(default_factory=lambda: {"cpu": 0.25, "memory": 128.0 * 2**20})
    ready_path: str = "/readyz"
    env: Mapping[str, str] = field(default_factory=dict)
    replicas: int = 1
    max_replicas_on_this_machine: int = 8
    stop_grace: timedelta = timedelta(seconds=5)
    labels: Mapping[str, str] = field(default_factory=dict)
    endpoints_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """One process beside the workloads (a load generator): same care, never scaled; ``name`` is its job label."""

    name: str
    namespace: str
    command: tuple[str, ...]
    ready_path: str = "/readyz"
    env: Mapping[str, str] = field(default_factory=dict)
    stop_grace: timedelta = timedelta(seconds=5)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTarget:
    """A running process to be scraped: ``address`` is host:port, ``labels`` are complete (job, instance …)."""

    address: str
    labels: Labels


class LocalCluster:
    """Runs the processes from ``start`` to ``close``."""

    name = "local"
    actuations = ("scale",)

    def __init__(
        self,
        workloads: Sequence[LocalWorkload],
        *,
        companions: Sequence[Companion] = (),
        folder: Path,
        environment: Mapping[str, str],
    ) -> None:
        """``folder`` gets a log file for each replica; ``environment`` is what every child starts with."""
        self._workloads = {workload.ref: workload for workload in workloads}
        self._groups: dict[tuple[str, str], Replicas] = {}
        self._labels: dict[tuple[str, str], Mapping[str, str]] = {}
        for one in workloads:
            key = (one.ref.namespace, one.ref.name)
            self._add(key, one.command, one.env, one.ready_path, one.stop_grace, folder, environment, one.replicas)
            self._labels[key] = one.labels
        for other in companions:
            key = (other.namespace, other.name)
            self._add(key, other.command, other.env, other.ready_path, other.stop_grace, folder, environment, 1)
            self._labels[key] = other.labels
        self._folder = folder
        self._lock = threading.Lock()
        self._wake, self._closing = threading.Event(), threading.Event()
        self._threads = (
            threading.Thread(target=self._supervise, name="local-cluster", daemon=True),
            threading.Thread(target=self._probe, name="local-cluster-readiness", daemon=True),
        )
        self._written: dict[WorkloadRef, tuple[str, ...]] = {}

    def start(self) -> None:
        """Starts the first replicas and the two threads; raises ``UnavailableError`` where logs cannot be written."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnavailableError(f"cannot write replica logs to {self._folder}: {error}") from error
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ends every child within 8 s: SIGTERM, grace, SIGKILL. May be called twice."""
        deadline = time.monotonic() + self._longest_grace()
        self._closing.set()
        with self._lock:
            for group in self._groups.values():
                group.stop_all(time.monotonic())
        self._wake.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=2 * PROBE_TIMEOUT_SECONDS)
        with self._lock:
            for group in self._groups.values():
                group.finish(deadline - time.monotonic())
        self._write_endpoints()

    def workload(self, ref: WorkloadRef) -> Workload:
        """The wanted and the ready number; None for a workload that does not run here."""
        known = self._workloads.get(ref)
        if known is None:
            return Workload(ref=ref, current_replicas=None, ready_replicas=None, source="local processes")
        with self._lock:
            group = self._groups[ref.namespace, ref.name]
            current, ready = group.desired, len(group.ready())
        return Workload(
            ref=ref, current_replicas=current, ready_replicas=ready, requests=known.requests, source="local processes"
        )

    def scale(self, ref: WorkloadRef, replicas: int, *, because: str = "") -> None:
        """Sets the wanted number."""
        known = self._workloads.get(ref)
        if known is None:
            raise ActuationError(f"{ref} does not run on this machine")
        if not 0 <= replicas <= known.max_replicas_on_this_machine:
            most = known.max_replicas_on_this_machine
            raise ActuationError(f"{ref} cannot have {replicas} replicas: this machine may run 0 to {most} of it")
        if self._closing.is_set():
            raise UnavailableError("the local cluster is shutting down")
        with self._lock:
            self._groups[ref.namespace, ref.name].desired = replicas
        self._wake.set()

    def set_bounds(self, order: BoundsOrder, now: datetime) -> BoundsDone:
        """Refused: no autoscaler stands between us and the processes."""
        raise RefusedError(f"{order} is not there: this machine runs no autoscalers")

    def begin(self, orders: Sequence[Order], now: datetime) -> Mapping[str, Granted]:
        """Nothing is shared."""
        return {}

    def settle(self, acting: Collection[str], now: datetime) -> None:
        """The processes end with us, so nothing is left behind."""

    def usage_query(self, ref: WorkloadRef, resource: Resource, container: str | None = None) -> str:
        """From the replicas' own process metrics."""
        chosen = Labels.of({JOB: ref.name, NAMESPACE: ref.namespace})
        if resource == "cpu":
            return f"sum(rate(process_cpu_seconds_total{chosen}[1m]))"
        return f"sum(process_resident_memory_bytes{chosen})"

    def pod_usage_query(self, ref: WorkloadRef, resource: Resource, container: str | None = None) -> PodQuery | None:
        """The same of each replica."""
        window = timedelta(minutes=1) if resource == "cpu" else timedelta()
        return PodQuery(expr=self.usage_query(ref, resource).replace("sum(", f"sum by ({POD}) (", 1), window=window)

    def pods(self, ref: WorkloadRef, now: datetime, container: str | None = None) -> Mapping[str, PodState]:
        """The processes that run and are wanted; they have no limits."""
        known = self._workloads.get(ref)
        if known is None:
            return {}
        at = time.monotonic()
        with self._lock:
            running = self._groups[ref.namespace, ref.name].running()
            return {pod: _state(process, known.requests, at) for pod, process in running.items()}

    def versions(self, ref: WorkloadRef) -> frozenset[str]:
        """A digest of the command and its environment."""
        known = self._workloads.get(ref)
        if known is None:
            return frozenset()
        text = json.dumps([known.command, sorted(known.env.items()), sorted(known.requests.items())])
        return frozenset({sha256(text.encode()).hexdigest()[:10]})

    def starts(self, ref: WorkloadRef) -> Mapping[str, PodStart]:
        """Of the processes that run, each start of a replica by itself."""
        with self._lock:
            group = self._groups.get((ref.namespace, ref.name))
            running = {} if group is None else group.running()
            return {
                f"{pod}@{process.pid}": PodStart(created=process.started_at, ready=process.ready_at)
                for pod, process in running.items()
                if process.ready_at is not None
            }

    def endpoints(self, ref: WorkloadRef) -> tuple[str, ...]:
        """Addresses of the replicas that are ready."""
        with self._lock:
            group = self._groups.get((ref.namespace, ref.name))
            return () if group is None else tuple(process.address for process in group.ready().values())

    def scrape_targets(self) -> list[LocalTarget]:
        """Every process that runs, ready or not, companions included."""
        with self._lock:
            return [
                LocalTarget(
                    address=process.address,
                    labels=Labels.of(
                        {**self._labels[key], JOB: key[1], NAMESPACE: key[0], POD: pod, INSTANCE: process.address}
                    ),
                )
                for key, group in self._groups.items()
                for pod, process in group.running().items()
            ]

    def pids(self) -> list[int]:
        """Of every process that runs and is not asked to end."""
        with self._lock:
            return [process.pid for group in self._groups.values() for process in group.running().values()]

    def _add(
        self,
        key: tuple[str, str],
        command: tuple[str, ...],
        env: Mapping[str, str],
        ready_path: str,
        grace: timedelta,
        folder: Path,
        environment: Mapping[str, str],
        desired: int,
    ) -> None:
        if key in self._groups:
            raise ValueError(f"two local workloads are called {key[0]}/{key[1]}")
        self._groups[key] = Replicas(
            key[1],
            desired=desired,
            command=command,
            env={**environment, **env},
            ready_path=ready_path,
            stop_grace_seconds=grace.total_seconds(),
            folder=folder,
        )

    def _supervise(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            try:
                with self._lock:
                    for group in self._groups.values():
                        group.converge(time.monotonic())
                self._write_endpoints()
            except Exception:  # one bad step must not end the supervision of all
                log.exception("local cluster step failed")
            self._wake.wait(CONVERGE_SECONDS)

    def _probe(self) -> None:
        while not self._closing.wait(PROBE_LOOK_SECONDS):
            with self._lock:
                due = [one for group in self._groups.values() for one in group.due_for_probe(time.monotonic())]
            for process in due:
                ready = process.probe()
                if ready != process.ready:
                    process.ready = ready
                    if process.ready_at is None:
                        process.ready_at = time.monotonic()
                    self._wake.set()

    def _write_endpoints(self) -> None:
        for ref, workload in self._workloads.items():
            addresses = self.endpoints(ref)
            if workload.endpoints_file is None or self._written.get(ref) == addresses:
                continue
            group = {"targets": list(addresses), "labels": {JOB: ref.name, NAMESPACE: ref.namespace}}
            partial = workload.endpoints_file.with_name(f".{workload.endpoints_file.name}.partial")
            try:
                workload.endpoints_file.parent.mkdir(parents=True, exist_ok=True)
                partial.write_text(json.dumps([group]), encoding="utf-8")
                os.replace(partial, workload.endpoints_file)
            except OSError as error:
                log.warning("endpoints not written", extra={"file": str(workload.endpoints_file), "error": str(error)})
                continue
            self._written[ref] = addresses

    def _longest_grace(self) -> float:
        graces = [one.stop_grace.total_seconds() for one in self._workloads.values()]
        return min(max(graces, default=5.0), LONGEST_CLOSE_SECONDS)


def _state(process: Process, requests: Mapping[str, float], at: float) -> PodState:
    since, was_ready = process.ready_at, process.ready_at is not None
    return PodState(
        age_seconds=at - process.started_at, ready_seconds=at - since if process.ready and since is not None else None,
        was_ready=was_ready, requests=requests,
    )  # fmt: skip
