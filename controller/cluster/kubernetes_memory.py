"""What is remembered of autoscalers between passes: whether each is still the same object, and as we left it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from controller.actuation.flapping import Reverts
from controller.actuation.stamp import Stamp
from controller.cluster.kubernetes_autoscalers import Autoscaler
from domain.errors import ConflictError

log = logging.getLogger(__name__)

NEW_FOR: Final = timedelta(minutes=1)
"""An autoscaler that was recreated is left alone for so long: whoever did that has not finished, perhaps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """Our last write: over which version, and what we left there (None: nothing)."""

    over: str
    stamp: Stamp | None


@dataclass(slots=True, kw_only=True)
class _Known:
    uid: str
    recreated_at: datetime | None = None
    written: _Written | None = None
    reverts: Reverts = Reverts()


class AutoscalerMemory:
    """By kind, namespace and name; also of those that are gone, so that one made anew is known for what it is."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], _Known] = {}

    def objection(self, found: Autoscaler, now: datetime) -> str:
        """Why it is left alone for a while; empty: it is not.

        Raises:
            ConflictError: What was found is older than our own last write.
        """
        known = self._looked_at(found, now)
        if known.recreated_at is not None and now - known.recreated_at < NEW_FOR:
            return "it was deleted and made anew, and is left alone for a minute"
        return known.reverts.stopped(now)

    def wrote(self, found: Autoscaler, stamp: Stamp | None) -> None:
        """We have written over ``found``."""
        known = self._known.setdefault(found.key, _Known(uid=found.metadata.uid))
        known.written = _Written(over=found.metadata.resource_version, stamp=stamp)

    def _looked_at(self, found: Autoscaler, now: datetime) -> _Known:
        uid, known = found.metadata.uid, self._known.get(found.key)
        if known is None:
            known = self._known[found.key] = _Known(uid=uid)
        elif known.uid != uid:
            known = self._known[found.key] = _Known(uid=uid, recreated_at=now)
        last = known.written
        if last is None:
            return known
        if found.metadata.resource_version == last.over:
            raise ConflictError(f"{found}: our own last write has not been seen yet")
        if last.stamp is not None and last.stamp.is_reverted(found.limits):
            known.reverts, known.written = known.reverts.with_one(now), None
            log.info("bounds were undone", extra={"autoscaler": str(found), "bounds": str(found.limits)})
        return known
