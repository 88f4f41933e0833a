"""The present that savings are simulated on: nodes at what they really cost, what runs on them, and what else is paid.

Money is for a month of 730 hours, at the share of the time in which a node was there, and exact to a millionth: sums
and differences of such amounts lose nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

GRAIN: Final = Decimal("0.000001")
MOST_PODS: Final = 110
"""On a node: the kubelet's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node that is there.

    Attributes:
        name: Its name.
        pool: Pods are only moved within it; nodes of no known pool are one together.
        monthly: What it costs.
        cpu_millicores: That pods may have.
        memory_bytes: As well.
        machine: Instance type; empty where unknown.
        committed_until: The day on which its commitment ends; None where it can be given back.
        is_spot: Whether it is one.
    """

    name: str
    pool: str
    monthly: Decimal
    cpu_millicores: int
    memory_bytes: int
    machine: str = ""
    committed_until: date | None = None
    is_spot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Equal pods of one workload in one pool.

    Attributes:
        workload: ``namespace/Kind/name``.
        pool: Of the nodes they run on.
        pods: How many.
        cpu_millicores: That each requests.
        memory_bytes: As well.
        on_every_node: A DaemonSet's: they are on whatever node there is, and keep none.
    """

    workload: str
    pool: str
    pods: int
    cpu_millicores: int
    memory_bytes: int
    on_every_node: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """All of it.

    Attributes:
        currency: Of every amount.
        nodes: That are there.
        loads: What runs on them.
        things: Volumes and load balancers, ``Kind/name`` or ``namespace/Kind/name``, by what they cost in a month.
        spot_ratio: What a spot node of a pool's machines costs by one on demand; no entry where nobody knows.
        other: What is paid and no item touches: nodes that have gone, fees, commitments that nobody uses.
    """

    currency: str
    nodes: tuple[Node, ...] = ()
    loads: tuple[Load, ...] = ()
    things: Mapping[str, Decimal] = field(default_factory=dict)
    spot_ratio: Mapping[str, Decimal] = field(default_factory=dict)
    other: Decimal = Decimal(0)

    @property
    def monthly(self) -> Decimal:
        """The bill."""
        parts = [node.monthly for node in self.nodes] + [*self.things.values(), self.other]
        return sum((grain(one) for one in parts), Decimal(0))


def grain(amount: Decimal) -> Decimal:
    """To a millionth."""
    return amount.quantize(GRAIN, ROUND_HALF_EVEN)
