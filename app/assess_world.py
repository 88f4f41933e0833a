"""From a recording to a workload that can be replayed: its load, what a replica may carry, how fast one starts.

Everything that is assumed here and not measured is told as a note of the report.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from app.assess_recording import STEP_SECONDS, FloatArray, Recording
from app.fleet import MetricTarget
from controller.simulate import loop, peers, protocol
from controller.simulate.loop import Reactive, World
from controller.simulate.plain_search import Written
from controller.simulate.service import Service

SAFE_SHARE: Final = 0.85
"""Of what a replica has: the utilisation at which an M/M/5 replica's 95th percentile is five times its service time."""
OBSERVED_PERCENTILE: Final = 99.0
LEAST_COVERAGE: Final = 0.9
FEWEST_DAYS: Final = 7
LEAST_LIKENESS: Final = 0.8
"""Correlation with CPU, by minute, below which an offered load is not what makes these replicas busy."""
LEAST_SEEN: Final = 0.9
FEWEST_STARTS: Final = 10
USUAL_START: Final = (60.0, 180.0)
START_RANGE: Final = (15.0, 900.0)
TICKS: Final = STEP_SECONDS // protocol.TICK_SECONDS
MINUTES_PER_DAY: Final = 1440


class NotReplayableError(Exception):
    """The recording cannot be replayed; the sentence says why, and is the advice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A workload with the controller that it has.

    Attributes:
        world: Ready to be replayed, by 15 s.
        present: The HPA as far as it is known.
        written: How its target stands in the document.
        target: Which of its targets is replayed.
        minutes: Which minutes of the recording it is made of.
        load: By minute, in ``unit``; mended.
        carried: What a replica was seen to carry, in ``unit``: the 99th percentile.
        safe: What a replica may carry.
        safe_by: How that is known.
        startup_seconds: Mean, and whether it was measured.
        high: Whether the load is offered load and the capacity a limit or a request.
        notes: What is assumed.
    """

    world: World
    present: Reactive
    written: Written
    target: MetricTarget
    minutes: slice
    load: FloatArray
    unit: str
    load_by: str
    carried: float
    safe: float
    safe_by: str
    startup_seconds: float
    startup_is_measured: bool
    high: bool
    notes: tuple[str, ...]


def scene(of: Recording) -> Scene:
    """The workload of a recording.

    Raises:
        NotReplayableError: It has too little of it, or no metric that can be replayed.
    """
    target = _target(of)
    minutes = _known(of)
    if not math.isnan(of.pods_seen) and of.pods_seen < LEAST_SEEN:
        raise NotReplayableError(f"CPU of {100 * of.pods_seen:.0f} % of its pods is recorded: is a scrape broken?")
    busy, by_hpa = _busy(of, target, minutes)
    used = _mended(busy, "CPU use" if target.name == "cpu" else f"the metric {target.name}")
    replicas = np.maximum(_mended(np.fmax(of.ready, 0.0)[minutes], None, instead=of.current[minutes]), 1.0)
    notes: list[str] = []
    if target.name == "cpu":
        safe, safe_by = _safe_cores(of, used / replicas, notes)
    else:
        safe = max(float(np.percentile(used / replicas, OBSERVED_PERCENTILE)), target.number)
        safe_by = f"{safe:.3g} per replica were carried (99th percentile)"
    capacity = safe / SAFE_SHARE
    per_unit, whole = _scale(of, target, capacity)
    load, unit, load_by, by_offered = _load(of, used, minutes, target, notes, by_hpa=by_hpa)
    if by_offered:
        share = float(np.median(used[load > np.percentile(load, 20)] / load[load > np.percentile(load, 20)]))
        capacity, safe = capacity / share, safe / share
    seconds, measured = _startup(of, minutes)
    if not measured:
        notes.append("start-up is not known (too few starts seen): 60 to 180 s assumed")
    span = (0.5 * seconds, 1.5 * seconds) if measured else USUAL_START
    service = Service(capacity_rps=capacity, largest_utilization_ratio=SAFE_SHARE)
    world = protocol.world(_ticks(load, 0.0), service=service, startup_seconds=span)
    per_replica = target.number * per_unit
    present = peers.reactive(
        metric=loop.CPU if target.name == "cpu" else loop.RPS, target=per_replica, window_seconds=30,
        min_replicas=max(of.hpa.min_replicas, 1), max_replicas=max(of.hpa.max_replicas, 1),
    )  # fmt: skip
    notes += _told(of, target)
    return Scene(
        world=world, present=present, written=Written(per_unit=per_unit, whole=whole), target=target, minutes=minutes,
        load=load, unit=unit, load_by=load_by,
        carried=float(np.percentile(load / replicas, OBSERVED_PERCENTILE)), safe=safe, safe_by=safe_by,
        startup_seconds=seconds, startup_is_measured=measured, high=by_offered, notes=tuple(notes),
    )  # fmt: skip


