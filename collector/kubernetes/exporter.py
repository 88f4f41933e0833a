"""Appends the state of the cluster at each interval, as a scrape of a kube-state-metrics would.

Off while another job brings kube-state-metrics' series: two of them would double every sum. A kind that the API server
has not confirmed for two minutes is not told any more, and its series end: old numbers would pass for new ones.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import numpy as np

from collector.kubernetes import kinds, state, state_attached
from collector.kubernetes.groups import Groups
from collector.kubernetes.roles import SERVICE_NAME
from collector.kubernetes.series import Pair, Told, labelled
from collector.kubernetes.standing import Standing
from collector.kubernetes.storage_kinds import CLAIM, VOLUME
from collector.staleness import Appender, Shown
from collector.targets import Health, TargetStatus
from domain import names
from domain.clock import Clock, to_ms
from domain.errors import ForetideError
from domain.labels import METRIC_NAME, Labels
from kube import Reflector
from kube.kinds import DEPLOYMENT, DISRUPTION_BUDGET, NAMESPACE, REPLICA_SET, STATEFUL_SET, Kind

logger = logging.getLogger(__name__)

INTERVAL: Final = timedelta(seconds=15)
"""Decisions are made every 15 s, and a replica count should not be older than that."""
OLDEST_SECONDS: Final = 120.0
"""What was not confirmed for so long is not known; nothing is scaled down on it either."""
JOB: Final = "foretide-kubernetes"


@dataclass(frozen=True, slots=True)
class Exported:
    """A kind, the label that holds an object's name, what an object says, and which objects share a row."""

    kind: Kind[Any]
    label: str
    told: Callable[[Any], Iterator[Told]]
    group: Callable[[Any], str] = lambda one: str(one.metadata.namespace)


def _owner(one: Any) -> str:
    """Pods of one ReplicaSet, ReplicaSets of one Deployment."""
    made_by = next((owner.name for owner in one.metadata.owner_references or () if owner.controller), "")
    return f"{one.metadata.namespace}/{made_by}"


def _name(one: Any) -> str:
    return str(one.metadata.name)


def _claimed_by(one: Any) -> str:
    """Volumes come and go with the claims of a namespace."""
    return "" if one.spec.claim_ref is None else str(one.spec.claim_ref.namespace)


def _of_service(one: Any) -> str:
    """Slices of one Service: its pods come and go in them."""
    return f"{one.metadata.namespace}/{(one.metadata.labels or {}).get(SERVICE_NAME, one.metadata.name)}"


EXPORTED: Final = (
    Exported(kinds.POD, "pod", state.pod, _owner),
    Exported(kinds.NODE, "node", state.node, _name),
    Exported(NAMESPACE, "namespace", state.namespace, lambda one: ""),
    Exported(DEPLOYMENT, "deployment", state.deployment),
    Exported(STATEFUL_SET, "statefulset", state.stateful_set),
    Exported(REPLICA_SET, "replicaset", state.replica_set, _owner),
    Exported(kinds.HPA, "horizontalpodautoscaler", state.hpa),
    Exported(DISRUPTION_BUDGET, "poddisruptionbudget", state.disruption_budget),
    Exported(kinds.QUOTA, "resourcequota", state.quota),
    Exported(VOLUME, "persistentvolume", state_attached.volume, _claimed_by),
    Exported(CLAIM, "persistentvolumeclaim", state_attached.claim),
    Exported(kinds.SERVICE, "service", state_attached.service),
    Exported(kinds.ENDPOINT_SLICE, "endpointslice", state_attached.endpoint_slice, _of_service),
)
_LABELLED: Final[Mapping[str, Callable[..., Iterator[Told]]]] = {
    "pods": state.pod, "persistentvolumeclaims": state_attached.claim, "services": state_attached.service,
}  # fmt: skip
_WITH_UID: Final = (kinds.POD, kinds.SERVICE)


