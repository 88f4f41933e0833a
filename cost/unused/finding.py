"""One thing that nobody seems to use: what it costs, why we think so, and what a human could do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Kind(StrEnum):
    """What is found; the names are those of the list of recommendations."""

    ABANDONED_WORKLOAD = "abandonedWorkload"
    UNUSED_PVC = "unusedPVC"
    RELEASED_PV = "releasedPV"
    ORPHAN_LB = "orphanLB"
    FINISHED_JOBS = "finishedJobs"
    EMPTY_NAMESPACE = "emptyNamespace"
    HPA_PINNED_AT_MAX = "hpaPinnedAtMax"
    REQUESTS_MISSING = "requestsMissing"
    OVERSIZED_PV = "oversizedPV"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Target:
    """An object of the cluster.

    Attributes:
        namespace: Empty for what has none, such as a PersistentVolume.
        kind: As Kubernetes writes it.
        name: Its name.
    """

    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        """``shop/Deployment/web``, or ``PersistentVolume/pv-1``."""
        return "/".join(filter(None, (self.namespace, self.kind, self.name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing.

    Attributes:
        kind: One of ``Kind``.
        target: What.
        monthly: What is no longer paid in 730 hours once it is gone, in the sheet's currency: 0 where nothing is freed,
            None where no price is known.
        since: From when on it is known to be so; None where nobody tells.
        evidence: What was looked at and what was seen, as pairs of words.
        advice: One sentence.
        command: What a human would run; Foretide never runs it.
        undo: How, and how far, it can be taken back.
    """

    kind: str
    target: Target
    monthly: Decimal | None
    since: datetime | None
    evidence: tuple[tuple[str, str], ...]
    advice: str
    command: str
    undo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """An object of which nobody can say whether it is used, and why."""

    kind: Kind
    target: Target
    why: str


def stamp(moment: datetime) -> str:
    """To the minute, for evidence."""
    return f"{moment:%Y-%m-%d %H:%MZ}"
