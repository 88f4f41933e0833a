"""What was spent in a window, before anybody asks by what to group it: items of subjects, idle, and lines of nobody.

Their sum is what the assets cost, to the last digit. Order is by name, so that the same things in another order come to
the same last digit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, localcontext
from typing import Final, Literal

from cost.allocation.apportion import EXACT_DIGITS
from cost.allocation.subject import Subject

Basis = Literal["conserving", "opencost"]
COMPONENTS: Final = ("cpu", "memory", "gpu", "volume", "network", "loadBalancer")
RESOURCES: Final = COMPONENTS[:3]
"""What a node has; only these can be idle."""
_MICROSECOND: Final = timedelta(microseconds=1)
_MICROSECONDS_PER_HOUR: Final = 3_600_000_000
_SMALLEST: Final = Decimal("1e-18")
NOTHING: Final = (Decimal(0),) * len(COMPONENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one item asked for and used.

    Attributes:
        hours: From being scheduled to the end, within the window.
        cpu_request_hours: Requested core-hours.
        cpu_usage_hours: Used core-hours.
        memory_request_hours: Requested byte-hours.
        memory_usage_hours: Used byte-hours.
        unused: The part of the item's cost that was requested and not used; nothing where no usage is known.
        usage_known: Whether anything is known of usage; what is not counts in no efficiency.
    """

    hours: float = 0.0
    cpu_request_hours: float = 0.0
    cpu_usage_hours: float = 0.0
    memory_request_hours: float = 0.0
    memory_usage_hours: float = 0.0
    unused: Decimal = Decimal(0)
    usage_known: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What one subject cost, by component in the order of ``COMPONENTS``."""

    subject: Subject
    costs: tuple[Decimal, ...]
    measured: Measured = Measured()

    @property
    def cost(self) -> Decimal:
        """All components."""
        return exact_sum(self.costs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """What nobody caused on one node (or one cluster), by resource in the order of ``RESOURCES``.

    Attributes:
        subject: The node or cluster, with nothing else in it.
        unallocated: Neither requested nor used.
        system_reserved: The part that pods may not have: capacity less allocatable.
    """

    subject: Subject
    unallocated: tuple[Decimal, Decimal, Decimal]
    system_reserved: tuple[Decimal, Decimal, Decimal] = (Decimal(0), Decimal(0), Decimal(0))

    @property
    def costs(self) -> tuple[Decimal, ...]:
        """Both, by resource."""
        return tuple(map(add, self.unallocated, self.system_reserved))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A cost that belongs to no pod and is said by its name: ``__unmounted__``, ``__overhead__``."""

    name: str
    subject: Subject
    cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Everything that the window cost, in one currency.

    ``notes`` are sentences about what was not known or does not fit: data quality, never silent.
    """

    currency: str
    basis: Basis
    items: tuple[Item, ...]
    idle: tuple[Idle, ...]
    lines: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> Decimal:
        """What the assets cost."""
        every = [cost for item in self.items for cost in item.costs]
        every += [cost for idle in self.idle for cost in idle.costs]
        return exact_sum([*every, *(line.cost for line in self.lines)])


def ledger(
    currency: str, *, items: Iterable[Item], idle: Iterable[Idle] = (), lines: Iterable[Line] = (),
    notes: Iterable[str] = (), basis: Basis = "conserving",
) -> Ledger:  # fmt: skip
    """A ledger in its order of names."""
    return Ledger(
        currency=currency, basis=basis, items=tuple(sorted(items, key=lambda item: (item.subject.order, item.costs))),
        idle=tuple(sorted(idle, key=lambda one: (one.subject.order, one.unallocated))),
        lines=tuple(sorted(lines, key=lambda line: (line.name, line.subject.order, line.cost))), notes=tuple(notes),
    )  # fmt: skip


def cost_of(hourly: Decimal, duration: timedelta) -> Decimal:
    """What something cost while it was there, to the 18th decimal place: a third of an hour has no last."""
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        return (hourly * (duration // _MICROSECOND) / _MICROSECONDS_PER_HOUR).quantize(_SMALLEST)


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """The sum without rounding."""
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        return sum(amounts, Decimal(0))


def add(first: Decimal, second: Decimal) -> Decimal:
    """Two amounts without rounding."""
    return exact_sum((first, second))
