"""Advice about money: what to change, what that saves after everything before it, and where the advice stands.

The same advice keeps its id when it is computed again, whatever its values are by then; ``digest`` tells its values.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any


class RecommendationKind(StrEnum):
    """What is advised; those of what is unused have the names of its findings."""

    ABANDONED_WORKLOAD = "abandonedWorkload"
    UNUSED_PVC = "unusedPVC"
    RELEASED_PV = "releasedPV"
    ORPHAN_LB = "orphanLB"
    OVERSIZED_PV = "oversizedPV"
    FINISHED_JOBS = "finishedJobs"
    EMPTY_NAMESPACE = "emptyNamespace"
    RIGHT_SIZE_REQUESTS = "rightSizeRequests"
    REQUESTS_MISSING = "requestsMissing"
    RIGHT_SIZE_HPA = "rightSizeHpa"
    HPA_PINNED_AT_MAX = "hpaPinnedAtMax"
    OFF_HOURS_SCHEDULE = "offHoursSchedule"
    RIGHT_SIZE_NODE_POOL = "rightSizeNodePool"
    SPOT_MOVE = "spotMove"
    COMMITMENT_IDLE = "commitmentIdle"
    COMMITMENT_BUY = "commitmentBuy"


class RecommendationState(StrEnum):
    """open → accepted → applied → verified, or rejected, snoozed, expired."""

    OPEN = "open"
    ACCEPTED = "accepted"
    APPLIED = "applied"
    VERIFIED = "verified"
    REJECTED = "rejected"
    SNOOZED = "snoozed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Target:
    """An object; ``namespace`` is empty for what has none, such as a node pool."""

    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        """``shop/Deployment/web``, or ``NodePool/general``."""
        return "/".join(filter(None, (self.namespace, self.kind, self.name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field; None is a field that is not there.

    Attributes:
        path: ``containers[NAME].requests.cpu``, ``containers[NAME].limits.memory`` (in a workload's template),
            ``hpa[NAME].target.cpu`` (percent), ``nodes`` and the like for what no program of ours changes.
        before: As Kubernetes writes it.
        after: As well.
    """

    path: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        """``containers[web].requests.cpu 1000m -> 920m``."""
        return f"{self.path} {self.before or 'none'} -> {self.after or 'none'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """What a human would paste: kubectl's command, and its patch where it takes one."""

    object: str
    command: str
    patch: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """Money in a month of 730 hours, marginal after every item before it.

    Attributes:
        monthly: ≥ 0.
        currency: ISO 4217.
        p10: Where the source knows how sure it is; else None, as ``p50`` and ``p90``.
        realised_when: ``deleted``, ``nodesRemoved``, ``nightsOff``, ``moved``, ``committed``, a date on which a
            commitment ends, or ``never`` where nothing is saved.
    """

    monthly: Decimal
    currency: str
    p10: Decimal | None = None
    p50: Decimal | None = None
    p90: Decimal | None = None
    realised_when: str = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """Requests that nobody makes any more, of all pods: room, which is money only once whole nodes go."""

    cpu_millicores: int = 0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """One piece of advice.

    Attributes:
        kind: What.
        target: Whose.
        changes: From and to, exactly; nothing for advice that changes no field of ours.
        patches: To paste.
        saving: What it is worth.
        freed: Room it makes.
        advice: One sentence.
        evidence: What was looked at and what was seen, as pairs of words.
        risk: ``none``, ``low``, ``medium``, ``high`` or ``unknown``.
        confidence: 0–1, that it comes as said.
        effort: 1 for a patch, 2 for a deletion that somebody has to look at, 3 for more.
        conflicts: Who else writes there, in sentences; nothing where nobody does as far as is known.
        together: Ids of the items without whose room this one's node does not go.
        supersedes: Ids of items that this one makes void.
        undo: How, and how far, it can be taken back.
    """

    kind: RecommendationKind
    target: Target
    changes: tuple[Change, ...]
    patches: tuple[Patch, ...]
    saving: Saving
    freed: Freed = field(default_factory=Freed)
    advice: str
    evidence: tuple[tuple[str, str], ...]
    risk: str
    confidence: float
    effort: int = 1
    conflicts: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    supersedes: tuple[str, ...] = ()
    undo: str

    @property
    def id(self) -> str:
        """Of kind, target and the fields that change, not of their values: 12 hex digits."""
        return identity(self.kind, self.target, [one.path for one in self.changes])

    @property
    def digest(self) -> str:
        """Of everything that would be written: 16 hex digits, as those of budgets' approvals."""
        return _hash(
            [self.kind, str(self.target), [[one.path, one.before, one.after] for one in self.changes],
             [[one.object, one.command, one.patch] for one in self.patches]]
        )[:16]  # fmt: skip

    @property
    def rank(self) -> Decimal:
        """``saving · P(success) / effort``: what comes first."""
        return self.saving.monthly * Decimal(str(self.confidence)) / self.effort


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a piece of advice stands.

    Attributes:
        state: Now.
        since: When it came to be.
        by: Who brought it there: a person's token, ``foretide``.
        reason: Why, in words.
        until: When a snoozed or rejected item comes back; None: not by itself.
        digest: Of the patch that was accepted; empty before.
    """

    state: RecommendationState
    since: datetime
    by: str = "foretide"
    reason: str = ""
    until: datetime | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRecommendation:
    """Advice with its standing, as it is kept; ``seen_at`` is when it was last computed."""

    advice: Recommendation
    standing: Standing
    seen_at: datetime

    @property
    def id(self) -> str:
        """Of the advice."""
        return self.advice.id


def identity(kind: str, target: Target, paths: list[str]) -> str:
    """The id of such a piece of advice."""
    return _hash([kind, str(target), sorted(paths)])[:12]


def _hash(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
