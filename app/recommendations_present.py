"""The present that savings are simulated on, from a day of series: the busiest quarter of an hour, priced.

Pods are those of the moment at which most was requested, for nodes have to stand that. A node costs its price for the
share of the day in which it was there; what was there at other times only is paid for, and no item touches it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from app.cost_allocation import Allocations
from app.cost_attached import attached_books
from app.cost_known import Known, KnownNode
from app.recommendations_mix import machine
from cost.allocation.nodes import PodInterval, Window
from cost.pricing.chain import PricedNode, Sources, notes_on, price_node, price_nodes
from cost.pricing.covered import cover
from cost.pricing.things import SPOT_LABELS
from cost.recommendations.present import Load, Node, Present, grain
from rules.price_sheet import Commitment

STEP: Final = timedelta(minutes=15)
STEPS: Final = 96
HOURS_PER_MONTH: Final = 730
NO_POOL: Final = "default"
"""What nodes are called together that no label of a pool tells of."""
_ON_EVERY_NODE: Final = ("DaemonSet", "Node")
_SPOT: Final = next(iter(SPOT_LABELS.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """The present, and what an item has to say of it.

    Attributes:
        present: Without volumes and load balancers.
        attached: What those cost in a month, as far as they are seen.
        busiest: When most was requested.
        unused: Commitments that nobody uses, and how much of each.
        notes: What is not known, or not sure.
    """

    present: Present
    attached: Decimal
    busiest: datetime
    unused: tuple[tuple[Commitment, Decimal], ...]
    notes: tuple[str, ...]


def today(allocations: Allocations, now: datetime) -> Today:
    """Read it; raises ``QueryError`` where the source does not answer."""
    window = Window(start=now - STEPS * STEP, steps=STEPS, step=STEP)
    sources, known = allocations.known(window)
    busiest = window.start + (_busiest(known, window) + 1) * STEP - timedelta(microseconds=1)
    # Series are looked at where a step ends: that is the moment, and what has only just come is there. Commitments
    # cover who is there then: a node that has gone since midnight has handed its own on.
    present_nodes = [node for node in known.nodes if _at(node.start, node.end, busiest)]
    facts = [node.facts for node in present_nodes]
    priced, unused_hourly = price_nodes(sources, facts, now.date())
    others = ((one.facts.name, price_node(sources, one.facts)) for one in known.nodes if one.facts.name not in priced)
    priced |= {name: found for name, found in others if found is not None}
    commitments = () if sources.sheet is None else sources.sheet.spec.commitments
    covered = cover(facts, commitments, now.date())
    there = [node for node in present_nodes if node.facts.name in priced]
    observed = window.end - min((node.start for node in known.nodes), default=window.start)
    nodes = tuple(_node(one, priced, covered.ends, window, observed) for one in there)
    paid = sum((_monthly(one, priced[one.facts.name], window, observed) for one in known.nodes
                if one.facts.name in priced), Decimal(0))  # fmt: skip
    hourly = unused_hourly + sum(() if sources.sheet is None else sources.sheet.spec.overhead_hourly.values(),
                                 Decimal(0))  # fmt: skip
    present = Present(
        currency=sources.currency, nodes=nodes, loads=tuple(_loads(known.pods, there, busiest)),
        spot_ratio=_spot_ratios(there, priced, sources),
        other=grain(paid - sum((one.monthly for one in nodes), Decimal(0)) + hourly * HOURS_PER_MONTH),
    )  # fmt: skip
    beside = attached_books(known, sources, window)
    attached = sum((one.amount for one in (*beside.volumes, *beside.balancers)), Decimal(0)) * HOURS_PER_MONTH
    notes = notes_on(sources, [one.price for one in priced.values()], now.date())
    if not nodes:
        notes = [*notes, f"no node with a price is known: {known.missing or 'no price fits'}"]
    return Today(present=present, attached=grain(attached), busiest=busiest, unused=covered.unused, notes=tuple(notes))


def pool_of(node: KnownNode) -> str:
    """``cluster/pool``: pools of two clusters are two."""
    return f"{node.subject.cluster}/{node.subject.node_pool or NO_POOL}"


def workload_of(pod: PodInterval) -> str:
    """``namespace/Kind/name``; a pod of nobody is its own."""
    own = pod.subject
    return f"{own.namespace}/{own.owner_kind or 'Pod'}/{own.owner or own.pod}"


def _busiest(known: Known, window: Window) -> int:
    """The step in which pods requested the largest share of a mean node; of equal ones the last."""
    asked = np.zeros((2, window.steps + 1))
    for pod in known.pods:
        first = max(0, (pod.start - window.start) // STEP)
        last = window.steps if pod.end is None else min(window.steps, (pod.end - window.start) // STEP)
        if last > first:
            amounts = (pod.requests.cpu_cores, pod.requests.memory_bytes)
            asked[:, first] += amounts
            asked[:, last] -= amounts
    level = asked.cumsum(axis=1)[:, :-1]
    whole = [max(1.0, sum(node.capacity.each[at] for node in known.nodes)) for at in (0, 1)]
    busy = np.round(level[0] / whole[0] + level[1] / whole[1], 9)
    return int(window.steps - 1 - np.argmax(busy[::-1]))


def _at(start: datetime, end: datetime | None, moment: datetime) -> bool:
    return start <= moment and (end is None or end > moment)


def _monthly(node: KnownNode, priced: PricedNode, window: Window, observed: timedelta) -> Decimal:
    """At the share of the time that anybody watched in which it was there."""
    lasted = (node.end or window.end) - node.start
    share = Decimal(lasted // timedelta(seconds=1)) / Decimal(max(1, observed // timedelta(seconds=1)))
    return grain(priced.price.amount * HOURS_PER_MONTH * min(Decimal(1), share))


def _node(
    one: KnownNode, priced: Mapping[str, PricedNode], ends: Mapping[str, date], window: Window, observed: timedelta
) -> Node:
    selectors = one.facts.selectors
    return Node(
        name=one.facts.name, pool=pool_of(one), monthly=_monthly(one, priced[one.facts.name], window, observed),
        cpu_millicores=round(one.allocatable.cpu_cores * 1000), memory_bytes=round(one.allocatable.memory_bytes),
        machine=machine(selectors.get("instanceType", ""), selectors.get("region", "")),
        committed_until=ends.get(one.facts.name), is_spot=selectors["capacityType"] == "spot",
    )  # fmt: skip


def _loads(pods: Sequence[PodInterval], nodes: Sequence[KnownNode], moment: datetime) -> Iterator[Load]:
    """Equal pods counted; those on nodes that are not known, or have no price, are left out with them."""
    pools = {(node.subject.cluster, node.subject.node): pool_of(node) for node in nodes}
    counted: Counter[tuple[str, str, int, int, bool]] = Counter()
    for pod in pods:
        pool = pools.get((pod.subject.cluster, pod.subject.node))
        if pool is not None and _at(pod.start, pod.end, moment):
            cpu, memory = round(pod.requests.cpu_cores * 1000), round(pod.requests.memory_bytes)
            counted[workload_of(pod), pool, cpu, memory, pod.subject.owner_kind in _ON_EVERY_NODE] += 1
    for (workload, pool, cpu, memory, every), number in sorted(counted.items()):
        yield Load(workload=workload, pool=pool, pods=number, cpu_millicores=cpu, memory_bytes=memory,
                   on_every_node=every)  # fmt: skip


def _spot_ratios(nodes: Sequence[KnownNode], priced: Mapping[str, PricedNode], sources: Sources) -> dict[str, Decimal]:
    """What a pool's largest machine costs on spot by what it costs on demand, where a source knows both."""
    ratios: dict[str, Decimal] = {}
    for pool in sorted({pool_of(node) for node in nodes}):
        mine = [node for node in nodes if pool_of(node) == pool]
        largest = max(mine, key=lambda node: (*node.allocatable.each, node.facts.name)).facts
        spot = price_node(sources, replace(largest, labels={**largest.labels, _SPOT[0]: _SPOT[1]}))
        now = priced[largest.name].price.amount
        if spot is not None and 0 < spot.price.amount < now:
            ratios[pool] = spot.price.amount / now
    return ratios
