"""PersistentVolumes whose claim is gone and whose disk is still paid for."""

from __future__ import annotations

from collections.abc import Iterator

from cost.unused.activity import Activity
from cost.unused.finding import Finding, Kind, Unknown, stamp
from cost.unused.prices import Prices
from cost.unused.snapshot import WEEK, Snapshot, Volume


def find(snapshot: Snapshot, activity: Activity, prices: Prices) -> Iterator[Finding | Unknown]:
    """Released for a week, or (Failed) the driver could not delete the disk; who says not since when, by age."""
    del activity
    for volume in snapshot.volumes:
        since = volume.phase_since
        young = since is not None and snapshot.at - since <= WEEK
        if volume.phase in ("Released", "Failed") and not young and volume.about.is_older_than(WEEK, snapshot.at):
            yield _finding(volume, prices)


def _finding(volume: Volume, prices: Prices) -> Finding:
    name = volume.about.target.name
    price = prices.volume(name, volume.storage_class, volume.region, volume.gib)
    evidence = [("phase", volume.phase), ("was of", volume.claim or "nobody"), ("reclaim policy", volume.reclaim)]
    if volume.handle:
        evidence.append(("disk", volume.handle))
    if volume.phase_since is not None:
        evidence.append(("since", stamp(volume.phase_since)))
    if volume.reclaim == "Delete":
        return Finding(
            kind=Kind.RELEASED_PV, target=volume.about.target, since=volume.phase_since, monthly=price.amount,
            evidence=(*evidence, *price.evidence),
            advice="It should have gone with its claim, and the driver could not delete the disk: its events say why.",
            command=f"kubectl describe persistentvolume {name}", undo="only looks; the disk goes once the driver can",
        )  # fmt: skip
    delete = """-p '{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}'"""
    return Finding(
        kind=Kind.RELEASED_PV, target=volume.about.target, since=volume.phase_since, monthly=price.amount,
        evidence=(*evidence, *price.evidence),
        advice="Take a snapshot of the disk if anybody may want the data, then let the driver delete it; deleting the "
               "PersistentVolume alone leaves a disk with Retain on the bill.",
        command=f"kubectl patch persistentvolume {name} {delete}",
        undo="none: the disk and its data are gone; before that, clearing spec.claimRef lets a new claim bind it",
    )  # fmt: skip
