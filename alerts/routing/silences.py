"""Silences: who asked for quiet about what, from when until when, and why.

Source:
    Alertmanager, ``silence``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from alerts.routing.matchers import Matchers, all_match
from domain.labels import Labels

MOST_MATCHERS: Final = 50


class SilenceState(StrEnum):
    """Before, while and after."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


class SilenceError(ValueError):
    """What is wrong with a silence, or with what shall become of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Quiet about every alert that passes all ``matchers``."""

    id: str
    matchers: Matchers
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    updated_at: datetime

    def state(self, now: datetime) -> SilenceState:
        """Where it stands at ``now``."""
        if now < self.starts_at:
            return SilenceState.PENDING
        return SilenceState.ACTIVE if now < self.ends_at else SilenceState.EXPIRED

    def hushes(self, labels: Labels, now: datetime) -> bool:
        """Whether nobody is told of such an alert now."""
        return self.state(now) is SilenceState.ACTIVE and all_match(self.matchers, labels)


def check(silence: Silence, now: datetime) -> None:
    """Refuse what could never hush anything, or would hush everything.

    Raises:
        SilenceError: What is wrong.
    """
    if not silence.matchers:
        raise SilenceError("a silence needs at least one matcher")
    if len(silence.matchers) > MOST_MATCHERS:
        raise SilenceError(f"a silence has at most {MOST_MATCHERS} matchers")
    if all(matcher.matches(Labels()) for matcher in silence.matchers):
        raise SilenceError("at least one matcher must not match the empty string: this would silence every alert")
    if silence.ends_at <= silence.starts_at:
        raise SilenceError("a silence must end after it starts")
    if silence.ends_at <= now:
        raise SilenceError("a silence must end in the future")
    if not silence.created_by.strip() or not silence.comment.strip():
        raise SilenceError("a silence needs createdBy and comment: who asks for it, and why")


def expired(silence: Silence, now: datetime) -> Silence:
    """The silence, over as of now; one that has not begun never does.

    Raises:
        SilenceError: It is over already.
    """
    if silence.state(now) is SilenceState.EXPIRED:
        raise SilenceError(f"silence {silence.id} has expired already")
    return replace(silence, starts_at=min(silence.starts_at, now), ends_at=now, updated_at=now)


def may_become(old: Silence, new: Silence, now: datetime) -> bool:
    """Whether ``old`` can be changed in place; otherwise it is expired and a new one is made."""
    if old.matchers != new.matchers or old.state(now) is SilenceState.EXPIRED:
        return False
    if old.state(now) is SilenceState.ACTIVE:
        return old.starts_at == new.starts_at
    return new.starts_at >= now
