"""What is known of the cluster: one reflector per kind, and what is looked up in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from controller.actuation import stamp as stamps
from controller.actuation.holds import Rollout
from controller.cluster.kubernetes_autoscalers import Autoscaler, of_hpa, of_scaled_object
from controller.cluster.kubernetes_targets import Targets
from domain.errors import KubeError
from domain.scaling import WorkloadRef
from domain.units import parse_quantity
from domain.workloads import WorkloadFacts
from kube import Connection
from kube.kinds import (
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    HPA,
    NAMESPACE,
    QUOTA,
    SCALED_OBJECT,
    STATEFUL_SET,
    DisruptionBudget,
    Kind,
    LabelSelector,
    Quota,
    Workload,
)
from kube.reflector import Reflector

_KEDA_EVERY_SECONDS: Final = 600.0
_FOR_EVER_SECONDS: Final = 86_400.0
OF_APPS: Final = "apps/v1"
WORKLOADS: Final[Mapping[str, Kind[Workload]]] = {"Deployment": DEPLOYMENT, "StatefulSet": STATEFUL_SET}


class View:
    """Snapshots that never change while they are looked at; no requests but the reflectors' own."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is read before ``start``."""
        self._connection, self.targets = connection, Targets(connection)
        self._hpas = Reflector(connection, HPA)
        self._scaled_objects = Reflector(connection, SCALED_OBJECT)
        self._workloads = {name: Reflector(connection, kind) for name, kind in WORKLOADS.items()}
        self._budgets = Reflector(connection, DISRUPTION_BUDGET)
        self._namespaces, self._quotas = Reflector(connection, NAMESPACE), Reflector(connection, QUOTA)
        self._needed: list[Reflector[Any]] = [self._hpas, *self._workloads.values()]
        self._every: list[Reflector[Any]] = [*self._needed, self._budgets, self._namespaces, self._quotas]
        self._keda_at = float("-inf")
        self._by_namespace: tuple[int, dict[str, list[DisruptionBudget]]] = (-1, {})
        self._by_target: tuple[tuple[int, int], dict[tuple[str, str, str], list[Autoscaler]]] = ((-1, -1), {})

    def start(self) -> None:
        """Begins to list and watch."""
        for reflector in self._every:
            reflector.start()
        self.look_for_keda()

    def look_for_keda(self) -> None:
        """Watches ScaledObjects too from when KEDA is there; asks at most every ten minutes, and until it is."""
        now = self._connection.clock.monotonic()
        if self._scaled_objects in self._every or now < self._keda_at:
            return
        self._keda_at = now + _KEDA_EVERY_SECONDS
        try:
            self._connection.request("GET", SCALED_OBJECT.path(), query={"limit": "1"})
        except KubeError:
            return
        self._every.append(self._scaled_objects)
        self._scaled_objects.start()

    def stop(self) -> None:
        """Ends the threads."""
        for reflector in self._every:
            reflector.stop()
        self.targets.stop()

    def wait_synced(self, timeout_seconds: float) -> bool:
        """Whether every kind was listed once, waiting so long for each."""
        return all(one.wait_synced(timeout_seconds) for one in self._every)

    def age(self) -> timedelta | None:
        """Of the oldest view of autoscalers and workloads; None before all were listed once."""
        if not all(one.synced for one in self._needed):
            return None
        needed = [*self._needed, *((self._scaled_objects,) if self._scaled_objects.synced else ())]
        return timedelta(seconds=max(one.age_seconds() for one in needed))

    def problems(self) -> list[str]:
        """What fails now, a sentence for each kind."""
        return [one.problem for one in self._every if one.problem]

    def autoscaler(self, kind: str, namespace: str, name: str) -> Autoscaler | None:
        """The one of that name; None where there is none."""
        if kind == SCALED_OBJECT.kind:
            scaled = self._scaled_objects.objects().get((namespace, name))
            return None if scaled is None else of_scaled_object(scaled)
        hpa = self._hpas.objects().get((namespace, name))
        return None if hpa is None else of_hpa(hpa)

    def stamped(self) -> Iterator[Autoscaler]:
        """Those that have anything of ours."""
        for hpa in self._hpas.objects().values():
            if hpa.metadata.annotations and stamps.is_stamped(hpa.metadata.annotations):
                yield of_hpa(hpa)
        for one in self._scaled_objects.objects().values():
            if one.metadata.annotations and stamps.is_stamped(one.metadata.annotations):
                yield of_scaled_object(one)

    def scalers_of(self, ref: WorkloadRef) -> list[Autoscaler]:
        """Every autoscaler of a workload."""
        revision, by_target = self._by_target
        if revision != (self._hpas.revision, self._scaled_objects.revision):
            revision, by_target = (self._hpas.revision, self._scaled_objects.revision), {}
            every = [of_hpa(hpa) for hpa in self._hpas.objects().values()]
            every += [of_scaled_object(one) for one in self._scaled_objects.objects().values()]
            for one in every:
                by_target.setdefault((one.metadata.namespace, *one.target), []).append(one)
            self._by_target = revision, by_target
        return by_target.get((ref.namespace, ref.kind, ref.name), [])

    def workload(self, ref: WorkloadRef) -> Workload | None:
        """The Deployment, StatefulSet or other target; None where there is none."""
        if ref.api_version != OF_APPS:
            return self.targets.workload(ref)
        reflector = self._workloads.get(ref.kind)
        return None if reflector is None else reflector.objects().get((ref.namespace, ref.name))

    def kind_of(self, ref: WorkloadRef) -> Kind[Any] | None:
        """Where the workload lives in the API; None where that is not known."""
        return WORKLOADS.get(ref.kind) if ref.api_version == OF_APPS else self.targets.kind_of(ref)

    def rollout_of(self, ref: WorkloadRef, workload: Workload) -> Rollout:
        """How far its controller has come."""
        known = rollout_of(workload)
        return known if ref.api_version == OF_APPS else self.targets.rollout(ref, known)

    def age_of(self, ref: WorkloadRef) -> timedelta | None:
        """Of the oldest view of autoscalers and of this workload."""
        age = self.age()
        if age is None or ref.api_version == OF_APPS:
            return age
        seconds = min(self.targets.age_seconds(ref), _FOR_EVER_SECONDS)
        return max(age, timedelta(seconds=seconds))

    def quotas(self) -> list[Quota]:
        """Of all namespaces; none where they may not be read: the API server holds them anyway."""
        return list(self._quotas.objects().values())

    def workloads(self) -> Iterator[Workload]:
        """Every Deployment and StatefulSet."""
        for reflector in self._workloads.values():
            yield from reflector.objects().values()

    def knows_budgets(self) -> bool:
        """Whether disruption budgets could be read: without them nobody knows what must not be taken away."""
        return self._budgets.synced

    def blocking_budget(self, workload: Workload) -> str:
        """A PodDisruptionBudget of its pods that allows no disruption now; empty: none."""
        for budget in self._budgets_of(workload.metadata.namespace):
            status = budget.status
            if (
                status.expected_pods
                and not status.disruptions_allowed
                and selects(budget.spec.selector, _labels(workload))
            ):
                return budget.metadata.name
        return ""

    def known(self) -> tuple[WorkloadFacts, ...]:
        """Every workload that can be scaled, for policies."""
        spaces = {name: one.metadata.labels or {} for (_, name), one in self._namespaces.objects().items()}
        return tuple(
            WorkloadFacts(
                kind=kind, namespace=namespace, name=name, labels=one.metadata.labels or {},
                annotations=one.metadata.annotations or {}, namespace_labels=spaces.get(namespace, {}),
            )
            for kind, reflector in self._workloads.items()
            for (namespace, name), one in sorted(reflector.objects().items())
        )  # fmt: skip

    def _budgets_of(self, namespace: str) -> Iterable[DisruptionBudget]:
        """Put in order once after each change: 2,000 rules ask on every pass."""
        revision, by_namespace = self._by_namespace
        if revision != self._budgets.revision:
            revision, by_namespace = self._budgets.revision, {}
            for (space, _), budget in self._budgets.objects().items():
                by_namespace.setdefault(space, []).append(budget)
            self._by_namespace = revision, by_namespace
        return by_namespace.get(namespace, ())


