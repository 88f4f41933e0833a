"""Whether a rule of the cluster decides and acts, and what of a changed status is worth an event: plain functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from controller.acting import ACTUATE_STAGE, REFUSED
from controller.actuation.flapping import UNDID
from controller.actuation.rings import HALTED
from controller.throttle import LEFT_ALONE
from domain.scaling import GATE_STAGE, RING_STAGE, Decision, Reason, TraceLine

Status = Mapping[str, Any]

_CANNOT_DECIDE: Final = frozenset(
    {Reason.INACTIVE, Reason.NO_REPLICA_COUNT, Reason.NO_DATA, Reason.MISSING_METRIC, Reason.MISSING_OPERAND}
)
OF_THE_LOAD: Final = frozenset(
    {
        Reason.DESIRED_WITHIN_RANGE, Reason.WITHIN_TOLERANCE, Reason.TOO_MANY_REPLICAS, Reason.TOO_FEW_REPLICAS,
        Reason.SCALE_DOWN_STABILIZED, Reason.SCALE_UP_STABILIZED, Reason.SCALE_UP_LIMIT, Reason.SCALE_DOWN_LIMIT,
        Reason.FORECAST_FLOOR, Reason.STEP_LIMIT,
    }
)  # fmt: skip
"""Words that come and go with the load alone; a word that is none of these is somebody's will, or something wrong."""
_DIGITS: Final = re.compile(r"\d+([.:,]\d+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unready:
    """Why not: a word and a sentence."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What an event says."""

    reason: str
    message: str
    is_warning: bool = False


def unready(decision: Decision, failed: str = "") -> Unready | None:
    """Why a rule does not decide, or not act; None where it does both as it should.

    Args:
        decision: Its newest.
        failed: Why what it asked for was not done, where that was tried. While a target is left alone because of
            that, the answer stays the same.
    """
    if gate := _line(decision, GATE_STAGE):
        return Unready(reason="BacktestMissing", message=gate.message)
    if ring := _line(decision, RING_STAGE):
        return Unready(reason="RingHalted" if HALTED in ring.message else "WaitsForRing", message=ring.message)
    if failed:
        return Unready(reason="Failed", message=failed)
    acted = _line(decision, ACTUATE_STAGE)
    if acted is not None and acted.message.startswith((REFUSED, LEFT_ALONE)):
        said = acted.message.partition(": ")[2]
        refused = "Flapping" if UNDID in said else "NotWritten"
        return Unready(reason="Failed" if acted.message.startswith(LEFT_ALONE) else refused, message=said)
    if decision.reason in _CANNOT_DECIDE:
        return Unready(reason=decision.reason.value, message=decision.message)
    return None


def news(before: Status, after: Status) -> list[News]:
    """The outcome changed, or whether and why it is ready. A first status that is ready is none.

    What a rule that sets bounds would have of replicas because of the load is no news: the autoscaler's own events say
    what was done.
    """
    said: list[News] = []
    was, is_now = ready(before), ready(after)
    bad = is_now["status"] != "True"
    if (bad or was) and told(was) != told(is_now):
        reason = is_now["reason"] if bad else "Ready"
        said.append(News(reason=reason, message=is_now.get("message") or "it runs", is_warning=bad))
    old, new = before.get("decision"), after.get("decision")
    if (
        old
        and new
        and old.get("outcome") != new["outcome"]
        and not (new.get("bounds") and new["reason"] in OF_THE_LOAD)
    ):
        words = "".join(word.capitalize() for word in new["outcome"].split("_"))
        said.append(News(reason=words, message=f"{new['reason']}: {new.get('message', '')}"))
    return said


def ready(status: Status) -> Status:
    """The condition Ready; empty where there is none yet."""
    return next((one for one in status.get("conditions") or () if one.get("type") == "Ready"), {})


def told(condition: Status) -> tuple[object, ...]:
    """What a condition tells, without numbers in its sentence: they count seconds and samples."""
    message = condition.get("message", "") if condition.get("status") != "True" else ""
    return condition.get("status"), condition.get("reason"), _DIGITS.sub("#", message)


def _line(decision: Decision, stage: str) -> TraceLine | None:
    return next((line for line in reversed(decision.trace) if line.stage == stage), None)
