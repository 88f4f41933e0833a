"""What is shared by pods without being part of a node: volumes, load balancers and network traffic.

A volume is cut at every start and end of a pod that mounts it; each of the pods there pays an equal part of a piece,
and a piece without a pod is ``__unmounted__``. A load balancer is split by the hours of the pods behind it. Traffic
is the pod's own, in equal parts of its containers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from cost.allocation.apportion import EXACT_DIGITS, apportion
from cost.allocation.ledger import COMPONENTS, NOTHING, Item, Line, cost_of
from cost.allocation.nodes import Window
from cost.allocation.subject import UNMOUNTED, Subject

Direction = Literal["zone", "region", "internet"]
"""Where traffic went: another zone, another region, the internet; within a zone it is free."""
_VOLUME, _NETWORK, _BALANCER = (COMPONENTS.index(name) for name in ("volume", "network", "loadBalancer"))
_NEW_RULE_COSTS: Final = Decimal("0.025"), Decimal("0.010")
_PER_GIB: Final = Decimal("0.008")


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A pod that mounts a volume, or stands behind a load balancer, for a while; ``end`` is None while it does."""

    subject: Subject
    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A volume or a load balancer while its price stays the same."""

    component: Literal["volume", "loadBalancer"]
    name: str
    cluster: str
    start: datetime
    end: datetime | None
    hourly_cost: Decimal
    uses: tuple[Use, ...] = ()

    def __post_init__(self) -> None:
        if self.hourly_cost < 0:
            raise ValueError(f"{self.component} {self.name}: a price below zero: {self.hourly_cost}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What one pod sent in the window, in GiB by direction, and the containers that it is split over."""

    containers: tuple[Subject, ...]
    gib: Mapping[Direction, float] = field(default_factory=dict)


def share(attached: Attached, window: Window) -> tuple[list[Item], list[Line]]:
    """Split what it cost within the window among its users; what no user pays is a line."""
    first, last = max(attached.start, window.start), min(attached.end or window.end, window.end)
    if last <= first:
        return [], []
    uses = sorted(
        (use for use in attached.uses if use.start < last and (use.end is None or use.end > first)),
        key=lambda use: (use.subject.order, use.start),
    )
    spans = [(max(use.start, first), min(use.end or last, last)) for use in uses]
    weights = coefficients(spans, first, last) if attached.component == "volume" else _by_hours(spans, first)
    parts = apportion(cost_of(attached.hourly_cost, last - first), weights)
    index = _VOLUME if attached.component == "volume" else _BALANCER
    items = [Item(subject=use.subject, costs=_only(index, part)) for use, part in zip(uses, parts[:-1], strict=True)]
    rest = Line(name=UNMOUNTED, subject=Subject(cluster=attached.cluster), cost=parts[-1])
    return items, [rest] if rest.cost else []


def coefficients(spans: Sequence[tuple[datetime, datetime]], first: datetime, last: datetime) -> NDArray[np.float64]:
    """Each user's part of a volume from ``first`` to ``last``, and last the part of nobody; they add up to 1.

    Source:
        OpenCost, intervals.go: each active pod gets 1/n of the piece between two events.
    """
    begins = np.array([(start - first) / timedelta(seconds=1) for start, _ in spans])
    ends = np.array([(end - first) / timedelta(seconds=1) for _, end in spans])
    whole = (last - first) / timedelta(seconds=1)
    edges = np.unique(np.concatenate([begins, ends, [0.0, whole]]))
    lengths = np.diff(edges) / whole
    first_piece, last_piece = np.searchsorted(edges, begins), np.searchsorted(edges, ends)
    steps = np.bincount(first_piece, minlength=len(edges)) - np.bincount(last_piece, minlength=len(edges))
    count = np.cumsum(steps)[:-1]
    # Sums up to each edge: a month of a CronJob's pods on one volume is 40,000 users times 80,000 pieces otherwise.
    paid = np.concatenate([[0.0], np.cumsum(lengths / np.maximum(count, 1))])
    return np.append(paid[last_piece] - paid[first_piece], lengths[count == 0].sum())


def traffic_items(traffic: Traffic, per_gib: Mapping[Direction, Decimal]) -> list[Item]:
    """What one pod's traffic cost, split evenly over its containers."""
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        cost = sum((Decimal(repr(float(gib))) * per_gib[to] for to, gib in traffic.gib.items()), Decimal(0))
    if cost < 0:
        raise ValueError(f"pod {traffic.containers[0].pod}: traffic below zero")
    parts = apportion(cost, np.ones(len(traffic.containers)))
    return [
        Item(subject=subject, costs=_only(_NETWORK, part))
        for subject, part in zip(traffic.containers, parts, strict=True)
    ]


def load_balancer_hourly(rules: int = 1, gib: Decimal = Decimal(0)) -> Decimal:
    """OpenCost's price of a load balancer on AWS and GCP; OpenCost itself always asks for one rule and no traffic."""
    first, more = _NEW_RULE_COSTS
    return first * min(rules, 5) + more * max(rules - 5, 0) + _PER_GIB * gib


def _by_hours(spans: Sequence[tuple[datetime, datetime]], first: datetime) -> NDArray[np.float64]:
    """Each user's hours, and last the part of nobody: everything where there is no user, else nothing."""
    hours = [(end - start) / timedelta(hours=1) for start, end in spans]
    return np.array([*hours, 0.0 if any(hours) else 1.0])


def _only(index: int, cost: Decimal) -> tuple[Decimal, ...]:
    return (*NOTHING[:index], cost, *NOTHING[index + 1 :])
