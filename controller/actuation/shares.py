"""How far floors and replicas may rise together: what is asked for in all is held against what there is room for.

Everybody gets the same share of what they ask for above what stands, in thousandths, so that the order in which rules
are looked at changes nothing. What stands is never lowered by this, even where it is too much already.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

WHOLE: Final = 1000
_ALMOST: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One floor, or the replicas of a workload that we scale ourselves.

    Attributes:
        rule: Whose.
        namespace: Where.
        stands: How high it is.
        wants: How high it is to be.
        free: Up to here it costs nothing: these replicas run, or are what the owner asks for anyway.
        pod: What a replica asks for: ``cpu`` in cores, ``memory`` in bytes, and ``pods``, which is 1.
    """

    rule: str
    namespace: str
    stands: int
    wants: int
    free: int
    pod: Mapping[str, float] = field(default_factory=dict)

    def at(self, share: int) -> int:
        """The floor at that share; what costs nothing is given whole."""
        least = max(self.stands, min(self.wants, self.free))
        return (
            min(self.wants, self.stands) if self.wants <= self.stands else least + (self.wants - least) * share // WHOLE
        )

    def cost(self, share: int, resource: str) -> float:
        """What the floor adds at that share, in the resource; what a replica does not ask for costs nothing."""
        return max(0, max(self.at(share), self.stands) - self.free) * self.pod.get(resource, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What there is for some claims together.

    Attributes:
        resource: ``cpu``, ``memory`` or ``pods``.
        amount: How much may be added.
        said: Whose limit it is, for the sentence.
        namespace: Of whose claims; None: of all.
    """

    resource: str
    amount: float
    said: str
    namespace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """How high a floor or the replicas may go, and why not higher; empty: as high as it wants."""

    low: int
    why: str = ""


def granted(claims: Iterable[Claim], rooms: Sequence[Room]) -> dict[str, Granted]:
    """By rule; rooms are looked at one after the other, each with what the former left of the wishes."""
    now = {one.rule: one for one in claims}
    why: dict[str, str] = {}
    for room in rooms:
        here = [one for one in now.values() if room.namespace in (None, one.namespace)]
        share = _largest(lambda share, here=here, room=room: _fits(here, room, share))  # type: ignore[misc]
        if share == WHOLE:
            continue
        for one in here:
            low = max(one.at(share), min(one.stands, one.wants))
            if low < one.wants and one.pod.get(room.resource):
                now[one.rule] = replace(one, wants=low)
                why[one.rule] = _sentence(room, here)
    return {rule: Granted(low=one.wants, why=why.get(rule, "")) for rule, one in now.items()}


def _fits(claims: Sequence[Claim], room: Room, share: int) -> bool:
    return math.fsum(one.cost(share, room.resource) for one in claims) <= max(room.amount, 0.0) + _ALMOST


def _largest(fits: Callable[[int], bool]) -> int:
    """The largest share that fits, 0 where none does: what stands is there anyway."""
    low, high = 0, WHOLE
    if fits(high):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _sentence(room: Room, claims: Sequence[Claim]) -> str:
    asked = math.fsum(one.cost(WHOLE, room.resource) for one in claims)
    return f"rules together would add {_told(room, asked)}, and {room.said} leaves {_told(room, max(room.amount, 0.0))}"


def _told(room: Room, amount: float) -> str:
    if room.resource == "memory":
        return f"{amount / 2**30:.1f} GiB"
    return f"{amount:.1f} cores" if room.resource == "cpu" else f"{amount:.0f} pods"
