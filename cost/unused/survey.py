"""All rules over one snapshot: what is found, what somebody keeps, and what nobody can say.

A kind that could not be listed silences the rules that stand on it, and no others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from cost.unused import abandoned, claims, jobs, load_balancers, namespaces, oversized, pinned, released, requests
from cost.unused.activity import Activity
from cost.unused.belonging import roots
from cost.unused.finding import Finding, Kind, Target, Unknown
from cost.unused.prices import NOTHING, Prices
from cost.unused.snapshot import KEEP, Snapshot, Thing

Find = Callable[[Snapshot, Activity, Prices], Iterator[Finding | Unknown]]
_OWNERS: Final = ("pods", "replicasets", "deployments", "statefulsets", "daemonsets", "replicationcontrollers")
RULES: Final[Mapping[Kind, tuple[Find, tuple[str, ...]]]] = {
    Kind.ABANDONED_WORKLOAD: (abandoned.find, _OWNERS),
    Kind.UNUSED_PVC: (claims.find, claims.READ),
    Kind.RELEASED_PV: (released.find, ("persistentvolumes",)),
    Kind.ORPHAN_LB: (load_balancers.find, ("services", "endpointslices")),
    Kind.FINISHED_JOBS: (jobs.find, ("jobs",)),
    Kind.EMPTY_NAMESPACE: (namespaces.find, namespaces.READ),
    Kind.HPA_PINNED_AT_MAX: (pinned.find, ("horizontalpodautoscalers",)),
    Kind.REQUESTS_MISSING: (requests.find, _OWNERS),
    Kind.OVERSIZED_PV: (oversized.find, ("persistentvolumeclaims",)),
}
"""Each rule and the kinds without which it says nothing."""
_SOME: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a rule found and somebody keeps."""

    kind: str
    target: Target
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotKnown:
    """What nobody can say of a kind of finding, in a sentence; ``objects`` is how many it is about, 0: all."""

    kind: Kind
    why: str
    objects: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Everything; findings are dearest first, those without a price last."""

    currency: str
    findings: tuple[Finding, ...]
    kept: tuple[Kept, ...]
    not_known: tuple[NotKnown, ...]
    notes: tuple[str, ...]

    @property
    def monthly(self) -> Decimal:
        """Of all findings that have a price; a workload and its volume are counted once each, nothing twice."""
        return sum((one.monthly or NOTHING for one in self.findings), NOTHING)


def survey(snapshot: Snapshot, activity: Activity, prices: Prices) -> Survey:
    """Run every rule."""
    found: list[Finding] = []
    unknown: list[Unknown] = []
    silent: list[NotKnown] = []
    for kind, (find, needs) in RULES.items():
        why = "; ".join(snapshot.missing[plural] for plural in needs if plural in snapshot.missing)
        why = why or activity.missing.get(kind, "")
        if why:
            silent.append(NotKnown(kind=kind, why=why))
            continue
        for one in find(snapshot, activity, prices):
            if isinstance(one, Unknown):
                unknown.append(one)
            else:
                found.append(one)
    kept = _kept(found, _keepers(snapshot))
    taken = {(one.kind, one.target) for one in kept}
    left = [one for one in found if (one.kind, one.target) not in taken]
    return Survey(
        currency=prices.currency, kept=kept, not_known=(*silent, *_told(unknown)), notes=tuple(_notes(snapshot)),
        findings=tuple(sorted(left, key=_dearest)),
    )  # fmt: skip


def _dearest(one: Finding) -> tuple[Decimal, bool, str, Target]:
    return -(one.monthly or NOTHING), one.monthly is None, one.kind, one.target


def _keepers(snapshot: Snapshot) -> dict[Target, str]:
    """Reasons by object; what a pod has counts for its workload, too, whose own annotations may be nobody's to read."""
    by_pods = {root.target: pod.about.keep for root in roots(snapshot) for pod in root.pods}
    things: tuple[Thing, ...] = (
        *snapshot.pods, *snapshot.workloads, *snapshot.claims, *snapshot.volumes, *snapshot.load_balancers,
        *snapshot.autoscalers,
    )  # fmt: skip
    own = {one.target: one.keep for one in (*(one.about for one in things), *snapshot.namespaces)}
    return {target: keep for told in (by_pods, own) for target, keep in told.items() if keep is not None}


def _kept(found: Iterable[Finding], keepers: Mapping[Target, str]) -> tuple[Kept, ...]:
    """A namespace's reason stands for all that is in it."""
    kept = []
    for one in found:
        place = one.target.namespace or (one.target.name if one.target.kind == "Namespace" else "")
        of_namespace = keepers.get(Target(namespace="", kind="Namespace", name=place))
        reason = keepers.get(one.target, of_namespace)
        if reason is not None:
            kept.append(Kept(kind=one.kind, target=one.target, reason=reason or "no reason given"))
    return tuple(kept)


def _told(unknown: Iterable[Unknown]) -> Iterator[NotKnown]:
    """One sentence for all objects with the same reason."""
    groups: dict[tuple[Kind, str], list[Target]] = defaultdict(list)
    for one in unknown:
        groups[one.kind, one.why].append(one.target)
    for (kind, why), targets in groups.items():
        some = ", ".join(str(one) for one in sorted(targets)[:_SOME])
        more = f" and {len(targets) - _SOME} more" if len(targets) > _SOME else ""
        yield NotKnown(kind=kind, why=f"{some}{more}: {why}", objects=len(targets))


def _notes(snapshot: Snapshot) -> Iterator[str]:
    if snapshot.foreign:
        yield (
            f"the cluster has objects of {', '.join(snapshot.foreign)}, whose pod templates are not read: a claim that "
            "only such a template names looks unused"
        )
    if "namespaces" in snapshot.missing:
        yield f"{snapshot.missing['namespaces']}: whether a namespace has {KEEP} is not known"
    for plural, what in (
        ("nodes", "pods have the sheet's flat prices"),
        ("persistentvolumes", "regions of volumes are not known"),
    ):
        if plural in snapshot.missing:
            yield f"{snapshot.missing[plural]}: {what}"