def rollout_of(workload: Workload) -> Rollout:
    """How far its controller has come."""
    spec, status = workload.spec, workload.status
    return Rollout(
        generation=workload.metadata.generation, observed_generation=status.observed_generation,
        replicas=min(spec.replicas, status.replicas), updated_replicas=status.updated_replicas, paused=spec.paused,
    )  # fmt: skip


def resources_of(workload: Workload, what: str) -> dict[str, float]:
    """Requests or limits of one replica in cores and bytes, where every container names them."""
    template = workload.spec.template
    containers = [] if template is None else template.spec.containers
    totals: dict[str, float] = {}
    for resource in ("cpu", "memory"):
        asked = [(getattr(one.resources, what) or {}).get(resource) for one in containers]
        values = [_quantity(text) for text in asked if text is not None]
        if values and len(values) == len(containers):
            totals[resource] = sum(values)
    return totals


@lru_cache(maxsize=4096)
def _quantity(text: str) -> float:
    return float(parse_quantity(text))


def _labels(workload: Workload) -> Mapping[str, str]:
    template = workload.spec.template
    return (template.metadata.labels if template is not None else None) or {}


def selects(selector: LabelSelector | None, labels: Mapping[str, str]) -> bool:
    """Whether a budget is about pods with these labels; an empty selector is about all of its namespace."""
    if selector is None:
        return False
    if any(labels.get(name) != value for name, value in (selector.match_labels or {}).items()):
        return False
    return all(_meets(labels, one) for one in selector.match_expressions or ())


def _meets(labels: Mapping[str, str], expression: Mapping[str, Any]) -> bool:
    key, values = str(expression.get("key", "")), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return True  # a new operator: rather one budget too many
