"""What engines are given of one container, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Resource(StrEnum):
    """CPU is counted in millicores, memory in bytes."""

    CPU = "cpu"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Samples of one container in one pod, earliest first.

    Attributes:
        times: Seconds since 1970, shape ``(samples,)``.
        values: Cores, or bytes of working set, of the same shape.
    """

    times: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    values: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Oom:
    """The kernel ended it because it wanted more memory than it may have.

    Attributes:
        at: Seconds since 1970.
        requested_bytes: What it asked for; the VPA starts from it.
        limit_bytes: What it could not get beyond, which KRR and a forecast start from; None where there is no limit.
    """

    at: float
    requested_bytes: float
    limit_bytes: float | None = None

    @property
    def reached_bytes(self) -> float:
        """What it had when it was ended."""
        return self.requested_bytes if self.limit_bytes is None else self.limit_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTrack:
    """One pod's container.

    Attributes:
        pod: Its name.
        started: Seconds since 1970; None where nobody knows.
    """

    pod: str
    cpu: Track = field(default_factory=Track)
    memory: Track = field(default_factory=Track)
    ooms: tuple[Oom, ...] = ()
    started: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Request and limit in millicores or bytes; None is none."""

    request: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A container over all pods of its workload.

    Attributes:
        target: ``namespace/Kind/name``.
        container: Its name.
        pods: Of the window, by name.
        current: What it asks for now.
        containers: How many a pod of the workload has.
    """

    target: str
    container: str
    pods: tuple[PodTrack, ...]
    current: dict[Resource, Size]
    containers: int = 1

    def tracks(self, resource: Resource) -> list[Track]:
        """The samples of each pod that has some."""
        found = (one.cpu if resource is Resource.CPU else one.memory for one in self.pods)
        return [track for track in found if len(track.times)]

    def size(self, resource: Resource) -> Size:
        """What it asks for now; nothing where nobody tells."""
        return self.current.get(resource, Size())


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an answer rests on; amounts in millicores or bytes.

    Attributes:
        window: From the first sample to the last.
        samples: Of all pods.
        pods: That have samples.
        p95: Of all samples; None without samples.
        peak: Of all samples.
        ooms: In the window.
    """

    window: timedelta = timedelta(0)
    samples: int = 0
    pods: int = 0
    p95: int | None = None
    peak: int | None = None
    ooms: int = 0


class Risk(StrEnum):
    """Of what could go wrong when the wanted size is applied."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """One engine's answer for one resource of one container.

    Attributes:
        target: ``namespace/Kind/name``.
        container: Its name.
        current: What stands there.
        wanted: What the engine wants; None where it cannot say.
        engine: ``vpa``, ``krr`` or ``forecast``.
        evidence: What it rests on.
        confidence: 0–1: how much of what the engine would like to have seen was seen.
        risk: Of applying it.
        reasons: Sentences: why not, what limited it, what belongs to it.
        hpa_target_percent: The HPA's utilisation target that belongs to the wanted request; None: leave it.
    """

    target: str
    container: str
    resource: Resource
    current: Size
    wanted: Size | None
    engine: str
    evidence: Evidence
    confidence: float
    risk: Risk
    reasons: tuple[str, ...] = ()
    hpa_target_percent: int | None = None


def evidence(observed: Observed, resource: Resource) -> Evidence:
    """What was seen of one resource."""
    tracks = observed.tracks(resource)
    if not tracks:
        return Evidence(ooms=sum(len(one.ooms) for one in observed.pods))
    times = np.concatenate([one.times for one in tracks])
    values = np.concatenate([one.values for one in tracks])
    unit = 1000.0 if resource is Resource.CPU else 1.0
    return Evidence(
        window=timedelta(seconds=float(times.max() - times.min())), samples=len(times), pods=len(tracks),
        p95=round(float(np.percentile(values, 95)) * unit), peak=round(float(values.max()) * unit),
        ooms=sum(len(one.ooms) for one in observed.pods),
    )  # fmt: skip


def risk(resource: Resource, wanted: Size | None, seen: Evidence) -> Risk:
    """By what was seen above the wanted request: memory cannot be throttled, CPU can."""
    if wanted is None or wanted.request is None or seen.peak is None or seen.p95 is None:
        return Risk.UNKNOWN
    if wanted.request >= seen.peak:
        return Risk.MEDIUM if seen.ooms and resource is Resource.MEMORY else Risk.LOW
    if resource is Resource.MEMORY:
        return Risk.HIGH
    return Risk.MEDIUM if wanted.request >= seen.p95 else Risk.HIGH
