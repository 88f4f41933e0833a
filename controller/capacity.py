"""What one replica carries within its objective, estimated from load, CPU and latency: a fold over observations.

CPU over load per replica is a line; where it meets the safe utilisation lies the capacity. Where a latency objective is
known, the load at which it begins to be missed bounds it. Both speak only after honest samples, and the lower end of
what they say counts: 10 % too much cost up to 4 % violated time where 10 % too little cost 10 % more replicas
(docs/elasticity.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from domain.capacity import Carried, Learning

SAFE_UTILIZATION: Final = 0.85
"""Of the CPU limit (else request). Five workers that take 60 ms keep a p95 of 300 ms up to 0.8475 (simulate/service);
fewer workers keep less: then the latency objective bounds it."""
EVERY: Final = timedelta(minutes=1)
"""Rate windows are one to two minutes: more often would be the same samples again."""
SETTLED: Final = timedelta(minutes=3)
"""Without a change of replicas: the longest rate window, a scrape, and the burst of CPU of a start."""
LATENCY_SETTLED: Final = timedelta(minutes=6)
"""The same for an SLO, whose shortest window is five minutes."""
IDLE: Final = 0.1
"""Of the most that a replica was seen to carry: below, CPU is housekeeping."""
STEADY: Final = 0.2
"""A load that moved by more since the minute before meets CPU of another window. A guess."""
SATURATED: Final = 0.92
"""From here on CPU does not follow load any more: the line would come out too flat, the capacity too large."""
HALF_LIFE: Final = 360
"""Samples, six hours of minutes: what changes without a deploy (data, neighbours) is followed within a day."""
LEAST_SAMPLES: Final = 30
"""Half an hour of a settled workload. A guess: fewer are one mood of the load."""
SAME: Final = 4.0
"""So many neighbouring minutes count as one that is independent: they share rate windows. A guess."""
LEAST_NOISE: Final = 0.01
"""Standard deviation of the CPU share that is always assumed: no measurement is better."""
AT_REST: Final = 0.05
"""Standard deviation of the CPU share without load, known before any sample: a few percent. It is what tells a slope
when a scaler keeps the load per replica at one value, and what samples over a spread of loads overrule."""
SURE: Final = 1.645
"""Standard deviations to the lower end: 95 % of cases."""
MOST_DOUBT: Final = 0.10
"""Half width over value, to begin to speak: 10 % of error is what costs more than a forecast gains."""
MOST_DOUBT_LATER: Final = 0.20
"""The same to go on."""
FARTHEST: Final = 2.0
"""Times the most that was seen: nobody knows whether the line goes on further (locks, a database)."""
FARTHEST_LATER: Final = 2.5
"""The same to go on."""
STEP: Final = math.log(1.02)
"""Loads are told apart by 2 % for the objective."""
LEAST_MISSED: Final = 5.0
"""Minutes beyond a load, most of them missed, before that load counts as too much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was seen at once.

    Attributes:
        versions: Of the pods that are ready; empty where nobody knows.
        load: The trigger's value; None where it is missing.
        current: Replicas asked for.
        ready: Replicas that take load.
        cpu_share: CPU of all replicas over the limit (else request) of those that are ready.
        held: Whether the latency objective held; None without one, or without data.
    """

    at: datetime
    versions: frozenset[str]
    load: float | None
    current: int | None
    ready: int | None
    cpu_share: float | None
    held: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The lower end, and half the width of what it may be, as a share of the middle."""

    value: float
    doubt: float


def begin(seen: Observation, *, rule: str, trigger: str, subject: str, deployed: bool = False) -> Learning:
    """Nothing is known of this version but that it runs."""
    version = next(iter(seen.versions)) if len(seen.versions) == 1 else ""
    return Learning(
        rule=rule, trigger=trigger, subject=subject, version=version, since=seen.at, deployed=deployed, at=seen.at,
        mixed=len(seen.versions) > 1,
    )  # fmt: skip


def observe(before: Learning, seen: Observation) -> Learning:
    """One observation more; another version begins anew, missing data change nothing that is learned."""
    known = replace(before, at=seen.at, mixed=len(seen.versions) > 1)
    if known.mixed:
        return replace(known, settled_since=None, load=None)
    if seen.versions and (version := next(iter(seen.versions))) != before.version:
        if before.version:
            known = begin(seen, rule=before.rule, trigger=before.trigger, subject=before.subject, deployed=True)
        known = replace(known, version=version)
    if seen.ready is None or seen.ready < 1 or seen.ready != seen.current or seen.ready != known.ready:
        return replace(known, ready=seen.ready, settled_since=seen.at, load=None)
    return _with_load(known, seen, seen.ready)