def with_noise(made: Scene, share: float) -> Scene:
    """With this much of the noise that minutes show among themselves within each minute; the minutes' means stay."""
    load = _ticks(made.load, share)
    world = made.world._replace(load_rps=load, load_before=np.concatenate([[0.0], np.cumsum(load)]))
    return replace(made, world=world)


def _busy(of: Recording, target: MetricTarget, minutes: slice) -> tuple[FloatArray, bool]:
    """What all replicas together did of what the HPA looks at, and whether it is the HPA's own reading.

    That is the better one for CPU too: a rate over two scrapes hides the noise that an HPA follows.
    """
    there = np.where(np.isnan(of.ready), of.current, of.ready)
    if of.metric is not None:
        seen = (of.metric * there)[minutes]
        if target.name != "cpu":
            return seen, True
        if (~np.isnan(seen)).mean() >= LEAST_COVERAGE:
            each = (of.requests.cpu_cores or 1.0) / 100 if target.kind == "utilization" else 1.0
            return seen * each, True
    return of.cpu_cores[minutes], False


def _target(of: Recording) -> MetricTarget:
    """The target that is replayed: CPU where there is one, else the first mean per replica."""
    targets = of.hpa.targets
    if not targets:
        raise NotReplayableError(
            "kube-state-metrics does not tell its target (kube_horizontalpodautoscaler_spec_target_metric)"
        )
    cpu = next((one for one in targets if one.name == "cpu"), None)
    if cpu is not None:
        if cpu.kind == "utilization" and not of.requests.cpu_cores:
            raise NotReplayableError(
                "its pods request no CPU: a target in percent of the request cannot work; set resources.requests.cpu"
            )
        return cpu
    mean = next((one for one in targets if one.kind == "average" and one.name != "memory"), None)
    if mean is not None:
        return mean
    if any(one.name == "memory" for one in targets):
        raise NotReplayableError("it scales on memory alone, which does not fall when replicas are added: not replayed")
    raise NotReplayableError(
        f"{targets[0].name} is a ratio to a target (Value): what replicas do to it is not known: not replayed"
    )


def _scale(of: Recording, target: MetricTarget, capacity: float) -> tuple[float, bool]:
    """From the document's number to the loop's target, and whether it is written in whole numbers."""
    if target.name != "cpu":
        return 1.0, False
    if target.kind == "utilization":
        return (of.requests.cpu_cores or 1.0) / capacity / 100, True
    return 1 / capacity, False


def _known(of: Recording) -> slice:
    """From the first minute with replicas to the last."""
    there = np.flatnonzero(~np.isnan(of.current))
    if not len(there):
        raise NotReplayableError("kube-state-metrics has no number of its replicas in this time")
    made = slice(int(there[0]), int(there[-1]) + 1)
    days = (made.stop - made.start) / MINUTES_PER_DAY
    if days < FEWEST_DAYS:
        raise NotReplayableError(f"it is recorded for {days:.1f} days; {FEWEST_DAYS} are needed")
    return made


def _mended(values: FloatArray, what: str | None, *, instead: FloatArray | None = None) -> FloatArray:
    """Without gaps: straight lines across them; ``NotReplayableError`` where too much is missing."""
    good = ~np.isnan(values)
    if instead is not None and good.mean() < LEAST_COVERAGE:
        return _mended(instead, None)
    if what is not None and good.mean() < LEAST_COVERAGE:
        if not good.any():
            raise NotReplayableError(f"the server has no {what} of its pods: is their scrape broken?")
        raise NotReplayableError(
            f"{what} is recorded in {100 * good.mean():.0f} % of the minutes only; "
            f"{100 * LEAST_COVERAGE:.0f} % are needed"
        )
    places = np.flatnonzero(good)
    if not len(places):
        return np.ones(len(values))
    return np.asarray(np.interp(np.arange(len(values)), places, values[places]))


