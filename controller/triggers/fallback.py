"""What stands in for a trigger without data: the present number, another number, or another trigger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from controller.memory import Memory
from controller.triggers.wants import Missing, Want, silent
from controller.triggers.wording import span
from domain.scaling import Proposal, Reason, Workload
from rules.schema import Fallback, Trigger


def without_data(
    trigger: Trigger, reading: Missing, others: Mapping[str, Want], workload: Workload, memory: Memory, now: datetime
) -> Want:
    """No say, or what the fallback says once the trigger was silent for long enough; never less than current."""
    since = memory.missing_since.get(trigger.name, now)
    reason = f"{trigger.name}: {reading.reason}"
    fallback, current = trigger.fallback, workload.current_replicas
    if fallback is None or current is None or now - since < fallback.after:
        return silent(trigger, reason, invalid=reading.invalid)
    found, named = _instead(fallback, others)
    if found is None:
        return silent(trigger, f"{reason}; {named}, its fallback, has no data either", invalid=reading.invalid)
    replicas = max(found, current)
    proposal = Proposal(
        trigger=trigger.name, kind=trigger.kind, replicas=replicas, value=None, target=None, unit="",
        reason=f"{reason}; after {span(now - since)} without data its fallback{named} gives {replicas}",
        as_of=None, missing=True, invalid=reading.invalid,
    )  # fmt: skip
    return Want(proposal=proposal, word=Reason.FALLBACK, asked=replicas)


def _instead(fallback: Fallback, others: Mapping[str, Want]) -> tuple[int | None, str]:
    """The number, before the present one is looked at, and what it is of."""
    if fallback.trigger is None:
        return fallback.replicas or 0, ""
    other = others.get(fallback.trigger)
    if other is None or other.proposal.missing or other.asked is None:
        return None, fallback.trigger
    return other.asked, f" {fallback.trigger}"
