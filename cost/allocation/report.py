"""A ledger by any grouping: idle, shared costs and overhead distributed or said apart, then filtered.

Everything is shared over the whole ledger first and filtered afterwards: a filter chooses what is shown and changes no
number. OpenCost filters first in one case (shared costs, a filter and separate idle), and its own test says of the
result "should be 20.1042"; that is what comes out here, and its 25 with a ledger of the basis ``opencost``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from cost.allocation.distribute import Distributed, ShareIdle, Split, distribute
from cost.allocation.ledger import COMPONENTS, Item, Ledger, add, exact_sum
from cost.allocation.subject import Condition, Subject, holds_all, key_of

IDLE: Final = "__idle__"
FILTERED: Final = "__filtered__"
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How to show a ledger.

    Attributes:
        by: Dimensions of the rows; nothing gives one row.
        only: Conditions that all have to hold for what is shown.
        shared: Alternatives; what meets all conditions of one is shared by the others.
        split: How shared costs and overhead are: by what the others cost, or the same for each row.
        share_idle: Whether idle is split, by the cost of its resource, or evenly over the rows of its cluster.
        share_overhead: Whether lines named ``__overhead__`` are split over the rows as shared costs are.
    """

    by: tuple[str, ...] = ("namespace",)
    only: tuple[Condition, ...] = ()
    shared: tuple[tuple[Condition, ...], ...] = ()
    split: Split = "weighted"
    share_idle: ShareIdle = "none"
    share_overhead: bool = False

    @property
    def dimensions(self) -> frozenset[str]:
        """Everything that it groups or filters by."""
        conditions = [*self.only, *(one for alternative in self.shared for one in alternative)]
        return frozenset([*self.by, *(one.dimension for one in conditions)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """Ratios of usage to request."""

    cpu: float
    memory: float
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one group cost.

    Attributes:
        key: Its values in the dimensions asked for.
        costs: Its own, by component in the order of ``COMPONENTS``.
        idle: Its part of idle, where that is shared.
        shared: Its part of shared costs, with their idle where that is shared.
        overhead: Its part of overhead.
        unused: The part of ``costs`` that was requested and not used.
        efficiency: Usage by request of CPU, of memory, and of both by cost; None where no usage is known.
    """

    key: Key
    costs: tuple[Decimal, ...]
    idle: Decimal
    shared: Decimal
    overhead: Decimal
    unused: Decimal
    efficiency: Efficiency | None

    @property
    def cost(self) -> Decimal:
        """All of it."""
        return exact_sum([*self.costs, self.idle, self.shared, self.overhead])


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Rows and everything that is in none: together the ledger's total, exactly.

    Attributes:
        idle: By cluster; what is not shared.
        system_reserved: The part of ``idle`` (shared or not) that pods may not have.
        lines: By name: unmounted volumes, overhead that is not shared, shared costs that nobody is there to share.
        filtered: What the conditions keep out.
    """

    currency: str
    rows: tuple[Row, ...]
    idle: Mapping[str, Decimal]
    lines: Mapping[str, Decimal]
    filtered: Decimal
    system_reserved: Decimal
    total: Decimal
    notes: tuple[str, ...]


def report(ledger: Ledger, asked: Asked) -> Report:
    """Group, share, filter."""
    done = distribute(
        ledger, by=asked.by, shared=asked.shared, split=asked.split, share_idle=asked.share_idle,
        share_overhead=asked.share_overhead,
    )  # fmt: skip
    kept: dict[Key, list[int]] = defaultdict(list)
    for number, item in enumerate(done.items):
        if holds_all(asked.only, item.subject):
            kept[key_of(item.subject, asked.by)].append(number)
    idle_is_shared = asked.share_idle != "none"
    rows = tuple(_row(key, kept[key], done, idle_is_shared) for key in sorted(kept))
    idle = _idle_apart(done, asked.only, [] if idle_is_shared else [one for each in kept.values() for one in each])
    lines = _lines(done, asked.only)
    total = ledger.total
    shown = exact_sum([*(row.cost for row in rows), *idle.values(), *lines.values()])
    return Report(
        currency=ledger.currency, rows=rows, idle=idle, lines=lines, total=total,
        filtered=exact_sum([total, shown.copy_negate()]),
        system_reserved=exact_sum(cost for one in ledger.idle for cost in one.system_reserved), notes=ledger.notes,
    )  # fmt: skip


def _idle_apart(done: Distributed, only: Sequence[Condition], numbers: Sequence[int]) -> dict[str, Decimal]:
    """By cluster: the idle of the items ``numbers``, and what belongs to nobody."""
    found: dict[str, list[Decimal]] = defaultdict(list)
    for number in numbers:
        found[done.items[number].subject.cluster].append(done.idle[number])
        for cluster, parts in done.idle_of_shared.items():
            found[cluster].append(parts[number])
    for cluster, cost in done.idle_of_nobody.items():
        if holds_all(only, Subject(cluster=cluster)):
            found[cluster].append(cost)
    return {cluster: cost for cluster in sorted(found) if (cost := exact_sum(found[cluster]))}


def _lines(done: Distributed, only: Sequence[Condition]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for line in done.lines:
        if holds_all(only, line.subject):
            found[line.name] = add(found.get(line.name, Decimal(0)), line.cost)
    return found


def efficiency(every: Sequence[Item]) -> Efficiency | None:
    """Usage by request; 1 where something is used that nobody requested; GPUs and volumes do not count.

    None where no usage is known: nobody shall read "0%" as waste where only nobody looked.

    Source:
        OpenCost, summaryallocation.go.
    """
    items = [item for item in every if item.measured.usage_known]
    if not items:
        return None
    cpu = _ratio(
        sum(item.measured.cpu_usage_hours for item in items), sum(item.measured.cpu_request_hours for item in items)
    )
    memory = _ratio(
        sum(item.measured.memory_usage_hours for item in items),
        sum(item.measured.memory_request_hours for item in items),
    )
    cpu_cost, memory_cost = (float(exact_sum(item.costs[index] for item in items)) for index in (0, 1))
    return Efficiency(cpu=cpu, memory=memory, total=total_efficiency(cpu, memory, cpu_cost, memory_cost))


def total_efficiency(cpu: float, memory: float, cpu_cost: float, memory_cost: float) -> float:
    """Both, weighted by what they cost; 0 where they cost nothing."""
    whole = cpu_cost + memory_cost
    return (cpu * cpu_cost + memory * memory_cost) / whole if whole > 0 else 0.0


def _ratio(usage: float, request: float) -> float:
    if request > 0:
        return usage / request
    return 1.0 if usage > 0 else 0.0


def _row(key: Key, numbers: Sequence[int], done: Distributed, idle_is_shared: bool) -> Row:
    items = [done.items[number] for number in numbers]
    of_shared = [parts[number] for parts in done.idle_of_shared.values() for number in numbers]
    return Row(
        key=key,
        costs=tuple(exact_sum(item.costs[index] for item in items) for index in range(len(COMPONENTS))),
        idle=exact_sum(done.idle[number] for number in numbers) if idle_is_shared else Decimal(0),
        shared=exact_sum([*(done.shared[number] for number in numbers), *(of_shared if idle_is_shared else ())]),
        overhead=exact_sum(done.overhead[number] for number in numbers),
        unused=exact_sum(item.measured.unused for item in items), efficiency=efficiency(items),
    )  # fmt: skip