def with_labels(label_names: Sequence[str]) -> tuple[Exported, ...]:
    """The kinds, with these labels of pods, claims and Services as series of their own."""
    return tuple(
        replace(one, told=partial(_LABELLED[one.kind.plural], label_names=tuple(label_names)))
        if one.kind.plural in _LABELLED
        else one
        for one in EXPORTED
    )


class StateExporter:
    """Reads the reflectors and appends what they know."""

    def __init__(
        self,
        reflectors: Mapping[str, Reflector[Any]],
        *,
        store: Appender,
        clock: Clock,
        instance: str,
        elsewhere: Callable[[datetime], str] = lambda now: "",
        exported: Sequence[Exported] = EXPORTED,
    ) -> None:
        """Set up.

        Args:
            reflectors: By the kind's plural; a kind without one is not told.
            store: Where the samples go.
            clock: For how long it takes.
            instance: Label of that name: which cluster.
            elsewhere: The job that brings kube-state-metrics' series now, or an empty text.
            exported: The kinds.
        """
        self._store, self._clock, self._elsewhere = store, clock, elsewhere
        self._standing = Standing(JOB, instance, INTERVAL, logger)
        self._kinds = [
            (one, reflectors[one.kind.plural], Groups(self._reading(one), one.group))
            for one in exported
            if one.kind.plural in reflectors
        ]
        self._report = tuple(
            Labels.of({METRIC_NAME: name, **dict(self._standing.pairs)})
            for name in (names.UP, names.SCRAPE_DURATION_SECONDS, names.SCRAPE_SAMPLES_SCRAPED)
        )
        self._reported = Shown()

    @property
    def status(self) -> TargetStatus:
        """How the last tick went, in the form of a target."""
        return self._standing.status

    def tick(self, now: datetime) -> None:
        """Append the state as of ``now``; what cannot be stored is told in ``status``, never raised."""
        started, at_ms = self._clock.monotonic(), to_ms(now)
        other = self._elsewhere(now)
        problems = [] if other else [problem for problem in map(self._take, self._kinds) if problem]
        if other:
            for _, _, groups in self._kinds:
                groups.forget()
        count = 0
        try:
            for _, _, groups in self._kinds:
                count += groups.append(self._store, at_ms)
            duration = self._clock.monotonic() - started
            report = np.array([float(not problems), duration, count])
            self._reported.append(self._store, () if other else self._report, at_ms, report[: 0 if other else 3])
        except ForetideError as failure:
            problems.append(str(failure))
            duration = self._clock.monotonic() - started
        self._tell(other, problems, now, duration, count)

    def _take(self, one: tuple[Exported, Reflector[Any], Groups]) -> str:
        """Take what a reflector knows; why not, where it does not know."""
        exported, reflector, groups = one
        plural = exported.kind.plural
        if not reflector.synced:
            return f"{plural}: {reflector.problem or 'not listed yet'}"
        if reflector.age_seconds() > OLDEST_SECONDS:
            groups.forget()
            return f"{plural}: nothing heard for {reflector.age_seconds():.0f} s: {reflector.problem or 'silence'}"
        groups.take(reflector.objects())
        return ""

    def _reading(self, exported: Exported) -> Callable[[Any], Iterator[tuple[Labels, float]]]:
        def read(one: Any) -> Iterator[tuple[Labels, float]]:
            meta = one.metadata
            own: tuple[Pair, ...] = ((exported.label, meta.name), (names.NAMESPACE, meta.namespace))
            if exported.kind in _WITH_UID:
                own += (("uid", meta.uid),)
            return labelled(exported.told(one), own, self._standing.pairs)

        return read

    def _tell(self, other: str, problems: Sequence[str], now: datetime, duration: float, count: int) -> None:
        if other:
            self._standing.tell(Health.UNKNOWN, f"off: job {other} brings these series", now, duration, count)
        else:
            health = Health.DOWN if problems else Health.UP
            self._standing.tell(health, "; ".join(problems), now, duration, count)
