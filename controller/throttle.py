"""Which targets are left alone for a while because acting on them failed; the others are not slowed down.

Rights are taken away by the namespace: where one target is forbidden, its namespace is tried once a minute, and acts
within a minute when they are given back. What an admission refuses is a matter of that one target.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from domain.errors import ActuationError, ForbiddenError, RightsError, UnavailableError
from domain.scaling import WorkloadRef

FIRST_DELAY: Final = timedelta(seconds=30)
LONGEST_DELAY: Final = timedelta(minutes=5)
"""A cluster that is not there or refuses is asked again after 30 s, 1, 2, 4 and then every 5 minutes."""
NAMESPACE_DELAY: Final = timedelta(minutes=1)
LEFT_ALONE: Final = "left alone until"
"""How the sentence of a pause begins; after its time and a colon comes the error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pause:
    until: datetime
    delay: timedelta
    error: str


class Throttles:
    """By target; what to do about an error is decided by its kind."""

    def __init__(self) -> None:
        self._pauses: dict[WorkloadRef, _Pause] = {}
        self._namespaces: dict[str, _Pause] = {}

    def closed(self, ref: WorkloadRef, *, now: datetime) -> str:
        """Why ``ref`` is to be left alone at ``now``; empty: it may be tried."""
        for pause in (self._pauses.get(ref), self._namespaces.get(ref.namespace)):
            if pause is not None and now < pause.until:
                return f"{LEFT_ALONE} {pause.until:%Y-%m-%dT%H:%M:%SZ}: {pause.error}"
        return ""

    def failed(self, ref: WorkloadRef, error: ActuationError, *, now: datetime) -> None:
        """Without rights: its namespace, for a minute; refused or not answered: itself, twice the last time."""
        if isinstance(error, RightsError):
            until = now + NAMESPACE_DELAY
            self._namespaces[ref.namespace] = _Pause(until=until, delay=NAMESPACE_DELAY, error=str(error))
        elif isinstance(error, ForbiddenError | UnavailableError):
            before = self._pauses.get(ref)
            delay = FIRST_DELAY if before is None else min(2 * before.delay, LONGEST_DELAY)
            self._pauses[ref] = _Pause(until=now + delay, delay=delay, error=str(error))

    def succeeded(self, ref: WorkloadRef) -> None:
        """The next failure begins with the shortest pause again."""
        self._pauses.pop(ref, None)

    def keep(self, refs: set[WorkloadRef]) -> None:
        """Forgets all others."""
        self._pauses = {ref: pause for ref, pause in self._pauses.items() if ref in refs}
        namespaces = {ref.namespace for ref in refs}
        self._namespaces = {name: pause for name, pause in self._namespaces.items() if name in namespaces}
