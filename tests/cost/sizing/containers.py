"""Containers that use what a test says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cost.sizing.observed import Observed, Oom, PodTrack, Resource, Size, Track

MIB = 1024 * 1024
DAY = 86_400.0


def track(values: Sequence[float], *, step: float = 60.0, start: float = 0.0) -> Track:
    return Track(times=start + step * np.arange(len(values)), values=np.array(values, dtype=float))


def pod(name: str = "web-1", *, cpu: Sequence[float] = (), memory: Sequence[float] = (), step: float = 60.0,
        ooms: Sequence[Oom] = (), started: float | None = None) -> PodTrack:  # fmt: skip
    return PodTrack(
        pod=name, cpu=track(cpu, step=step), memory=track(memory, step=step), ooms=tuple(ooms), started=started
    )


def observed(*pods: PodTrack, cpu: Size | None = None, memory: Size | None = None, containers: int = 1) -> Observed:
    current = {Resource.CPU: cpu or Size(request=1000), Resource.MEMORY: memory or Size(request=1024 * MIB)}
    return Observed(target="shop/Deployment/web", container="web", pods=pods, current=current, containers=containers)
