"""Idle to zero: when no trigger says that there is work for long enough, and how a workload comes back.

As in Kubernetes, a 0 that is not our own means that scaling is switched off by hand; only the 0 that we set ends when
there is work again. Missing data keep a workload awake and wake none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from controller.memory import Memory
from controller.need import Need
from controller.triggers import Want
from controller.triggers.wording import span
from domain.scaling import Decision, Proposal, Reason, TraceLine
from rules.schema import Replicas, ScalingRule

_NEEDS_PODS: Final = frozenset({"resource", "pods"})
"""Kinds that measure the pods themselves: they tell of work only while there are pods, and always of a little."""


def has_work(proposals: Iterable[Proposal], *, current: int) -> bool:
    """Whether a trigger says that there is work; while there are pods, missing data count as work."""
    telling = list(proposals)
    if current and any((one.missing or one.incomplete) and one.kind != "forecast" for one in telling):
        return True
    return any(one.active and (one.replicas or 0) > 0 for one in telling if one.kind not in _NEEDS_PODS)


def is_off(bounds: Replicas, memory: Memory, *, current: int) -> bool:
    """Whether the workload is at a 0 that is not ours."""
    return current == 0 and not (bounds.min == 0 and memory.asleep)


def idle_for(bounds: Replicas, memory: Memory, wants: Iterable[Want], *, current: int, now: datetime) -> str:
    """Since when it has been idle, in words, once that is long enough for 0; empty before that."""
    if bounds.min > 0 or bounds.idle_after is None or has_work((one.proposal for one in wants), current=current):
        return ""
    idle = now - (memory.idle_since or now)
    return span(idle) if current == 0 or idle >= bounds.idle_after else ""


def at_zero(needs: Need, idle: str) -> Need:
    """The need of an idle workload."""
    message = f"idle for {idle}, no trigger has work → 0"
    line = TraceLine(stage="combine", replicas=0, message=message)
    return replace(
        needs, replicas=0, floor=None, word=Reason.IDLE, message=message, floor_message="no work is forecast",
        trace=(*needs.trace[:-1], line),
    )  # fmt: skip


def remember(memory: Memory, decision: Decision, *, rule: ScalingRule) -> Memory:
    """Since when it is idle, and whether its 0 is our own."""
    if rule.spec.replicas.min > 0 or decision.current_replicas is None:
        return memory
    current = decision.current_replicas
    busy = has_work(decision.proposals, current=current)
    since = None if busy else memory.idle_since or decision.at
    asleep = decision.desired_replicas == 0 and (current > 0 or memory.asleep)
    return replace(memory, idle_since=since, asleep=asleep)
