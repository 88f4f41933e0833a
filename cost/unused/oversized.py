"""Volumes that are far larger than what was ever in them within a week, where the kubelet told it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal
from typing import Final

from cost.unused.activity import Activity, Hours
from cost.unused.claims import regions_of
from cost.unused.finding import Finding, Kind, Unknown
from cost.unused.prices import Prices
from cost.unused.snapshot import WEEK, Claim, Snapshot

_GIB: Final = 2.0**30
ROOM: Final = 1.5
"""Of the most that was in it: a guess; a file system above 85 % is trouble, and it should last a while."""
MOST_RATIO: Final = Decimal("0.5")
LEAST_GIB: Final = 10
"""Below half its size and by at least this much: else the copying costs more than the disk."""


def find(snapshot: Snapshot, activity: Activity, prices: Prices) -> Iterator[Finding | Unknown]:
    """Only claims of which every hour of a week is known; of the others nothing is said: most drivers tell nothing."""
    regions = regions_of(snapshot)
    for claim in snapshot.claims:
        of = claim.about.target
        filled = activity.filled.get((of.namespace, of.name))
        if filled is None or not filled.cover_the_week or not claim.about.is_older_than(WEEK, snapshot.at):
            continue
        wanted = _wanted_gib(filled)
        if wanted <= MOST_RATIO * claim.gib and claim.gib - wanted >= LEAST_GIB:
            yield _finding(claim, filled, wanted, regions.get(claim.volume, ""), snapshot, prices)


def _wanted_gib(filled: Hours) -> Decimal:
    return max(Decimal(filled.highest / _GIB * ROOM).to_integral_value(ROUND_CEILING), Decimal(1))


def _finding(claim: Claim, filled: Hours, wanted: Decimal, region: str, snapshot: Snapshot, prices: Prices) -> Finding:
    of = claim.about.target
    now = prices.volume(claim.volume, claim.storage_class, region, claim.gib)
    then = prices.volume(claim.volume, claim.storage_class, region, wanted)
    return Finding(
        kind=Kind.OVERSIZED_PV, target=of,
        monthly=None if now.amount is None or then.amount is None else now.amount - then.amount,
        since=snapshot.at - WEEK,
        evidence=(
            ("size", f"{claim.gib.normalize():f} GiB of class {claim.storage_class or 'none'}"),
            ("most used", f"{filled.highest / _GIB:.1f} GiB within 7 days"), ("would do", f"{wanted:f} GiB"),
            ("hours", f"{filled.known} are known"), *now.evidence,
        ),
        advice=f"A volume cannot shrink: make a claim of {wanted:f} GiB, copy the data while the workload stands "
               "still, and let it mount that one.",
        command=f"kubectl -n {of.namespace} get persistentvolumeclaim {of.name} -o yaml > {of.name}.yaml",
        undo="keep the old claim until the copy is proven: mounting it again is the way back",
    )  # fmt: skip
