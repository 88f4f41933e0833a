"""What stands in for a trigger without data."""

from __future__ import annotations

from datetime import datetime

from controller.memory import Memory
from controller.triggers.wants import Missing, Want, silent
from controller.triggers.wording import span
from domain.scaling import Proposal, Reason, Workload
from rules.schema import Trigger


def without_data(trigger: Trigger, reading: Missing, workload: Workload, memory: Memory, now: datetime) -> Want:
    """No say, or what the fallback says once the trigger was silent for long enough; never less than current."""
    since = memory.missing_since.get(trigger.name, now)
    reason = f"{trigger.name}: {reading.reason}"
    fallback, current = trigger.fallback, workload.current_replicas
    if fallback is None or current is None or now - since < fallback.after:
        return silent(trigger, reason)
    replicas = max(fallback.replicas or 0, current)
    proposal = Proposal(
        trigger=trigger.name, kind=trigger.kind, replicas=replicas, value=None, target=None, unit="",
        reason=f"{reason}; after {span(now - since)} without data its fallback gives {replicas}",
        as_of=None, missing=True,
    )  # fmt: skip
    return Want(proposal=proposal, word=Reason.FALLBACK, asked=replicas)
