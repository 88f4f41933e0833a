"""Which targets are left alone for a while because acting on them failed; the others are not slowed down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from domain.errors import ActuationError, ForbiddenError, UnavailableError
from domain.scaling import WorkloadRef

FIRST_DELAY: Final = timedelta(seconds=30)
LONGEST_DELAY: Final = timedelta(minutes=5)
"""A cluster that is not there is asked again after 30 s, 1, 2, 4 and then every 5 minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pause:
    until: datetime
    delay: timedelta


class Throttles:
    """By target; what to do about an error is decided by its kind."""

    def __init__(self) -> None:
        self._pauses: dict[WorkloadRef, _Pause] = {}

    def closed(self, ref: WorkloadRef, *, now: datetime) -> bool:
        """Whether ``ref`` is to be left alone at ``now``."""
        pause = self._pauses.get(ref)
        return pause is not None and now < pause.until

    def failed(self, ref: WorkloadRef, error: ActuationError, *, now: datetime) -> None:
        """Forbidden: the longest pause at once; unavailable: twice the last one; a conflict: none."""
        if isinstance(error, ForbiddenError):
            self._pauses[ref] = _Pause(until=now + LONGEST_DELAY, delay=LONGEST_DELAY)
        elif isinstance(error, UnavailableError):
            before = self._pauses.get(ref)
            delay = FIRST_DELAY if before is None else min(2 * before.delay, LONGEST_DELAY)
            self._pauses[ref] = _Pause(until=now + delay, delay=delay)

    def succeeded(self, ref: WorkloadRef) -> None:
        """The next failure begins with the shortest pause again."""
        self._pauses.pop(ref, None)

    def keep(self, refs: set[WorkloadRef]) -> None:
        """Forgets all others."""
        self._pauses = {ref: pause for ref, pause in self._pauses.items() if ref in refs}
