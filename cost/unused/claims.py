"""PersistentVolumeClaims to which nothing refers: no pod, no template, no StatefulSet that would take them again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cost.unused.activity import Activity
from cost.unused.finding import Finding, Kind, Target, Unknown, stamp
from cost.unused.prices import NOTHING, Prices
from cost.unused.snapshot import WEEK, WORKLOADS, Claim, Snapshot

READ: Final = ("persistentvolumeclaims", "pods", *WORKLOADS)
"""Without one of these kinds no claim is called unused."""
_ORDINAL: Final = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Referrers:
    """Who names which claim, and which names StatefulSets would take.

    Attributes:
        by_name: By namespace and claim.
        by_ordinal: By namespace: what a claim's name begins with before its number.
    """

    by_name: dict[tuple[str, str], Target]
    by_ordinal: dict[str, dict[str, Target]]

    def of(self, claim: Target) -> Target | None:
        """One that refers to the claim; None: nobody does."""
        named = self.by_name.get((claim.namespace, claim.name))
        if named is not None:
            return named
        for prefix, by in self.by_ordinal.get(claim.namespace, {}).items():
            if claim.name.startswith(prefix) and _ORDINAL.fullmatch(claim.name[len(prefix) :]):
                return by
        return None


def referrers(snapshot: Snapshot) -> Referrers:
    """Everything that refers to a claim: pods that have ended do, too, as long as they are there."""
    by_name: dict[tuple[str, str], Target] = {}
    by_ordinal: dict[str, dict[str, Target]] = {}
    for pod in snapshot.pods:
        of = pod.about.target
        names = {*pod.shape.claims, *(f"{of.name}-{volume}" for volume in pod.shape.ephemeral)}
        by_name |= {(of.namespace, name): of for name in names}
    for one in snapshot.workloads:
        of = one.about.target
        by_name |= {(of.namespace, name): of for name in one.shape.claims}
        prefixes = {f"{template}-{of.name}-": of for template in one.claim_templates}
        by_ordinal.setdefault(of.namespace, {}).update(prefixes)
    return Referrers(by_name=by_name, by_ordinal=by_ordinal)


def find(snapshot: Snapshot, activity: Activity, prices: Prices) -> Iterator[Finding | Unknown]:
    """Every claim older than a week that nobody refers to and that nobody was seen to mount."""
    known, regions = referrers(snapshot), regions_of(snapshot)
    for claim in snapshot.claims:
        of = claim.about.target
        if known.of(of) is not None or not claim.about.is_older_than(WEEK, snapshot.at):
            continue
        if claim.about.owners:
            owner = claim.about.owners[0]
            kind = f"{owner.kind}.{owner.group}" if owner.group else owner.kind
            yield Unknown(kind=Kind.UNUSED_PVC, target=of, why=f"belongs to a {kind}, which decides about it")
        elif (of.namespace, of.name) not in activity.mounted:
            yield _finding(claim, regions.get(claim.volume, ""), snapshot, prices)


def regions_of(snapshot: Snapshot) -> dict[str, str]:
    """Where volumes are, by name."""
    return {one.about.target.name: one.region for one in snapshot.volumes}


def _finding(claim: Claim, region: str, snapshot: Snapshot, prices: Prices) -> Finding:
    of = claim.about.target
    price = prices.volume(claim.volume, claim.storage_class, region, claim.gib)
    evidence = [
        ("referrers", "none among pods, Deployments, StatefulSets and their claim templates, DaemonSets, ReplicaSets, "
                      "ReplicationControllers, Jobs and CronJobs"),
        ("size", f"{claim.gib.normalize():f} GiB of class {claim.storage_class or 'none'}"),
        ("phase", claim.phase),
    ]  # fmt: skip
    if claim.about.created is not None:
        evidence.append(("created", stamp(claim.about.created)))
    if snapshot.foreign:
        evidence.append(("not read", f"templates of {', '.join(snapshot.foreign)}"))
    delete = f"kubectl -n {of.namespace} delete persistentvolumeclaim {of.name}"
    if not claim.volume:
        return Finding(
            kind=Kind.UNUSED_PVC, target=of, monthly=NOTHING, since=None, evidence=tuple(evidence), command=delete,
            advice="It never got a volume; delete it once its owner says so.",
            undo="create it again from its manifest: nothing is stored in it",
        )  # fmt: skip
    retain = """-p '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}'"""
    return Finding(
        kind=Kind.UNUSED_PVC, target=of, monthly=price.amount, since=None, evidence=(*evidence, *price.evidence),
        advice="Quarantine first: with its volume set to Retain the claim can go and the data stays; the money is "
               "saved when the released volume is deleted.",
        command=f"kubectl patch persistentvolume {claim.volume} {retain} && {delete}",
        undo=f"the deleted claim does not come back, the data does: clear spec.claimRef of persistentvolume "
             f"{claim.volume} and create the claim again with volumeName: {claim.volume}; without Retain, its class's "
             "reclaim policy (Delete, mostly) takes the disk with it",
    )  # fmt: skip
