"""Each rule's target: is it there, is it ours to write to, who else manages it, and how would its HPA let go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.doctor import snippets
from app.doctor.asking import everywhere
from app.doctor.findings import Finding, Level
from app.doctor.gitops import GitOps
from app.doctor.managers import managers_of
from controller.actuation.stamp import FREEZE, KEPT
from controller.cluster.kubernetes_autoscalers import Autoscaler, of_hpa, of_scaled_object, owner_of
from controller.cluster.kubernetes_guard import SYSTEM_NAMESPACES
from controller.cluster.kubernetes_targets import Targets
from controller.cluster.kubernetes_view import OF_APPS
from domain.scaling import WorkloadRef
from domain.workloads import WorkloadFacts
from kube import Connection
from kube.kinds import DEPLOYMENT, HPA, NAMESPACE, SCALED_OBJECT, STATEFUL_SET, Hpa, Key
from rules.schema import ScalingRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the cluster holds, read once."""

    hpas: Mapping[Key, Hpa]
    scalers: Mapping[tuple[str, str, str], Autoscaler]
    workloads: tuple[WorkloadFacts, ...]
    unseen: tuple[str, ...] = ()
    """What may not be listed."""
    absent: Mapping[WorkloadRef, str] = field(default_factory=dict)
    """Targets of other kinds that are not there, and why as far as it is known."""

    def scaling(self, namespace: str, kind: str, name: str) -> list[Autoscaler]:
        """The autoscalers of one workload."""
        return [
            one for one in self.scalers.values() if (one.metadata.namespace, *one.target) == (namespace, kind, name)
        ]


def of_other_kinds(rules: Iterable[ScalingRule]) -> tuple[WorkloadRef, ...]:
    """What rules scale besides Deployments and StatefulSets."""
    return tuple(rule.target for rule in rules if rule.target.api_version != OF_APPS)


def see(connection: Connection, namespaces: Iterable[str], others: Iterable[WorkloadRef] = ()) -> Seen:
    """Autoscalers and workloads, of ``namespaces`` where we may not look everywhere; ``others`` one by one.

    Raises:
        KubeError: Not answered, for another reason than 403.
    """
    where, unseen = sorted(set(namespaces)), list[str]()
    hpas = everywhere(connection, HPA, where, unseen)
    scaled = everywhere(connection, SCALED_OBJECT, where, unseen)
    scalers = [*map(of_hpa, hpas.values()), *map(of_scaled_object, scaled.values())]
    spaces = {
        name: one.metadata.labels or {} for (_, name), one in everywhere(connection, NAMESPACE, (), unseen).items()
    }
    workloads = tuple(
        WorkloadFacts(
            kind=kind.kind, namespace=namespace, name=name, labels=one.metadata.labels or {},
            annotations=one.metadata.annotations or {}, namespace_labels=spaces.get(namespace, {}),
        )
        for kind in (DEPLOYMENT, STATEFUL_SET)
        for (namespace, name), one in sorted(everywhere(connection, kind, where, unseen).items())
    )  # fmt: skip
    absent = _absent(connection, others)
    scaling = {one.key: one for one in scalers}
    return Seen(hpas=hpas, scalers=scaling, workloads=workloads, unseen=tuple(unseen), absent=absent)


def _absent(connection: Connection, others: Iterable[WorkloadRef]) -> dict[WorkloadRef, str]:
    """Those that are not there, or cannot be scaled, and why."""
    targets, absent = Targets(connection), dict[WorkloadRef, str]()
    for ref in others:
        if targets.workload(ref) is None:
            absent[ref] = targets.why(ref)
    targets.stop()
    return absent


def looked(rules: Iterable[ScalingRule], seen: Seen, gitops: GitOps, *, namespace: str) -> Iterator[Finding]:
    """Every rule's target.

    Raises:
        KubeError: The server does not answer at all.
    """
    named: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for rule in rules:
        if rule.spec.actuate.with_ == "none":
            yield _of_rule(rule, Level.NOTE, "actuates none: nothing is ever written for it")
            continue
        yield from _workload(rule, seen, namespace)
        if key := _key(rule):
            named[key].append(rule.key)
    for key, rules_of in named.items():
        if len(rules_of) > 1:
            says = f"{len(rules_of)} rules name it: {', '.join(rules_of)}"
            yield Finding(level=Level.ERROR, object=_title(key), says=says, do="leave it to one of them")
        found = seen.scalers.get(key)
        if found is None:
            says = f"rule {rules_of[0]} names it and it is not there, or may not be looked at"
            yield Finding(level=Level.ERROR, object=_title(key), says=says, do="create it, or name another")
            continue
        yield from _autoscaler(found, seen)
        for by in managers_of(found):
            yield gitops.judge(found, by)


