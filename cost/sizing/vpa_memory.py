"""Memory as the vertical-pod-autoscaler counts it: one peak a day for each container of a pod, and OOMs as bumps.

Source:
    kubernetes/autoscaler, vertical-pod-autoscaler, recommender/model/container.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from cost.sizing.observed import Oom, PodTrack
from cost.sizing.vpa_policy import Policy, amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """A memory peak that counts; ``at`` is the end of its window."""

    at: float
    used_bytes: float


def after_oom(requested_bytes: float, peak_bytes: float, policy: Policy | None = None) -> int:
    """The memory that an OOM counts as: what was used or asked for, and a fifth or 100 MiB more."""
    policy = policy or Policy()
    used = max(requested_bytes, peak_bytes)
    return amount(max(used + policy.oom_least_bytes, float(amount(used * policy.oom_ratio))))


def memory_peaks(pod: PodTrack, policy: Policy | None = None) -> list[Peak]:
    """One peak of each window of a pod, from its first sample on.

    Samples and OOMs come in the order of time. An OOM that is older than the window that is open is left out; its
    bump starts from the usage seen in its window, never from an earlier OOM's, so that OOMs in a row do not run away.
    """
    policy = policy or Policy()
    windows = _Windows(policy)
    samples = zip(pod.memory.times.tolist(), pod.memory.values.tolist(), strict=True)
    events: list[tuple[float, int, float]] = [(at, 0, used) for at, used in samples if used >= 0.0]
    events += [(one.at, 1, one.requested_bytes) for one in pod.ooms]
    for at, is_oom, value in sorted(events):
        if is_oom:
            windows.oom(Oom(at=at, requested_bytes=value))
        else:
            windows.sample(at, value)
    return windows.peaks


class _Windows:
    """The original's state of one container; rows of ``peaks`` are what its histogram then holds."""

    __slots__ = ("_end", "_oom", "_policy", "_usage", "peaks")

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._end: float | None = None
        self._usage = self._oom = 0.0
        self.peaks: list[Peak] = []

    def oom(self, one: Oom) -> None:
        if self._end is not None and one.at < self._end - self._policy.memory_window_seconds:
            return
        # The original looks at the usage of the window that is open, even where the OOM opens the next one.
        needed = after_oom(one.requested_bytes, self._usage, self._policy)
        if self._counts(one.at, float(needed)):
            self._oom = float(needed)

    def sample(self, at: float, used: float) -> None:
        if self._counts(at, used):
            self._usage = used

    def _counts(self, at: float, used: float) -> bool:
        width = self._policy.memory_window_seconds
        self._end = at if self._end is None else self._end
        if at < self._end:
            # A window whose first sample is 0 stays at 0: so it is in the original.
            known = max(self._usage, self._oom)
            if known == 0.0 or used <= known:
                return False
            self.peaks[-1] = Peak(at=self._end, used_bytes=used)
            return True
        self._end += ((at - self._end) // width + 1) * width
        self._usage = self._oom = 0.0
        self.peaks.append(Peak(at=self._end, used_bytes=used))
        return True
