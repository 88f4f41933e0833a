"""Nodes of a window with what they cost, stretch by stretch: their own price, or a commitment's while it covers them.

Before the first node was seen nobody knows whether a commitment was used: that time is in no sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from app.cost_known import KnownNode
from cost.allocation.ledger import cost_of, exact_sum
from cost.allocation.nodes import NodeInterval, Window
from cost.pricing.chain import PricedNode, Sources, committed_node, price_node
from cost.pricing.covered_time import CoveredTime, Stay, cover_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """All of them.

    Attributes:
        intervals: Of one price each.
        priced: By name, the price that each had last; without those that never had one.
        unused: What commitments cost that no node used, since the first was seen.
    """

    intervals: tuple[NodeInterval, ...]
    priced: Mapping[str, PricedNode]
    unused: Decimal


def costed(known: Sequence[KnownNode], sources: Sources, window: Window) -> Machines:
    """Price them."""
    sheet = sources.sheet
    committed = () if sheet is None or sheet.spec.currency != sources.currency else sheet.spec.commitments
    stays = [Stay(node=one.facts, start=one.start, end=one.end) for one in known]
    seen_from = min((max(one.start, window.start) for one in known), default=window.end)
    covered = cover_time(stays, committed, min(seen_from, window.end), window.end)
    intervals: list[NodeInterval] = []
    priced: dict[str, PricedNode] = {}
    for at, node in enumerate(known):
        for interval, price in _stretches(node, at, covered, sources):
            intervals.append(interval)
            priced[node.facts.name] = price
    unused = exact_sum(cost_of(hourly, lasted) for hourly, lasted in covered.unused)
    return Machines(intervals=tuple(intervals), priced=priced, unused=unused)


def _stretches(
    node: KnownNode, at: int, covered: CoveredTime, sources: Sources
) -> Iterator[tuple[NodeInterval, PricedNode]]:  # fmt: skip
    own = price_node(sources, node.facts)
    stretches = covered.stretches.get(at, ())
    if all(one.hourly is None for one in stretches):
        if own is not None:
            yield _interval(node, own), own
        return
    for one in stretches:
        price = own if one.hourly is None else committed_node(sources, node.facts, one.hourly)
        if price is not None:
            yield replace(_interval(node, price), start=one.start, end=one.end), price


def _interval(node: KnownNode, price: PricedNode) -> NodeInterval:
    return NodeInterval(
        subject=node.subject, start=node.start, end=node.end, capacity=node.capacity,
        allocatable=node.allocatable, hourly_costs=price.parts,
    )  # fmt: skip
