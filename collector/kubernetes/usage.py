"""What metrics.k8s.io (usually metrics-server) says is used, asked for at each interval: it cannot be watched.

CPU there is a mean over a window that ends at a timestamp, so it stays a gauge in cores; memory is the working set, as
cAdvisor's. A number that is older than two minutes, or of no time, is not written: its series ends, and who asks finds
nothing rather than something old. Samples carry the time of asking.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from collector.kubernetes.groups import Groups
from collector.kubernetes.kinds import NODE_USAGE, POD_USAGE, NodeUsage, PodUsage
from collector.kubernetes.series import Pair, Told, labelled, number
from collector.kubernetes.standing import Standing
from collector.staleness import Appender
from collector.targets import Health, TargetStatus
from domain import names
from domain.clock import Clock, to_ms
from domain.errors import ForetideError
from domain.labels import Labels
from kube import Connection, listed
from kube.kinds import Kind

logger = logging.getLogger(__name__)

INTERVAL: Final = timedelta(seconds=15)
"""metrics-server's own default resolution."""
OLDEST: Final = timedelta(minutes=2)
"""metrics-server may be told to look once a minute; with the window before, its newest number is 90 s old at most."""
JOB: Final = "foretide-metrics-api"


def pod_usage(one: PodUsage) -> Iterator[Told]:
    """Its containers' CPU and memory; nothing of a container that uses nothing yet."""
    for container in one.containers or ():
        where: Pair = ("container", container.name)
        yield from _used(container.usage, where, cpu=names.USED_CPU, memory=names.USED_MEMORY)


def node_usage(one: NodeUsage) -> Iterator[Told]:
    """The node's, its system included."""
    return _used(one.usage, cpu=names.NODE_USED_CPU, memory=names.NODE_USED_MEMORY)


def fresh(one: PodUsage | NodeUsage, now: datetime) -> bool:
    """Whether its number is of now; one from the future (a clock that is wrong) is as good as none, too."""
    return one.timestamp is not None and abs(now - one.timestamp) <= OLDEST


def _used(usage: Mapping[str, str] | None, *more: Pair, cpu: str, memory: str) -> Iterator[Told]:
    for resource, name in (("cpu", cpu), ("memory", memory)):
        value = number((usage or {}).get(resource, ""))
        if value is not None and value >= 0:
            yield name, more, value


class UsageExporter:
    """Asks the API and appends what it says."""

    def __init__(self, connection: Connection, *, store: Appender, clock: Clock, instance: str) -> None:
        """``instance`` is the label of that name: which cluster."""
        self._connection, self._store, self._clock = connection, store, clock
        self._standing = Standing(JOB, instance, INTERVAL, logger)
        self._parts: tuple[tuple[Kind[Any], Groups], ...] = (
            (POD_USAGE, Groups(self._pod_series, _template)),
            (NODE_USAGE, Groups(self._node_series, lambda one: "")),
        )

    @property
    def status(self) -> TargetStatus:
        """How the last tick went, in the form of a target."""
        return self._standing.status

    def tick(self, now: datetime) -> None:
        """Append what is used as of ``now``; what fails is told in ``status``, never raised."""
        started, problems, count = self._clock.monotonic(), [], 0
        for kind, groups in self._parts:
            problems.append(self._take(kind, groups, now))
            try:
                count += groups.append(self._store, to_ms(now))
            except ForetideError as failure:
                problems.append(str(failure))
        problem = next(filter(None, problems), "")
        health = Health.DOWN if problem else Health.UP
        self._standing.tell(health, problem, now, self._clock.monotonic() - started, count)

    def _take(self, kind: Kind[Any], groups: Groups, now: datetime) -> str:
        """Take what is fresh; what is wrong, or an empty text."""
        try:
            found = listed(self._connection, kind).objects
        except ForetideError as failure:
            groups.forget()
            return f"{kind.plural} of metrics.k8s.io: {failure}"
        groups.take({key: one for key, one in found.items() if fresh(one, now)})
        every_one_old = bool(found) and groups.idle
        return f"{kind.plural} of metrics.k8s.io: every number is older than 2 minutes" if every_one_old else ""

    def _pod_series(self, one: Any) -> Iterable[tuple[Labels, float]]:
        own = ((names.NAMESPACE, one.metadata.namespace), ("pod", one.metadata.name))
        return labelled(pod_usage(one), own, self._standing.pairs)

    def _node_series(self, one: Any) -> Iterable[tuple[Labels, float]]:
        return labelled(node_usage(one), (("node", one.metadata.name),), self._standing.pairs)


def _template(one: Any) -> str:
    """Pods of one ReplicaSet share the name up to its last part: a guess that decides only which row they are in."""
    return f"{one.metadata.namespace}/{one.metadata.name.rpartition('-')[0]}"
