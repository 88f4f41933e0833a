"""Which workloads a server knows, what is offered to each, and how much of it one replica was seen to carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.assess_recording import rate_window
from app.fleet import POD_NAME, Hpa, NoAutoscalersError, Requests, find_hpas, find_requests
from app.fleet_source import GentleSource
from app.offered_load import FAMILIES, Labeling, Offered, offered, queries
from domain.errors import ForetideError
from store.promql.results import Matrix, Vector

SAFE_SHARE: Final = 0.85
"""Of its CPU request or limit; what a replica carried beyond it says nothing about what it may carry."""
PERCENTILE: Final = 95.0
STEP_MS: Final = 300_000
FEWEST_POINTS: Final = 50
SYSTEM: Final = frozenset({"kube-system", "kube-public", "kube-node-lease"})

Place = tuple[str, str]
"""Namespace and workload."""


class NothingFoundError(ForetideError):
    """The server knows neither workloads nor offered load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What one replica was seen to carry, and the range of replicas that there were.

    Attributes:
        per_replica: 95th percentile of the load of a replica while its CPU was within 85 % of its request or limit.
        cpu_known: Whether CPU could be looked at; else all of the time counts.
        least_replicas, most_replicas: That were ready.
    """

    per_replica: float
    cpu_known: bool
    least_replicas: int
    most_replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """All that proposals are made of.

    Attributes:
        workloads: Kind by workload; those of the system left out.
        told_by_kubernetes: Whether the workloads are kube-state-metrics'; else they are those of the metrics.
        loads: What each family names, most first; a workload may be in several.
        carried: By family's key and workload.
        hpas: By workload.
    """

    workloads: Mapping[Place, str]
    told_by_kubernetes: bool
    loads: tuple[Offered, ...]
    carried: Mapping[tuple[str, Place], Carried]
    hpas: Mapping[Place, Hpa]
    requests: Mapping[Place, Requests]


def survey(source: GentleSource, *, namespace: str | None, start_ms: int, end_ms: int) -> Survey:
    """Look once at everything.

    Raises:
        NothingFoundError: There is nothing to propose for.
        QueryError: The server cannot be asked.
    """
    source.look(end_ms)
    known = _workloads(source, namespace, end_ms)
    seen: dict[str, Vector] = {
        one.key: source.instant(queries([one])[one.key], at_ms=end_ms) for one in FAMILIES
    }  # fmt: skip
    places = known or _named(seen, namespace)
    if not places:
        raise NothingFoundError(
            "this server has neither kube-state-metrics' workloads (kube_deployment_spec_replicas) nor a metric of "
            "offered load that is known (docs/discover.md has the list)"
        )
    loads = [
        one for family in FAMILIES if (one := offered(family, seen[family.key].labels, frozenset(places))) is not None
    ]
    loads.sort(key=lambda one: -len(one.workloads))
    try:
        hpas = {(one.namespace, one.workload): one for one in find_hpas(source, namespace=namespace, at_ms=end_ms)}
    except NoAutoscalersError:
        hpas = {}
    chosen = {place: _kind(place) for place in places} if not known else known
    requests = _requests(source, chosen, end_ms)
    carried: dict[tuple[str, Place], Carried] = {}
    for one in loads:
        for place, what in _carried(source, one, requests, start_ms=start_ms, end_ms=end_ms):
            carried[one.family.key, place] = what
    return Survey(
        workloads=chosen, told_by_kubernetes=bool(known), loads=tuple(loads), carried=carried, hpas=hpas,
        requests=requests,
    )  # fmt: skip


def _workloads(source: GentleSource, namespace: str | None, at_ms: int) -> dict[Place, str]:
    own = "" if namespace is None else f'{{namespace="{namespace}"}}'
    found: dict[Place, str] = {}
    for kind, label, metric in (
        ("Deployment", "deployment", "kube_deployment_spec_replicas"),
        ("StatefulSet", "statefulset", "kube_statefulset_replicas"),
    ):
        answer = source.instant(f"max by (namespace, {label}) ({metric}{own})", at_ms=at_ms)
        for labels in answer.labels:
            place = (labels.value_of("namespace"), labels.value_of(label))
            if place[0] not in SYSTEM and all(place):
                found[place] = kind
    return found


def _named(seen: Mapping[str, Vector], namespace: str | None) -> set[Place]:
    """Without kube-state-metrics: whatever the metrics name."""
    found = set()
    for family in FAMILIES:
        for labeling in family.labelings:
            found |= {one for labels in seen[family.key].labels if (one := labeling.workload(labels)) is not None}
    return {one for one in found if one[0] not in SYSTEM and namespace in (None, one[0])}


def _kind(place: Place) -> str:
    del place
    return "Deployment"


def _requests(source: GentleSource, places: Mapping[Place, str], at_ms: int) -> dict[Place, Requests]:
    stands_for = [
        Hpa(namespace=namespace, name="", kind="", workload="", min_replicas=1, max_replicas=1)
        for namespace in sorted({place[0] for place in places})
    ]
    return find_requests(source, stands_for, at_ms=at_ms)


def _carried(
    source: GentleSource, load: Offered, requests: Mapping[Place, Requests], *, start_ms: int, end_ms: int
) -> list[tuple[Place, Carried]]:
    made = []
    for namespace in sorted({place[0] for place in load.workloads}):
        window = rate_window(source, namespace, at_ms=end_ms)
        start = end_ms - (end_ms - start_ms) // STEP_MS * STEP_MS
        rates = source.range(_rates(load, namespace, window), start_ms=start, end_ms=end_ms, step_ms=STEP_MS)
        ready = source.range(_ready(namespace), start_ms=start, end_ms=end_ms, step_ms=STEP_MS)
        busy = source.range(_busy(namespace, window), start_ms=start, end_ms=end_ms, step_ms=STEP_MS)
        for place in sorted(one for one in load.workloads if one[0] == namespace):
            found = _of_one(
                _row(rates, load.labeling, place), _workload_row(ready, place), _workload_row(busy, place),
                requests.get(place, Requests()),
            )  # fmt: skip
            if found is not None:
                made.append((place, found))
    return made


def _rates(load: Offered, namespace: str, window: str) -> str:
    if not load.labeling.composite:
        return load.by_workload(namespace, window)
    label = load.labeling.label
    selector = load.labeling.selector(namespace, "[a-z0-9-]+", load.family.matchers)
    return f"sum by ({label}) (rate({load.family.metric}{{{selector}}}[{window}]))"


def _ready(namespace: str) -> str:
    deployments = f'max by (deployment) (kube_deployment_status_replicas_ready{{namespace="{namespace}"}})'
    sets = f'max by (statefulset) (kube_statefulset_status_replicas_ready{{namespace="{namespace}"}})'
    return (
        f'label_replace({deployments}, "workload", "$1", "deployment", "(.+)") or '
        f'label_replace({sets}, "workload", "$1", "statefulset", "(.+)")'
    )


def _busy(namespace: str, window: str) -> str:
    cpu = f'container_cpu_usage_seconds_total{{namespace="{namespace}",container!="",container!="POD"}}'
    by_pod = f"sum by (pod) (max by (pod, container) (rate({cpu}[{window}])))"
    return f'sum by (workload) (label_replace({by_pod}, "workload", "$1", "pod", "{POD_NAME}"))'


def _of_one(
    rate: np.ndarray | None, ready: np.ndarray | None, busy: np.ndarray | None, requests: Requests
) -> Carried | None:
    """None where there are too few points to say anything."""
    if rate is None or ready is None:
        return None
    good = ~np.isnan(rate) & (np.nan_to_num(ready) > 0)
    room = requests.cpu_limit_cores or requests.cpu_cores
    if requests.cpu_cores and requests.cpu_limit_cores:
        room = max(requests.cpu_cores, min(requests.cpu_limit_cores, 2 * requests.cpu_cores))
    known = busy is not None and room is not None
    if busy is not None and room is not None:
        calm = np.nan_to_num(busy, nan=np.inf) <= SAFE_SHARE * room * np.maximum(np.nan_to_num(ready), 1.0)
        if (good & calm).sum() >= FEWEST_POINTS:
            good &= calm
        else:
            known = False
    if good.sum() < FEWEST_POINTS:
        return None
    each = rate[good] / ready[good]
    there = ready[~np.isnan(ready)]
    return Carried(
        per_replica=float(np.percentile(each, PERCENTILE)), cpu_known=known,
        least_replicas=max(int(there.min()), 1), most_replicas=max(int(there.max()), 1),
    )  # fmt: skip


def _row(found: Matrix, labeling: Labeling, place: Place) -> np.ndarray | None:
    if not labeling.composite:
        return _workload_row(found, place)
    rows = [at for at, labels in enumerate(found.labels) if labeling.workload(labels) == place]
    if not rows:
        return None
    return np.asarray(np.nansum(np.where(found.present[rows], found.values[rows], np.nan), axis=0))


def _workload_row(found: Matrix, place: Place) -> np.ndarray | None:
    rows = [at for at, labels in enumerate(found.labels) if labels.value_of("workload") == place[1]]
    if not rows:
        return None
    return np.asarray(np.where(found.present[rows[0]], found.values[rows[0]], np.nan))


def unnamed(of: Survey, taken: Sequence[frozenset[Place]]) -> list[Place]:
    """Workloads that no group has."""
    covered = frozenset().union(*taken) if taken else frozenset()
    return sorted(place for place in of.workloads if place not in covered)