def _with_load(known: Learning, seen: Observation, ready: int) -> Learning:
    """Of a workload whose replicas did not change since the last observation."""
    if seen.load is None or not math.isfinite(seen.load) or seen.load <= 0:
        return replace(known, load=None)
    each, last = seen.load / ready, known.load
    known = replace(known, load=each)
    settled = timedelta() if known.settled_since is None else seen.at - known.settled_since
    steady = last is not None and abs(each - last) <= STEADY * max(each, last)
    if settled < SETTLED or not steady:
        return known
    saturated = seen.cpu_share is not None and not seen.cpu_share < SATURATED
    if not saturated and seen.held is not False:  # what overran it, it did not carry
        known = replace(known, top=max(known.top, each))
    if each < IDLE * known.top:
        return known
    if seen.held is not None and settled >= LATENCY_SETTLED:
        known = replace(known, outcomes=_with_outcome(known.outcomes, each, seen.held))
    if seen.cpu_share is not None and 0 < seen.cpu_share < SATURATED:
        known = replace(known, samples=known.samples + 1, sums=_with_sample(known.sums, each, seen.cpu_share))
    return replace(known, learned=estimate(known) is not None)


_DECAY: Final = 0.5 ** (1 / HALF_LIFE)
Sums = tuple[float, float, float, float, float, float]


def _with_sample(sums: Sums, x: float, y: float) -> Sums:
    weight, sx, sy, sxx, sxy, syy = (_DECAY * one for one in sums)
    return weight + 1, sx + x, sy + y, sxx + x * x, sxy + x * y, syy + y * y


def _with_outcome(
    outcomes: Mapping[int, tuple[float, float]], each: float, held: bool
) -> dict[int, tuple[float, float]]:
    made = {step: (_DECAY * good, _DECAY * bad) for step, (good, bad) in outcomes.items() if good + bad > 0.01}
    step = math.floor(math.log(each) / STEP)
    good, bad = made.get(step, (0.0, 0.0))
    made[step] = (good + held, bad + (not held))
    return made


def estimate(known: Learning) -> Estimate | None:
    """What a replica carries; None while nobody may say so."""
    by_cpu, bound = _by_cpu(known), _by_latency(known)
    if bound is None:
        return by_cpu
    if by_cpu is None or by_cpu.value > bound:
        return Estimate(value=bound, doubt=math.expm1(2 * STEP))
    return by_cpu


def _by_cpu(known: Learning) -> Estimate | None:
    """Least squares of y = a + b·x with a known beforehand to be small; Bayes' rule for a normal line."""
    weight, sx, sy, sxx, sxy, syy = known.sums
    if known.samples < LEAST_SAMPLES or weight <= 0 or sx <= 0:
        return None
    unit = sx / weight  # loads in units of their mean, so that the matrix is well conditioned
    y, xx, xy, yy = sy / weight, sxx / weight / unit**2, sxy / weight / unit, syy / weight
    spread = max(xx - 1, 1e-12)
    noise = max(yy - y * y - (xy - y) ** 2 / spread, LEAST_NOISE**2)
    certain = weight / SAME / noise
    precision = np.array([[certain + AT_REST**-2, certain], [certain, certain * xx]])
    covariance = np.linalg.inv(precision)
    rest, slope = covariance @ np.array([certain * y, certain * xy])
    if slope <= 0 or rest >= SAFE_UTILIZATION:
        return None
    value = (SAFE_UTILIZATION - rest) / slope
    at = np.array([1.0, value])
    doubt = SURE * math.sqrt(max(float(at @ covariance @ at), 0.0)) / (slope * value)
    farthest = (FARTHEST_LATER if known.learned else FARTHEST) * known.top / unit
    if not doubt <= (MOST_DOUBT_LATER if known.learned else MOST_DOUBT) or not value <= farthest:
        return None
    return Estimate(value=float(value * unit * (1 - doubt)), doubt=float(doubt))


def _by_latency(known: Learning) -> float | None:
    """The load from which on the objective was missed more often than not: where fewest outcomes contradict it.

    A miss at little load (a cold cache, a slow neighbour) contradicts every boundary above it, and moves none alone.
    """
    steps = sorted(known.outcomes, reverse=True)
    if sum(good + bad for good, bad in known.outcomes.values()) < LEAST_SAMPLES:
        return None
    best, boundary, held, missed = 0.0, None, 0.0, 0.0
    for step in steps:
        good, bad = known.outcomes[step]
        held, missed = held + good, missed + bad
        if missed >= LEAST_MISSED and missed - held > best:
            best, boundary = missed - held, step
    return None if boundary is None else math.exp((boundary - 1) * STEP)  # one step below it still held


def carried(known: Learning | None, *, start: float, most: float) -> Carried:
    """What a decision counts with, and why."""
    if known is None:
        return Carried(value=start, learned=False, said="where learning starts, nothing was seen yet")
    if known.mixed:
        said = "where learning starts: two versions run, a deploy is under way"
        return Carried(value=start, learned=False, said=said)
    since = f"since {'the deploy at ' if known.deployed else ''}{known.since:%Y-%m-%d %H:%MZ}"
    found = estimate(known)
    if found is None:
        return Carried(value=start, learned=False, said=f"where learning starts, it is learned anew {since}")
    value, bounded = min(_rounded(found.value), most), ", at most what learn.max allows" if found.value > most else ""
    seen = max(known.samples, round(sum(good + bad for good, bad in known.outcomes.values())))
    percent = math.ceil(100 * found.doubt)
    return Carried(value=value, learned=True, said=f"learned from {seen} samples {since}, ± {percent} %{bounded}")


def _rounded(value: float) -> float:
    """Three digits, downwards: each sample moves the rest, which no decision should follow."""
    digits = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.floor(value / digits) * digits
