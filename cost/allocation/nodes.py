"""Nodes and the pods on them become items and idle: each node's price, split among its pods step by step.

A node is cut at every minute (the step of usage) and at every start and end of a pod, so that a pod of 20 seconds
pays for 20 seconds: hours come from when things began and ended, never from how many samples there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from cost.allocation.apportion import apportion
from cost.allocation.charging import Charged, charge
from cost.allocation.ledger import NOTHING, Basis, Idle, Item, Measured, cost_of
from cost.allocation.subject import Subject

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Time from ``start`` in equal steps; usage has one value for each."""

    start: datetime
    steps: int
    step: timedelta = timedelta(minutes=1)

    @property
    def end(self) -> datetime:
        """First moment after it."""
        return self.start + self.steps * self.step


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What a node has or a pod asks for."""

    cpu_cores: float = 0.0
    memory_bytes: float = 0.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if not all(0 <= value < float("inf") for value in self.each):
            raise ValueError(f"expected amounts of 0 or more, found {self.each}")

    @property
    def each(self) -> tuple[float, float, float]:
        """In the order of ``RESOURCES``."""
        return self.cpu_cores, self.memory_bytes, self.gpus


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInterval:
    """A node while its capacity and price stay the same.

    Attributes:
        subject: Cluster, node and pool.
        start: When it came, or its price began.
        end: When it went; None while it is there.
        capacity: Of the machine.
        hourly_costs: What its CPU, its memory and its GPUs cost in an hour, together the node's price.
        allocatable: What pods may have; None where that is all.
    """

    subject: Subject
    start: datetime
    end: datetime | None
    capacity: Amounts
    hourly_costs: tuple[Decimal, Decimal, Decimal]
    allocatable: Amounts | None = None

    def __post_init__(self) -> None:
        if any(cost < 0 for cost in self.hourly_costs):
            raise ValueError(f"node {self.subject.node}: a price below zero: {self.hourly_costs}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PodInterval:
    """A pod (or container) on its node while its requests stay the same.

    Attributes:
        subject: Whose it is; ``node`` says where.
        start: When it was scheduled: its node is held for it from then on, running or not.
        end: When it ended; None while it is there.
        requests: Of all its containers.
        cpu_usage: Cores in use in each step of the window, NaN where unknown; None where nothing is.
        memory_usage: Bytes, as well.
    """

    subject: Subject
    start: datetime
    end: datetime | None
    requests: Amounts
    cpu_usage: NDArray[np.floating] | None = None
    memory_usage: NDArray[np.floating] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeShare:
    """One node's cost, split: ``items`` and ``idle`` are its price times its hours, exactly."""

    items: tuple[Item, ...]
    idle: Idle | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cuts:
    """The columns of one node: where they begin and end in seconds of the window, and the step that each lies in."""

    left: Floats
    right: Floats
    step: NDArray[np.int64]

    @property
    def hours(self) -> Floats:
        return (self.right - self.left) / 3600.0


def by_node(
    nodes: Iterable[NodeInterval], pods: Iterable[PodInterval]
) -> Iterator[tuple[NodeInterval, list[PodInterval]]]:
    """Each node interval with the pods that name it, in order of names."""
    placed: dict[tuple[str, str], list[PodInterval]] = defaultdict(list)
    for pod in pods:
        placed[pod.subject.cluster, pod.subject.node].append(pod)
    for node in sorted(nodes, key=lambda node: (node.subject.order, node.start)):
        yield node, placed.get((node.subject.cluster, node.subject.node), [])


def share(node: NodeInterval, pods: Sequence[PodInterval], window: Window, *, basis: Basis = "conserving") -> NodeShare:
    """Split one node's cost within the window among its pods and idle.

    Args:
        node: The node.
        pods: Those that ran on it; the parts outside the node's own interval are left out.
        window: What is asked for.
        basis: See ``charging``.
    """
    first, last = max(node.start, window.start), min(node.end or window.end, window.end)
    if last <= first:
        return NodeShare(items=(), idle=None)
    there = sorted(
        (pod for pod in pods if pod.start < last and (pod.end is None or pod.end > first)),
        key=lambda pod: (pod.subject.order, pod.start),
    )
    begins = np.array([_seconds(max(pod.start, first), window) for pod in there])
    ends = np.array([_seconds(min(pod.end or last, last), window) for pod in there])
    cuts = _cuts(_seconds(first, window), _seconds(last, window), begins, ends, window)
    active = ((begins[:, None] <= cuts.left) & (ends[:, None] >= cuts.right)).astype(np.float64)
    usages = (
        _usage([pod.cpu_usage for pod in there], cuts), _usage([pod.memory_usage for pod in there], cuts), None,
    )  # fmt: skip
    requests = np.array([pod.requests.each for pod in there]).reshape(len(there), 3)
    allocatable = (node.allocatable or node.capacity).each
    charges = [
        charge(
            requests[:, index], usages[index], active, cuts.hours, capacity=capacity, allocatable=allocatable[index],
            basis=basis, cores=index == 0,
        )
        for index, capacity in enumerate(node.capacity.each)
    ]  # fmt: skip
    return _priced(node, there, charges, requests, usages, active, cuts, last - first)


