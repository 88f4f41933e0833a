"""A queue: as many replicas as work it off within the drain time, while more arrives; no more than its partitions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from controller import hpa
from controller.triggers.wants import Missing, Reading, Want, part, said
from controller.triggers.wording import number, span
from domain.scaling import Workload
from domain.series import Signal
from rules.schema import Queue, Trigger


def from_queue(
    trigger: Trigger, queue: Queue, length: Signal, signals: Mapping[str, Reading], workload: Workload
) -> Want:
    """``min(partitions, ceil((length ÷ drain time + arrivals) ÷ rate of one replica))``.

    What is missing beside the length leaves the signal incomplete: it may raise, but releases nothing. Without the
    number of partitions nothing is added either.
    """
    seconds, rate = queue.drain_time.total_seconds(), float(queue.per_replica_rate)
    waiting, arriving, gaps = max(length.value, 0.0), 0.0, []
    if queue.arrivals is not None:
        arriving, gap = _beside(signals.get(part(trigger.name, "arrivals")), "arrivals", length)
        gaps += gap
    work = waiting / seconds + arriving
    replicas = hpa.ceil32(work / rate)
    said_ = f"{trigger.name} {number(waiting)} waiting ÷ {span(queue.drain_time)}"
    if queue.arrivals is not None:
        said_ = f"({said_} + {number(arriving)}/s arriving)"
    reason = f"{said_} ÷ {number(rate)}/s per replica → {replicas}"
    cap, named, gap = _cap(trigger, queue, signals, workload, length)
    gaps += gap
    if replicas > cap:
        replicas, reason = cap, f"{reason}; {named}"
    if gaps:
        length = replace(length, completeness_ratio=0.0, seen=None, expected=None)
        reason = f"{reason}; without {' and '.join(gaps)}"
    want = said(trigger, replicas, work, rate, "/s", length, reason, asked=replicas, told_gaps=bool(gaps))
    active = waiting > float(trigger.activate or 0) or (trigger.activate is None and arriving > 0)
    return replace(want, proposal=replace(want.proposal, active=active))


def _cap(
    trigger: Trigger, queue: Queue, signals: Mapping[str, Reading], workload: Workload, like: Signal
) -> tuple[int, str, list[str]]:
    if queue.partitions is None:
        return hpa.MAX_INT32, "", []
    if isinstance(queue.partitions, int):
        return queue.partitions, f"only {queue.partitions} partitions", []
    found, gap = _beside(signals.get(part(trigger.name, "partitions")), "partitions", like)
    if gap:
        current = workload.current_replicas or 0
        return current, f"nobody knows how many partitions there are, so no more than {current}", gap
    return int(found), f"only {int(found)} partitions", []


def _beside(reading: Reading | None, name: str, like: Signal) -> tuple[float, list[str]]:
    """A second number, or what is missing."""
    if not isinstance(reading, Signal) or not math.isfinite(reading.value):
        why = f" ({reading.reason})" if isinstance(reading, Missing) else ""
        return 0.0, [f"{name}{why}"]
    return max(reading.value, 0.0), []
