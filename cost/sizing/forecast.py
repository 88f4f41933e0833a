"""Engine ``forecast``: the upper quantile of the highest use over the horizon, from sampled paths or quantiles.

CPU leaves start-up windows out: a pod that is starting may be throttled for a minute, and its peak would be paid for
all day. Memory takes them in: a pod that is killed while it starts never comes up. An OOM counts as the VPA counts it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cost.sizing.observed import Observed, PodTrack, Resource, Size, Sizing, Track, evidence, risk
from cost.sizing.vpa import scaled_limit
from cost.sizing.vpa_memory import after_oom
from cost.sizing.vpa_policy import MIB

Floats = NDArray[np.float64]
LEVELS: Final = {Resource.CPU: 0.95, Resource.MEMORY: 0.99}
"""CPU that is short is throttled, memory that is short kills: so memory looks further up. A guess, not tuned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a forecast becomes a request.

    Attributes:
        levels: Of the highest use over the horizon (0–1).
        memory_margin_ratio: On memory, as the VPA's; CPU has the HPA's burst room or can be throttled.
        startup: After a pod's start; CPU samples in it are left out.
        most_decrease_ratio: Of the present request, in one step.
        least_millicores, least_bytes: Never below.
    """

    levels: dict[Resource, float] = field(default_factory=lambda: dict(LEVELS))
    memory_margin_ratio: float = 0.15
    startup: timedelta = timedelta(minutes=5)
    most_decrease_ratio: float = 0.30
    least_millicores: int = 10
    least_bytes: int = 32 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Use of one pod's container over the horizon, in cores or bytes.

    Attributes:
        paths: Sampled, shape ``(paths, horizon)``; None where only quantiles are known.
        levels: Of the quantiles, rising.
        quantiles: Shape ``(levels, horizon)``. Their highest step is taken, which is less than the same quantile of
            a path's highest step: paths are better.
    """

    paths: Floats | None = None
    levels: tuple[float, ...] = ()
    quantiles: Floats | None = None

    def peak(self, level: float) -> float | None:
        """The quantile of the highest use; None where nothing is known. Steps of NaN are left out."""
        if self.paths is not None:
            known = self.paths[~np.isnan(self.paths).all(axis=1)]
            return float(np.quantile(np.nanmax(known, axis=1), level)) if len(known) else None
        if self.quantiles is None or not self.levels:
            return None
        known = self.quantiles[:, ~np.isnan(self.quantiles).any(axis=0)]
        at_level = [float(np.interp(level, self.levels, step)) for step in known.T]
        return max(at_level, default=None)


def size(observed: Observed, resource: Resource, outlook: Outlook, policy: Policy | None = None) -> Sizing:
    """What the container should ask for; ``wanted`` is None where nobody can say how much it will use.

    Args:
        observed: The container; its CPU samples in start-up windows are left out here.
        resource: CPU or memory.
        outlook: Of one pod's container, the busiest.
        policy: How a forecast becomes a request.
    """
    policy = policy or Policy()
    steady = without_startup(observed, policy.startup) if resource is Resource.CPU else observed
    current, seen = observed.size(resource), evidence(steady, resource)
    peak = outlook.peak(policy.levels[resource])
    reasons: list[str] = []
    wanted = None
    if peak is None or not math.isfinite(peak):
        reasons.append("no forecast: too little history")
    else:
        asked = _cpu(peak, policy) if resource is Resource.CPU else _memory(peak, observed, policy, reasons)
        request = stepped(current.request, asked, policy.most_decrease_ratio)
        if request > asked:
            reasons.append(f"one step; the forecast asks for {asked}")
        wanted = Size(request=request, limit=scaled_limit(current, request))
    return Sizing(
        target=observed.target, container=observed.container, resource=resource, current=current, wanted=wanted,
        engine="forecast", evidence=seen, confidence=min(1.0, seen.window / timedelta(days=7)),
        risk=risk(resource, wanted, seen), reasons=tuple(reasons),
    )  # fmt: skip


def without_startup(observed: Observed, startup: timedelta) -> Observed:
    """The same without the CPU samples of each pod's first minutes; a pod of unknown start keeps all."""
    return Observed(
        target=observed.target, container=observed.container, current=observed.current,
        containers=observed.containers, pods=tuple(_steady(one, startup.total_seconds()) for one in observed.pods),
    )  # fmt: skip


def stepped(current: int | None, wanted: int, most_decrease_ratio: float) -> int:
    """Not below what one step may take away; up there is no limit."""
    if current is None:
        return wanted
    return max(wanted, math.ceil(current * (1.0 - most_decrease_ratio) - 1e-9))


def _steady(pod: PodTrack, startup_seconds: float) -> PodTrack:
    if pod.started is None:
        return pod
    kept = pod.cpu.times >= pod.started + startup_seconds
    cpu = Track(times=pod.cpu.times[kept], values=pod.cpu.values[kept])
    return PodTrack(pod=pod.pod, cpu=cpu, memory=pod.memory, ooms=pod.ooms, started=pod.started)


def _cpu(peak: float, policy: Policy) -> int:
    return max(math.ceil(peak * 1000.0 - 1e-9), policy.least_millicores)


def _memory(peak: float, observed: Observed, policy: Policy, reasons: list[str]) -> int:
    seen = max((float(one.values.max()) for one in observed.tracks(Resource.MEMORY)), default=0.0)
    needed = max(peak, seen) * (1.0 + policy.memory_margin_ratio)
    bumped = max((float(after_oom(oom.reached_bytes, _used(pod, oom.at))) for pod in observed.pods
                  for oom in pod.ooms), default=0.0)  # fmt: skip
    if bumped > needed:
        reasons.append("raised after an OOM")
    return max(math.ceil(max(needed, bumped) / MIB) * MIB, policy.least_bytes)


def _used(pod: PodTrack, until: float) -> float:
    return float(pod.memory.values[pod.memory.times <= until].max(initial=0.0))
