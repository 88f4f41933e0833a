"""How much room a CapacityBuffer keeps for a workload, and the note of it on the object itself.

Room is asked for at once. It goes by a tenth a minute, so that nodes do not come and go with every forecast; but what
new pods have moved into is not room any more and is given up at once, or each of them would fetch a second node.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from controller.actuation import stamp as stamps
from controller.actuation.ramp import FLOOR_EVERY, lowered
from controller.actuation.stamp import FLOOR_LASTS, PREFIX
from domain.errors import RefusedError
from domain.scaling import WorkloadRef

BUFFER: Final = f"{PREFIX}buffer"
"""The object's uid, the replicas that we set, when, and how many were wanted besides them then."""
_ALWAYS: Final = (BUFFER, stamps.EXPIRES_AT, stamps.EPOCH, stamps.RULE, stamps.REASON)
_NOTE: Final = re.compile(r"(\S{1,64}) ([0-9]{1,10}) at ([0-9]{4}-[0-9-]{5}T[0-9:]{8}Z) beside ([0-9]{1,10})")
_NO_UID: Final = "-"
_EXAMPLE: Final = "UID 8 at 2026-11-21T12:00:00Z beside 12"


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferOrder:
    """What a rule wants of its buffer.

    Attributes:
        rule: ``namespace/name``.
        target: The workload whose pods are to find room; the buffer has its name.
        need: Replicas that the forecasts need within the lead; None where nobody knows.
        why: The forecast's sentence, or why nobody knows.
        beside: Replicas that are there or wanted now: they need no room; None where nobody knows.
        most: No more room than this.
        reason: The decision's word.
    """

    rule: str
    target: WorkloadRef
    need: int | None
    why: str
    beside: int | None
    most: int
    reason: str

    def __str__(self) -> str:
        """``CapacityBuffer shop/checkout``."""
        return f"CapacityBuffer {self.target.namespace}/{self.target.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is noted on a buffer of ours; ``uid`` is empty until it is told its own."""

    uid: str
    replicas: int
    at: datetime
    beside: int
    expires_at: datetime
    epoch: int
    rule: str
    reason: str

    def is_expired(self, now: datetime) -> bool:
        """Whether nobody has renewed it."""
        return self.expires_at <= now

    def is_due(self, now: datetime) -> bool:
        """Whether half of its life is over."""
        return self.expires_at - now <= FLOOR_LASTS / 2


def wanted(need: int, *, beside: int, most: int) -> int:
    """Room for what the forecast needs beyond what is there or wanted anyway."""
    return min(max(need - beside, 0), most)


def damped(room: int, *, beside: int, stands: int, last: Kept, now: datetime) -> int:
    """The next number of replicas of a buffer that ``stands`` at so many, on its way to ``room``."""
    if room >= stands:
        return room
    left = max(stands - max(beside - last.beside, 0), 0)
    return max(room, left if now - last.at < FLOOR_EVERY else lowered(left) if left else 0)


def read(annotations: Mapping[str, str], uid: str) -> Kept | None:
    """What is noted on the object with ``uid``; None where there is nothing of ours.

    Raises:
        RefusedError: Half a note, or one that none of us can have written on this object.
    """
    if BUFFER not in annotations:
        return None
    if missing := [name for name in _ALWAYS if name not in annotations]:
        raise RefusedError(f"half a stamp: annotation {missing[0]} is missing beside {BUFFER}")
    text, epoch = annotations[BUFFER], annotations[stamps.EPOCH]
    found = _NOTE.fullmatch(text)
    if found is None or not epoch.isdecimal():
        raise RefusedError(f"annotation {BUFFER} is {text[:64]!r}; expected like {_EXAMPLE!r}")
    noted, replicas, at, beside = found.groups()
    if noted not in (uid, _NO_UID):
        raise RefusedError(f"annotation {BUFFER} is of another object: this is a copy of ours")
    return Kept(
        uid="" if noted == _NO_UID else noted, replicas=int(replicas), at=_instant(at), beside=int(beside),
        expires_at=_instant(annotations[stamps.EXPIRES_AT]), epoch=int(epoch),
        rule=annotations[stamps.RULE], reason=annotations[stamps.REASON],
    )  # fmt: skip


def written(kept: Kept) -> dict[str, str]:
    """Its annotations."""
    return {
        BUFFER: f"{kept.uid or _NO_UID} {kept.replicas} at {_told(kept.at)} beside {kept.beside}",
        stamps.EXPIRES_AT: _told(kept.expires_at),
        stamps.EPOCH: str(kept.epoch),
        stamps.RULE: kept.rule,
        stamps.REASON: kept.reason,
    }


def _told(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _instant(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise RefusedError(f"{text[:64]!r} is no instant like 2026-11-21T12:00:00Z") from error
