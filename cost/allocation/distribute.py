"""Gives every item its part of idle, of shared costs and of overhead, so that nothing is lost and no filter matters.

The parts are made item by item, over all items: rows are only sums of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from cost.allocation.apportion import apportion
from cost.allocation.ledger import RESOURCES, Item, Ledger, Line, add, exact_sum
from cost.allocation.subject import Condition, Subject, holds_all, key_of

OVERHEAD: Final = "__overhead__"
SHARED: Final = "__shared__"
Floats = NDArray[np.float64]
Split = Literal["weighted", "even"]
ShareIdle = Literal["none", "weighted", "even"]
Alternatives = Sequence[Sequence[Condition]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distributed:
    """The items that rows are made of, each with its parts; every list is in the order of ``items``.

    Attributes:
        items: Those that are not shared.
        idle: Each one's own part of its cluster's idle.
        idle_of_shared: Its part of the idle that belongs to shared items, by cluster.
        idle_of_nobody: By cluster: idle of a resource that no item had.
        shared: Its part of the shared items' costs.
        overhead: Its part of overhead.
        lines: What stays a line.
    """

    items: tuple[Item, ...]
    idle: Sequence[Decimal]
    idle_of_shared: Mapping[str, Sequence[Decimal]]
    idle_of_nobody: Mapping[str, Decimal]
    shared: Sequence[Decimal]
    overhead: Sequence[Decimal]
    lines: tuple[Line, ...]


def distribute(
    ledger: Ledger, *, by: Sequence[str], shared: Alternatives, split: Split, share_idle: ShareIdle,
    share_overhead: bool,
) -> Distributed:  # fmt: skip
    """Split what is not an item's own over the items that are not shared.

    Args:
        ledger: Everything.
        by: The grouping, for what is split evenly over rows.
        shared: What meets all conditions of one of these is shared.
        split: How shared costs and overhead are.
        share_idle: How idle is; ``none`` attributes it by weight, so that a filter can show its part of it.
        share_overhead: Whether overhead is; else its lines stay.
    """
    is_shared = [any(holds_all(one, item.subject) for one in shared) for item in ledger.items]
    own_idle, of_nobody = _idle(ledger, by, is_shared, share_idle)
    others = tuple(item for item, given in zip(ledger.items, is_shared, strict=True) if not given)
    weights = _weights(others, by, split)
    pool = [item for item, given in zip(ledger.items, is_shared, strict=True) if given]
    lines = [line for line in ledger.lines if line.name != OVERHEAD or not share_overhead]
    nothing = [Decimal(0)] * len(others)
    shared_cost = exact_sum(cost for item in pool for cost in item.costs)
    if others or not shared_cost:
        parts = apportion(shared_cost, weights) if shared_cost else nothing
    else:
        parts = []
        lines.append(Line(name=SHARED, subject=Subject(), cost=shared_cost))
    idle_of_pool: dict[str, Decimal] = defaultdict(Decimal)
    for item, given, idle in zip(ledger.items, is_shared, own_idle, strict=True):
        if given and idle:
            idle_of_pool[item.subject.cluster] = add(idle_of_pool[item.subject.cluster], idle)
    if not others:
        of_nobody = {name: add(of_nobody.get(name, Decimal(0)), idle_of_pool.get(name, Decimal(0)))
                     for name in sorted({*of_nobody, *idle_of_pool})}  # fmt: skip
        idle_of_pool.clear()
    overhead, left = _overhead(ledger, others, by, split) if share_overhead else (nothing, [])
    return Distributed(
        items=others, idle=[idle for idle, given in zip(own_idle, is_shared, strict=True) if not given],
        idle_of_shared={cluster: apportion(cost, weights) for cluster, cost in idle_of_pool.items()},
        idle_of_nobody=of_nobody, shared=parts, overhead=overhead, lines=(*lines, *left),
    )  # fmt: skip


def _idle(
    ledger: Ledger, by: Sequence[str], is_shared: Sequence[bool], share_idle: ShareIdle
) -> tuple[list[Decimal], dict[str, Decimal]]:
    """Each item's part of its cluster's idle, and by cluster what nobody has a part of."""
    parts, nobody = [Decimal(0)] * len(ledger.items), dict[str, Decimal]()
    whole: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * len(RESOURCES))
    for one in ledger.idle:
        held = whole[one.subject.cluster]
        held[:] = map(add, held, one.costs)
    # OpenCost leaves shared items out where idle stays apart: its 6e; see the docstring of ``report``.
    left_out = is_shared if ledger.basis == "opencost" and share_idle == "none" else [False] * len(is_shared)
    members: dict[str, list[int]] = defaultdict(list)
    for number, item in enumerate(ledger.items):
        if not left_out[number]:
            members[item.subject.cluster].append(number)
    for cluster, costs in sorted(whole.items()):
        numbers = members[cluster]
        items = [ledger.items[number] for number in numbers]
        if share_idle == "even" and items:
            _spread(parts, numbers, exact_sum(costs), _weights(items, by, "even"))
            continue
        for index, cost in enumerate(costs):
            weights = np.array([float(item.costs[index]) for item in items])
            if cost and weights.any():
                _spread(parts, numbers, cost, weights)
            elif cost:
                nobody[cluster] = add(nobody.get(cluster, Decimal(0)), cost)
    return parts, nobody


def _overhead(
    ledger: Ledger, items: Sequence[Item], by: Sequence[str], split: Split
) -> tuple[list[Decimal], list[Line]]:
    """Each item's part of the overhead of its cluster and of no cluster, and the lines that nobody is there for."""
    parts, left = [Decimal(0)] * len(items), list[Line]()
    for line in ledger.lines:
        if line.name != OVERHEAD:
            continue
        cluster = line.subject.cluster
        numbers = [number for number, item in enumerate(items) if cluster in ("", item.subject.cluster)]
        if numbers:
            _spread(parts, numbers, line.cost, _weights([items[number] for number in numbers], by, split))
        else:
            left.append(line)
    return parts, left


def _spread(parts: list[Decimal], numbers: Sequence[int], cost: Decimal, weights: Floats) -> None:
    """Add each one's part of ``cost`` to what it has."""
    for number, part in zip(numbers, apportion(cost, weights), strict=True):
        parts[number] = add(parts[number], part)


def _weights(items: Sequence[Item], by: Sequence[str], split: Split) -> Floats:
    """By cost, or one for each row, within it by cost; where nothing cost anything, the same for each."""
    costs = np.array([float(item.cost) for item in items])
    if split == "weighted":
        return costs if costs.any() else np.ones(len(items))
    keys = [key_of(item.subject, by) for item in items]
    count, total = Counter(keys), defaultdict[tuple[str, ...], float](float)
    for key, cost in zip(keys, costs, strict=True):
        total[key] += cost
    return np.array([
        cost / total[key] if total[key] > 0 else 1 / count[key] for key, cost in zip(keys, costs, strict=True)
    ])  # fmt: skip