def _safe_cores(of: Recording, per_replica: FloatArray, notes: list[str]) -> tuple[float, str]:
    """Cores of a replica up to which it is taken to answer well: requested or once carried, but within its limit."""
    request, limit = of.requests.cpu_cores or 0.0, of.requests.cpu_limit_cores
    carried = float(np.percentile(per_replica, OBSERVED_PERCENTILE))
    safe, by = max(SAFE_SHARE * request, carried), "carried before (99th percentile)"
    if SAFE_SHARE * request >= carried:
        by = "85 % of its request"
    if limit and SAFE_SHARE * limit <= safe:
        safe, by = SAFE_SHARE * limit, "85 % of its limit"
        saturated = float((per_replica > safe).mean())
        if saturated > 0.01:
            notes.append(
                f"CPU runs into its limit {100 * saturated:.1f} % of the time: the demand above it is not seen in CPU"
            )
    return max(safe, 1e-3), f"{max(safe, 1e-3):.3g} cores: {by}"


def _load(
    of: Recording, used: FloatArray, minutes: slice, target: MetricTarget, notes: list[str], *, by_hpa: bool
) -> tuple[FloatArray, str, str, bool]:
    """Load by minute with unit, origin, and whether it is offered load."""
    if target.name != "cpu":
        return used, target.name, f"{target.name} as the HPA sees it", False
    if of.offered is not None:
        offered = of.offered[minutes]
        good = ~np.isnan(offered)
        if good.mean() >= LEAST_COVERAGE:
            whole = _mended(offered, None)
            alike = _likeness(whole, used)
            if alike >= LEAST_LIKENESS:
                if of.offered_caution:
                    notes.append(f"{of.offered_by} {of.offered_caution}")
                return whole, "requests/s", f"{of.offered_by} (correlation with CPU {alike:.2f})", True
            notes.append(f"{of.offered_by} is there, but is not what makes CPU busy (correlation {alike:.2f})")
    notes.append("load is CPU use: what waits while CPU is full is not seen, so misses may be more than told")
    return used, "cores", "CPU use as the HPA sees it" if by_hpa else "CPU use by cAdvisor, a rate", False


def _likeness(one: FloatArray, other: FloatArray) -> float:
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _startup(of: Recording, minutes: slice) -> tuple[float, bool]:
    """Mean seconds from wanted to ready, by Little's law: replicas not ready, summed over time, for each start."""
    current, ready = of.current[minutes], of.ready[minutes]
    both = ~np.isnan(current) & ~np.isnan(ready)
    starts = float(np.fmax(np.diff(current), 0.0)[both[1:]].sum())
    if starts < FEWEST_STARTS:
        return sum(USUAL_START) / 2, False
    waiting = float(np.fmax(current - ready, 0.0)[both].sum()) * STEP_SECONDS
    return min(max(waiting / starts, START_RANGE[0]), START_RANGE[1]), True


def _ticks(load: FloatArray, noise: float) -> FloatArray:
    """By 15 s, each minute's mean kept; within it some of the noise that minutes show, from a fixed seed."""
    smooth = protocol.grid(np.maximum(load, 0.0), period_seconds=STEP_SECONDS)
    dispersion = noise * _dispersion(load) * TICKS
    if dispersion <= 0:
        return smooth
    shape = np.maximum(smooth, 1e-12) / dispersion
    noisy = np.random.default_rng(protocol.NOISE_SEED).gamma(shape, dispersion).reshape(-1, TICKS)
    means = noisy.mean(axis=1, keepdims=True)
    kept = np.where(means > 0, noisy * load[:, None] / np.where(means > 0, means, 1.0), load[:, None])
    return np.asarray(np.maximum(kept, 0.0).ravel())


def _dispersion(load: FloatArray) -> float:
    """Variance over mean from one minute to its neighbours; the median of hours, so that ramps do not count."""
    curve = load[1:-1] - (load[2:] + load[:-2]) / 2
    size = len(curve) // 60 * 60
    spread = (curve[:size] ** 2).reshape(-1, 60).mean(axis=1) / 1.5
    level = load[1 : 1 + size].reshape(-1, 60).mean(axis=1)
    known = level > 0
    return float(np.median(spread[known] / level[known])) if known.any() else 0.0


def _told(of: Recording, target: MetricTarget) -> list[str]:
    made = []
    others = [one.name for one in of.hpa.targets if one is not target]
    if others:
        made.append(f"only {target.name} is replayed; it also scales on {', '.join(others)}")
    return made


def recorded_late(of: Recording, made: Scene) -> FloatArray:
    """By minute of the scene: 1 where the ready replicas carried more than is safe, 0 where not, NaN where unknown."""
    ready = of.ready[made.minutes]
    return late_minutes(made, np.where(np.isnan(ready), of.current[made.minutes], ready))


def late_minutes(made: Scene, ready: FloatArray) -> FloatArray:
    """The same for any number of ready replicas by minute, recorded or replayed."""
    late = (made.load > made.safe * np.maximum(ready, 1.0)).astype(np.float64)
    late[np.isnan(ready)] = np.nan
    return late