def _workload(rule: ScalingRule, seen: Seen, own: str) -> Iterator[Finding]:
    target, where = rule.spec.target, rule.metadata.namespace
    if where in SYSTEM_NAMESPACES | {own}:
        yield _of_rule(rule, Level.ERROR, f"nothing is ever written in namespace {where}")
    if (why := _absence(rule, seen)) is not None:
        yield _of_rule(rule, Level.ERROR, f"its target {rule.target} is not there, or may not be looked at{why}")
    there = seen.scaling(where, target.kind, target.name)
    hpas = [one for one in there if one.kind is HPA]
    if len(hpas) > 1:
        says = f"{len(hpas)} HPAs scale {target.kind} {target.name}: {', '.join(one.metadata.name for one in hpas)}"
        yield _of_rule(rule, Level.ERROR, says, "leave one: the HPA controller does nothing while two claim its pods")
    way, named = rule.spec.actuate.with_, seen.scalers.get(_key(rule) or ("", "", ""))
    if way == "scale" and there:
        says = f"actuates scale, but {there[0]} scales the same workload"
        do = f"actuate: {{with: bounds, {_field(there[0])}: {there[0].metadata.name}}}"
        yield _of_rule(rule, Level.ERROR, says, do)
    elif way == "hpa" and (others := [one for one in there if not _may_keep(one, rule)]):
        says = f"keeps an HPA of its own, but {others[0]} scales the same workload"
        takes = others[0].kind is HPA and not owner_of(others[0])
        do = f"actuate: {{with: hpa, hpa: {others[0].metadata.name}}} takes it over" if takes else "leave it to one"
        yield _of_rule(rule, Level.ERROR, says, do)
    elif named is not None and named.target != (target.kind, target.name):
        says = f"{named} scales {' '.join(named.target)}, the rule is about {target.kind} {target.name}"
        yield _of_rule(rule, Level.ERROR, says, "name the autoscaler of the rule's own target")


def _absence(rule: ScalingRule, seen: Seen) -> str | None:
    """None where the target is there; else why it is not, as far as it is known."""
    ref = rule.target
    if ref.api_version == OF_APPS:
        there = any(
            (one.kind, one.namespace, one.name) == (ref.kind, ref.namespace, ref.name) for one in seen.workloads
        )
        return None if there else ""
    why = seen.absent.get(ref)
    return f": {why}" if why else why


def _autoscaler(found: Autoscaler, seen: Seen) -> Iterator[Finding]:
    if owner := owner_of(found):
        yield Finding(level=Level.ERROR, object=str(found), says=owner, do="write to what owns it")
    if FREEZE in found.annotations:
        says = f"it is frozen: {found.annotations[FREEZE]}"
        do = f"foretide freeze {found.metadata.namespace}/{found.metadata.name} --undo lets writes go on"
        yield Finding(level=Level.WARNING, object=str(found), says=says, do=do)
    if found.kind is HPA and not _is_braked(seen.hpas[found.metadata.namespace, found.metadata.name].spec.behavior):
        yield Finding(
            level=Level.WARNING, object=str(found),
            says="no scaleDown policy limits it: when a floor goes, by whoever's hand, all its pods go within one sync",
            do="give it a policy that limits how many pods go in a minute", snippet=snippets.scale_down_policies(),
        )  # fmt: skip


def _is_braked(behavior: Mapping[str, Any] | None) -> bool:
    """Whether scaling down is limited below everything at once; the API server fills in 100 percent where none is."""
    down = (behavior or {}).get("scaleDown") or {}
    if down.get("selectPolicy") == "Disabled":
        return True
    policies = down.get("policies") or ()
    limited = [one.get("type") == "Pods" or one.get("value", 100) < 100 for one in policies]
    return any(limited) if down.get("selectPolicy") == "Min" else bool(limited) and all(limited)


def _key(rule: ScalingRule) -> tuple[str, str, str] | None:
    """The autoscaler that it writes to and that must be there."""
    actuate, where = rule.spec.actuate, rule.metadata.namespace
    if actuate.with_ != "bounds":
        return None
    if actuate.scaled_object is not None:
        return SCALED_OBJECT.kind, where, actuate.scaled_object
    return HPA.kind, where, actuate.hpa or ""


def _may_keep(found: Autoscaler, rule: ScalingRule) -> bool:
    """Whether the rule names it, or it is ours already."""
    ours = KEPT in found.annotations or rule.spec.actuate.hpa == found.metadata.name
    return found.kind is HPA and ours and not owner_of(found)


def _field(found: Autoscaler) -> str:
    return "hpa" if found.kind is HPA else "scaledObject"


def _title(key: tuple[str, str, str]) -> str:
    return f"{key[0]} {key[1]}/{key[2]}"


def _of_rule(rule: ScalingRule, level: Level, says: str, do: str = "") -> Finding:
    return Finding(level=level, object=f"rule {rule.key}", says=says, do=do)
