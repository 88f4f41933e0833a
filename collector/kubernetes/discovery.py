"""What ``kubernetes_sd_configs`` find, as targets for the scraper, by list and watch.

``tick`` is called every few seconds, off the scraper's own thread: a first look at 5,000 pods takes a second. An object
is relabelled anew only when it, or what its labels come from (its node, its Service, the pods behind it), is another
one than last time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from prometheus_client import Gauge

from collector.kubernetes import kinds, roles
from collector.targets import KubernetesDiscovery, ScrapeJob, Target
from kube import Connection, Reflector
from kube.kinds import Key, Kind

logger = logging.getLogger(__name__)

INTERVAL: Final = timedelta(seconds=5)
"""Prometheus' own pace of telling new targets."""
_KINDS: Final[dict[str, Kind[Any]]] = {
    "node": kinds.NODE,
    "service": kinds.SERVICE,
    "pod": kinds.POD,
    "endpointslice": kinds.ENDPOINT_SLICE,
    "ingress": kinds.INGRESS,
}
_BESIDE: Final = {"endpointslice": ("service", "pod")}
_ALONE: Final[dict[str, Callable[[Any], Iterator[roles.Discovered]]]] = {
    "node": roles.node,
    "service": roles.service,
    "ingress": roles.ingress,
}
Objects = Mapping[Key, Any]


@dataclass(frozen=True, slots=True)
class Watched:
    """What one reflector is asked for; two jobs that ask the same share it."""

    role: str
    namespace: str | None
    label: str
    field: str


@dataclass(slots=True)
class _Made:
    """What became of one object: of which things, and the targets."""

    of: tuple[object, ...]
    targets: tuple[Target, ...]
    dropped: int
    refused: tuple[str, ...]


@dataclass(slots=True)
class Found:
    """What one job has found.

    Attributes:
        targets: To be scraped.
        dropped: Targets that relabelling drops.
        refused: Why others cannot be scraped, a sentence each.
    """

    targets: list[Target] = field(default_factory=list)
    dropped: int = 0
    refused: list[str] = field(default_factory=list)


class KubernetesTargets:
    """The targets of all jobs."""

    def __init__(
        self,
        jobs: Sequence[ScrapeJob],
        connection: Connection,
        *,
        own_namespace: str,
        counts: Gauge,
        shared: Mapping[Watched, Reflector[Any]] | None = None,
    ) -> None:
        """Set up.

        Args:
            jobs: Those without ``kubernetes_sd_configs`` are left aside.
            connection: The API server.
            own_namespace: Where ``own_namespace: true`` looks.
            counts: Gets how many were found, by job and result.
            shared: Reflectors that somebody else keeps already.
        """
        self._connection, self._own_namespace = connection, own_namespace
        self._shared = dict(shared or {})
        self._reflectors: dict[Watched, Reflector[Any]] = {}
        self._finders = [
            _Finder(job, entry, self._objects_for(entry)) for job in jobs for entry in job.kubernetes_sd_configs
        ]
        self._targets: tuple[Target, ...] = ()
        self._said: dict[str, str] = {}
        self._counts = counts

    def start(self) -> None:
        """Begin to list and watch; returns at once."""
        for reflector in self._reflectors.values():
            reflector.start()

    def stop(self) -> None:
        """End the watches; the targets stay."""
        for reflector in self._reflectors.values():
            reflector.stop()

    def targets(self) -> tuple[Target, ...]:
        """As of the last tick; the very same objects while nothing changes."""
        return self._targets

    def tick(self, now: datetime) -> None:
        """Look at what the watches know by now. Before a first whole list a job has no targets."""
        del now
        found: dict[str, Found] = {}
        for finder in self._finders:
            finder.find(found.setdefault(finder.job.job_name, Found()))
        self._targets = tuple(dict.fromkeys(target for one in found.values() for target in one.targets))
        for job, one in found.items():
            self._tell(job, one)

    def _tell(self, job: str, found: Found) -> None:
        for result, count in (
            ("kept", len(found.targets)),
            ("dropped", found.dropped),
            ("refused", len(found.refused)),
        ):
            self._counts.labels(job, result).set(count)
        sentence = found.refused[0] if found.refused else ""
        if sentence != self._said.get(job, ""):
            self._said[job] = sentence
            fields = {"job": job, "refused": len(found.refused), "reason": sentence}
            logger.warning("discovered targets cannot be scraped", extra=fields)

    def _objects_for(self, entry: KubernetesDiscovery) -> Callable[[str], Iterator[Objects]]:
        """For a role, the objects of every namespace that the entry looks at."""
        wanted = (entry.role, *_BESIDE.get(entry.role, ()), *(("node",) if entry.attach_node else ()))
        reflectors = {role: [self._reflector(one) for one in self._watched(entry, role)] for role in wanted}
        return lambda role: (one.objects() for one in reflectors.get(role, ()) if one.synced)

    def _watched(self, entry: KubernetesDiscovery, role: str) -> Iterable[Watched]:
        selector = entry.selector(role)
        names = [*entry.namespaces, *([self._own_namespace] if entry.own_namespace else [])]
        everywhere = role == "node" or not names
        for name in [None] if everywhere else dict.fromkeys(names):
            yield Watched(role, name, selector.label, selector.field)

    def _reflector(self, wanted: Watched) -> Reflector[Any]:
        known = self._shared.get(wanted) or self._reflectors.get(wanted)
        if known is None:
            known = self._reflectors[wanted] = Reflector(
                self._connection,
                _KINDS[wanted.role],
                namespace=wanted.namespace,
                label_selector=wanted.label or None,
                field_selector=wanted.field or None,
            )
        return known