def _priced(
    node: NodeInterval, pods: Sequence[PodInterval], charges: Sequence[Charged], requests: Floats,
    usages: Sequence[Floats | None], active: Floats, cuts: _Cuts, there_for: timedelta,
) -> NodeShare:  # fmt: skip
    """Unit-hours become money: each resource's cost of these hours, apportioned."""
    rows: list[list[Decimal]] = []
    rests: list[list[Decimal]] = []
    for charged, hourly, capacity in zip(charges, node.hourly_costs, node.capacity.each, strict=True):
        weights = np.append(charged.rows, [charged.idle, charged.reserved])
        if capacity == 0.0:  # nobody can have had any: what it costs all the same is idle
            weights = np.append(np.zeros(len(pods)), [1.0, 0.0])
        parts = apportion(cost_of(hourly, there_for), weights)
        rows.append(parts[:-2])
        rests.append(parts[-2:])
    lasted = active @ cuts.hours
    used = [_integral(usage, active, cuts) for usage in usages[:2]]
    items = tuple(
        Item(
            subject=_in_pool(pod.subject, node.subject.node_pool), costs=(*(row[number] for row in rows), *NOTHING[3:]),
            measured=Measured(
                hours=float(lasted[number]), cpu_request_hours=float(requests[number, 0] * lasted[number]),
                memory_request_hours=float(requests[number, 1] * lasted[number]),
                cpu_usage_hours=float(used[0][number]), memory_usage_hours=float(used[1][number]),
                unused=_unused(charges, rows, number),
                usage_known=pod.cpu_usage is not None or pod.memory_usage is not None,
            ),
        )
        for number, pod in enumerate(pods)
    )  # fmt: skip
    idle = Idle(
        subject=node.subject, unallocated=(rests[0][0], rests[1][0], rests[2][0]),
        system_reserved=(rests[0][1], rests[1][1], rests[2][1]),
    )  # fmt: skip
    return NodeShare(items=items, idle=idle, notes=tuple(_contended(node, charges)))


def _in_pool(subject: Subject, pool: str) -> Subject:
    """A pod is in its node's pool, also where whoever told of the pod did not know it."""
    return subject if subject.node_pool or not pool else replace(subject, node_pool=pool)


def _unused(charges: Sequence[Charged], rows: Sequence[Sequence[Decimal]], number: int) -> Decimal:
    """The requested-but-unused part of one pod's cost; a float's precision is enough, nothing has to add up to it."""
    total = Decimal(0)
    for charged, row in zip(charges, rows, strict=True):
        if charged.rows[number] > 0.0:
            total += row[number] * Decimal(min(1.0, float(charged.unused[number] / charged.rows[number])))
    return total


def _contended(node: NodeInterval, charges: Sequence[Charged]) -> Iterator[str]:
    for charged, name in zip(charges, ("CPU", "memory", "GPUs"), strict=True):
        if charged.contended_hours > 0.0:
            yield (
                f"node {node.subject.node}: its pods took more {name} than it has for {charged.contended_hours:.2f} h; "
                f"they were charged {100 * charged.lowest_ratio:.1f}% of it at the least"
            )


def _seconds(moment: datetime, window: Window) -> float:
    return (moment - window.start) / timedelta(seconds=1)


def _cuts(first: float, last: float, begins: Floats, ends: Floats, window: Window) -> _Cuts:
    step = window.step.total_seconds()
    grid = np.arange(window.steps + 1) * step
    edges = np.unique(np.concatenate([grid[(grid > first) & (grid < last)], begins, ends, [first, last]]))
    left, right = edges[:-1], edges[1:]
    inside = np.clip(((left + right) / 2 // step).astype(np.int64), 0, window.steps - 1)
    return _Cuts(left=left, right=right, step=inside)


def _usage(series: Sequence[NDArray[np.floating] | None], cuts: _Cuts) -> Floats:
    """Usage in each column, shape ``(pods, columns)``; NaN where unknown."""
    filled = np.full((len(series), len(cuts.step)), np.nan)
    for number, values in enumerate(series):
        if values is not None:
            filled[number] = values[cuts.step]
    return filled


def _integral(usage: Floats | None, active: Floats, cuts: _Cuts) -> Floats:
    if usage is None:
        return np.zeros(len(active))
    integral: Floats = (np.maximum(np.nan_to_num(usage, nan=0.0, posinf=0.0, neginf=0.0), 0.0) * active) @ cuts.hours
    return integral
