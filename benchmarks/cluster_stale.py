"""Writes of a leader that does not lead any more: 100 leaders cut off while they write, each followed by another.

Two processes with a candidate for each of 25 Leases at 15/10/2 s, each writing to an HPA of its own up to ten times a
second as an administrator: no admission policy helps. In turn one is suspended (SIGSTOP) and the other held behind a
proxy that keeps its connections open and delivers what was under way once the first has taken over and written.
Leases and HPAs share the revisions of one etcd: a write of an older epoch above the revision of the takeover is stale,
whatever clocks say.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from app.system_clock import SystemClock
from benchmarks.cluster_leases import Candidates
from benchmarks.cluster_writers import EPOCH
from benchmarks.report import NotMeasuredError, Row
from domain.errors import KubeError
from kube import Access, Connection, connect
from kube.kinds import HPA, LEASE, Kind
from tests.cluster.api import path
from tests.cluster.control_plane import Cluster
from tests.cluster.credentials import CONTEXT
from tests.cluster.objects import hpa
from tests.fakes.cutting_proxy import CuttingProxy

LEASES: Final = 25
WRITERS: Final = ("-m", "benchmarks.cluster_writers")
CUTS: Final = 4
"""Of every Lease: two suspensions and two partitions."""
AFTERWARDS_SECONDS: Final = 3.0
"""For what comes late: whoever wakes up sends within milliseconds what it had planned."""
_STALL_SECONDS: Final = 90.0


def stale_rows(cluster: Cluster) -> list[Row]:
    """How many stale writes the API server kept."""
    namespace = cluster.namespace("stale")
    for number in range(LEASES):
        cluster.api.create(hpa(f"target-{number}", namespace, low=2))
    cluster.controllers.stop()  # it would write to the HPAs' status, for want of a target
    connection = connect(Access(kubeconfig=cluster.kubeconfig(), context=CONTEXT), clock=SystemClock())
    history = History()
    try:
        with recorded(connection, namespace, HPA, history.wrote), recorded(connection, namespace, LEASE, history.led):
            _cut(cluster, namespace)
    finally:
        cluster.api.request("DELETE", path("HorizontalPodAutoscaler", None, namespace))
        cluster.controllers.start()
    takeovers = len(history.takeovers) - LEASES
    late = f"{_refused(cluster, namespace)} refused because the object was another by then"
    print(f"benchmarks.cluster: {len(history.writes)} writes, {late}; {takeovers} takeovers", file=sys.stderr)
    if takeovers != LEASES * CUTS:
        raise NotMeasuredError(f"{takeovers} takeovers were seen, {LEASES * CUTS} were made")
    return [Row(metric="stale_writes", ours=len(history.stale()), unit="writes", direction="<=", must=0, goal=0)]


def _cut(cluster: Cluster, namespace: str) -> None:
    """A leads; A is suspended, B leads; B is held, A leads; and so on."""
    with CuttingProxy(("127.0.0.1", int(cluster.url.rpartition(":")[2]))) as proxy:
        first = Candidates(cluster.kubeconfig(), namespace=namespace, leases=LEASES, program=WRITERS)
        second = first
        try:
            first.lead_all()
            second = Candidates(_behind(cluster, proxy.url), namespace=namespace, leases=LEASES, program=WRITERS)
            threading.Event().wait(AFTERWARDS_SECONDS)
            for _ in range(CUTS // 2):
                first.end(signal.SIGSTOP)
                second.lead_all()
                first.end(signal.SIGCONT)
                threading.Event().wait(AFTERWARDS_SECONDS)
                proxy.hold()
                first.lead_all()
                proxy.release()
                threading.Event().wait(AFTERWARDS_SECONDS)
        finally:
            first.gone()
            second.gone()


def _refused(cluster: Cluster, namespace: str) -> int:
    """Most of them were under way when their leader was cut off."""
    found = (one for one in cluster.writes() if one["objectRef"].get("namespace") == namespace)
    targets = (one for one in found if one["objectRef"]["resource"] == "horizontalpodautoscalers")
    return sum(one["responseStatus"]["code"] == 409 for one in targets)


def _behind(cluster: Cluster, url: str) -> Path:
    config = yaml.safe_load(cluster.kubeconfig().read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"]["server"] = url
    path = cluster.folder / "behind-a-proxy.kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


@dataclass(slots=True)
class History:
    """What the API server kept, by its own revisions."""

    writes: list[tuple[str, int, int]] = field(default_factory=list)
    """Number of the target, revision, epoch."""
    takeovers: dict[tuple[str, int], int] = field(default_factory=dict)
    """By number and epoch, the revision with which it began."""

    def wrote(self, one: dict[str, Any]) -> None:
        """An HPA as it is now."""
        metadata = one["metadata"]
        epoch = (metadata.get("annotations") or {}).get(EPOCH)
        if epoch is not None:
            self.writes.append((_number(metadata), int(metadata["resourceVersion"]), int(epoch)))

    def led(self, one: dict[str, Any]) -> None:
        """A Lease as it is now."""
        epoch = int(one["spec"].get("leaseTransitions") or 0)
        self.takeovers.setdefault((_number(one["metadata"]), epoch), int(one["metadata"]["resourceVersion"]))

    def stale(self) -> list[tuple[str, int, int]]:
        """Writes of an epoch after which another had begun."""
        return [
            (number, revision, epoch)
            for number, revision, epoch in self.writes
            if self.takeovers.get((number, epoch + 1), sys.maxsize) < revision
        ]


def _number(metadata: dict[str, Any]) -> str:
    return str(metadata["name"]).rpartition("-")[2]


@contextmanager
def recorded(
    connection: Connection, namespace: str, kind: Kind[Any], take: Callable[[dict[str, Any]], None]
) -> Iterator[None]:
    """Every change of a kind, one by one, while it is looked at.

    Raises:
        NotMeasuredError: The watch could not be taken up where it broke, so that some are missing.
    """
    path, ended, broken = kind.path(namespace=namespace), threading.Event(), list[str]()
    version = str(json.loads(connection.request("GET", path))["metadata"]["resourceVersion"])

    def follow(since: str) -> None:
        while not ended.is_set():
            try:
                query = {"watch": "true", "resourceVersion": since, "allowWatchBookmarks": "true"}
                with connection.stream(path, query=query, stall_seconds=_STALL_SECONDS) as stream:
                    for line in stream:
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            broken.append(str(event["object"]))
                            return
                        since = str(event["object"]["metadata"]["resourceVersion"])
                        if event["type"] in ("ADDED", "MODIFIED"):
                            take(event["object"])
            except KubeError:
                continue

    threading.Thread(target=follow, args=(version,), daemon=True).start()
    yield
    ended.set()
    if broken:
        raise NotMeasuredError(f"the watch of {kind.plural} broke: {broken[0][:200]}")
