"""Which nodes a sheet's commitments pay for, and what of them is paid for and not used.

A commitment covers nodes that match, in order of their names, dearest commitments last; what is over is its own line,
not pushed onto anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final

from cost.pricing.sheet import fits
from cost.pricing.things import NodeFacts
from rules.price_sheet import Commitment

COMMITMENT_UNUSED: Final = "__commitment_unused__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """What is committed: the hourly price of each covered node by name, and the hourly cost of what nobody uses.

    ``ends`` is the last day of each covered node's commitment, ``unused`` how much of which commitment nobody uses.
    """

    hourly: Mapping[str, Decimal]
    unused_hourly: Decimal
    ends: Mapping[str, date] = field(default_factory=dict)
    unused: tuple[tuple[Commitment, Decimal], ...] = ()


def cover(nodes: Iterable[NodeFacts], commitments: Sequence[Commitment], today: date) -> Covered:
    """Assign nodes to commitments that have not ended; spot nodes are never covered."""
    left = sorted((node for node in nodes if node.selectors["capacityType"] != "spot"), key=lambda node: node.name)
    hourly: dict[str, Decimal] = {}
    ends: dict[str, date] = {}
    unused: list[tuple[Commitment, Decimal]] = []
    for one in sorted(commitments, key=lambda one: (one.hourly, one.id)):
        if one.ends < today:
            continue
        wanted = {name: value for name, value in one.match.selectors.items() if name != "capacityType"}
        whole = int(one.quantity)
        taken = [node for node in left if fits(wanted, node.selectors)][:whole]
        hourly |= dict.fromkeys((node.name for node in taken), one.hourly)
        ends |= dict.fromkeys((node.name for node in taken), one.ends)
        left = [node for node in left if node.name not in hourly]
        if (over := one.quantity - len(taken)) > 0:
            unused.append((one, over))
    cost = sum((one.hourly * over for one, over in unused), Decimal(0))
    return Covered(hourly=hourly, unused_hourly=cost, ends=ends, unused=tuple(unused))
