"""Which workloads may sleep by the clock: those that a label lets, and that nothing needs while nobody looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from controller.actuation.stamp import FREEZE
from controller.budgets import notes
from controller.cluster.kubernetes_view import selects
from domain.errors import KubeError
from kube import Connection, listed, read
from kube.kinds import DISRUPTION_BUDGET, NAMESPACE, DisruptionBudget, Fields, Kind, LabelSelector, Meta, OwnedMeta

LABEL: Final = "foretide.dev/off-hours"
"""On a namespace or a workload: ``allowed``, or ``never``, and the workload's word goes before."""
_NEVER_NEEDED: Final = ((0, None), ("0%", None), (None, "100%"))


class PodSpec(Fields, frozen=True, gc=False, rename="camel"):
    """Of a template, how important it is."""

    priority_class_name: str = ""


class Template(Fields, frozen=True, gc=False, rename="camel"):
    """Of a Deployment."""

    metadata: Meta = Meta()
    spec: PodSpec = PodSpec()


class SleeperSpec(Fields, frozen=True, gc=False, rename="camel"):
    """Of a Deployment, or of a ScaledObject (which has a target, and no template)."""

    replicas: int = 1
    template: Template = Template()
    selector: LabelSelector | None = None
    scale_target_ref: dict[str, Any] | None = None


class Sleeper(Fields, frozen=True, gc=False, rename="camel"):
    """A Deployment or a ScaledObject, with who wrote what."""

    metadata: OwnedMeta
    spec: SleeperSpec = SleeperSpec()


class PriorityClass(Fields, frozen=True, gc=False, rename="camel"):
    """PriorityClass, scheduling.k8s.io/v1."""

    metadata: Meta
    value: int = 0


DEPLOYMENT: Final = Kind(
    group="apps", version="v1", kind="Deployment", plural="deployments", namespaced=True, type=Sleeper
)  # fmt: skip
SCALED_OBJECT: Final = Kind(
    group="keda.sh", version="v1alpha1", kind="ScaledObject", plural="scaledobjects", namespaced=True, type=Sleeper
)  # fmt: skip
PRIORITY_CLASS: Final = Kind(
    group="scheduling.k8s.io", version="v1", kind="PriorityClass", plural="priorityclasses", namespaced=False,
    type=PriorityClass,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What may sleep: ``target`` is written to, ``workload`` is what it runs; ``why_not`` is empty where it may."""

    target: str
    workload: str
    labels: Mapping[str, str]
    why_not: str = ""


def candidates(
    connection: Connection, namespaces: Iterable[str], labels: Mapping[str, str], *, own_namespace: str
) -> list[Candidate]:
    """Deployments with all of these labels; StatefulSets and DaemonSets never are.

    Raises:
        KubeError: They cannot be read.
    """
    classes = {one.metadata.name: one.value for one in listed(connection, PRIORITY_CLASS).objects.values()}
    found = []
    for namespace in namespaces:
        if why := notes.spared(namespace, own_namespace):
            found.append(Candidate(target=f"namespace {namespace}", workload="", labels={}, why_not=why))
            continue
        space = read(connection, NAMESPACE, namespace=None, name=namespace).metadata.labels or {}
        budgets = list(listed(connection, DISRUPTION_BUDGET, namespace=namespace).objects.values())
        scaled = _scaled(connection, namespace)
        for one in listed(connection, DEPLOYMENT, namespace=namespace).objects.values():
            own = one.metadata.labels or {}
            if labels.items() <= own.items():
                target = scaled.get(one.metadata.name, f"Deployment {namespace}/{one.metadata.name}")
                why = _why_not(one, own.get(LABEL, space.get(LABEL, "")), budgets, classes)
                workload = f"{namespace}/{one.metadata.name}"
                found.append(Candidate(target=target, workload=workload, labels=own, why_not=why))
    return sorted(found, key=lambda each: each.target)


def _why_not(
    one: Sleeper, word: str, budgets: Iterable[DisruptionBudget], classes: Mapping[str, int]
) -> str:  # fmt: skip
    template = one.spec.template
    if word != "allowed":
        return f"label {LABEL} does not allow it"
    if FREEZE in (one.metadata.annotations or {}):
        return "it is frozen by its annotation"
    for budget in budgets:
        spec = budget.spec
        wants = (spec.min_available, spec.max_unavailable) not in _NEVER_NEEDED
        if wants and selects(spec.selector, template.metadata.labels or {}):
            return f"PodDisruptionBudget {budget.metadata.name} wants some of it"
    name = template.spec.priority_class_name
    if name and classes.get(name, 1) > 0:
        return f"it is of priority class {name}"
    return ""


def _scaled(connection: Connection, namespace: str) -> dict[str, str]:
    """By Deployment, the ScaledObject that scales it; none without KEDA."""
    try:
        there = listed(connection, SCALED_OBJECT, namespace=namespace).objects.values()
    except KubeError as error:
        if error.status in (403, 404):
            return {}
        raise
    found = {}
    for one in there:
        ref = one.spec.scale_target_ref or {}
        if ref.get("kind", "Deployment") == "Deployment":
            found[str(ref.get("name", ""))] = f"ScaledObject {namespace}/{one.metadata.name}"
    return found