class _Finder:
    """One entry of a job."""

    def __init__(self, job: ScrapeJob, entry: KubernetesDiscovery, objects: Callable[[str], Iterator[Objects]]) -> None:
        self.job, self._entry, self._objects = job, entry, objects
        self._made: dict[Key, _Made] = {}

    def find(self, found: Found) -> None:
        """Add what this entry finds."""
        beside = {role: _together(self._objects(role)) for role in (*_BESIDE.get(self._entry.role, ()), "node")}
        made: dict[Key, _Made] = {}
        for objects in self._objects(self._entry.role):
            for key, one in objects.items():
                of = (one, *self._sources(one, beside))
                known = self._made.get(key)
                same = known is not None and len(known.of) == len(of) and all(map(_is, known.of, of))
                made[key] = known if known is not None and same else self._make(of)
        self._made = made
        for one in made.values():
            found.targets += one.targets
            found.dropped += one.dropped
            found.refused += one.refused

    def _sources(self, one: Any, beside: Mapping[str, Objects]) -> Iterator[object]:
        """What else the labels of an object come from."""
        nodes = beside["node"] if self._entry.attach_node else {}
        if self._entry.role == "pod":
            yield nodes.get(("", one.spec.node_name))
        if self._entry.role == "endpointslice":
            namespace = one.metadata.namespace
            yield beside["service"].get((namespace, (one.metadata.labels or {}).get(roles.SERVICE_NAME, "")))
            for endpoint in one.endpoints or ():
                ref = endpoint.target_ref
                kind, name = (ref.kind, ref.name) if ref is not None else ("", "")
                yield beside["pod"].get((ref.namespace, name)) if ref is not None and kind == "Pod" else None
                yield nodes.get(("", name if kind == "Node" else endpoint.node_name or ""))

    def _discovered(self, of: tuple[Any, ...]) -> Iterator[roles.Discovered]:
        one, *more = of
        role = self._entry.role
        if role == "pod":
            return roles.pod(one, more[0])
        if role == "endpointslice":
            pods = {own.metadata.name: own for own in more[1::2] if own is not None}
            nodes = {own.metadata.name: own for own in more[2::2] if own is not None}
            return roles.endpoint_slice(one, more[0], pods, nodes)
        return _ALONE[role](one)

    def _make(self, of: tuple[Any, ...]) -> _Made:
        targets, refused, dropped = [], [], 0
        for labels in self._discovered(of):
            try:
                target = self.job.target(labels)
            except ValueError as error:
                refused.append(f"{labels.get('__address__', '')}: {error}")
                continue
            if target is None:
                dropped += 1
            else:
                targets.append(target)
        return _Made(of, tuple(targets), dropped, tuple(refused))


def _is(left: object, right: object) -> bool:
    return left is right


def _together(many: Iterable[Objects]) -> Objects:
    """Objects of several namespaces as one mapping; of one, that very mapping."""
    maps = list(many)
    return maps[0] if len(maps) == 1 else {key: one for objects in maps for key, one in objects.items()}
