"""The silences that are kept: made, changed as Alertmanager changes them, expired; each change in the audit trail."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from alerts.routing import silences
from alerts.routing.matchers import parse
from alerts.routing.silences import Silence
from domain.clock import Clock
from domain.errors import ForetideError
from store.state import AuditEntry, AuditTrail, State
from store.state.routing import KeptSilence, Silences

KEPT_OVER: Final = timedelta(days=5)
"""As Alertmanager's ``--data.retention``."""


class NoSuchSilenceError(ForetideError):
    """Nobody knows this id."""


class SilenceDesk:
    """Reads and writes them; the router asks anew at each tick."""

    def __init__(self, state: State, clock: Clock) -> None:
        """Over the state database."""
        self._state, self._clock = state, clock

    def all(self) -> list[Silence]:
        """The latest end first, those that are over for some days included."""
        with self._state.transaction() as session:
            return [silence_of(one) for one in Silences(session).all()]

    def get(self, id_: str) -> Silence:
        """One.

        Raises:
            NoSuchSilenceError: There is none.
        """
        with self._state.transaction() as session:
            return _found(Silences(session), id_)

    def put(self, new: Silence) -> Silence:
        """Make it, or change the one of its id; where that cannot be changed it expires and a new one is made.

        Raises:
            NoSuchSilenceError: Its id is given and nobody knows it.
            SilenceError: What is wrong with it.
        """
        now = self._clock.now()
        with self._state.transaction() as session:
            kept = Silences(session)
            old = _found(kept, new.id) if new.id else None
            in_place = old is not None and silences.may_become(old, new, now)
            made = new if in_place else replace(new, id=str(uuid.uuid4()), starts_at=max(new.starts_at, now))
            silences.check(made, now)
            if old is not None and not in_place and old.ends_at > now:
                kept.put(_kept(silences.expired(old, now)))
            kept.put(_kept(made))
            kept.forget(now - KEPT_OVER)
            AuditTrail(session).record(_line(made, "silence", made.created_by, now))
        return made

    def expire(self, id_: str, by: str) -> Silence:
        """End it now.

        Raises:
            NoSuchSilenceError: There is none.
            SilenceError: It is over already.
        """
        now = self._clock.now()
        with self._state.transaction() as session:
            over = silences.expired(_found(Silences(session), id_), now)
            Silences(session).put(_kept(over))
            AuditTrail(session).record(_line(over, "silence expired", by, now))
        return over


def silence_of(kept: KeptSilence) -> Silence:
    """With its matchers read; they were checked when it was made."""
    matchers = tuple(one for text in kept.matchers for one in parse(text))
    return Silence(
        id=kept.id, matchers=matchers, starts_at=kept.starts_at, ends_at=kept.ends_at, created_by=kept.created_by,
        comment=kept.comment, updated_at=kept.updated_at,
    )  # fmt: skip


def _kept(one: Silence) -> KeptSilence:
    return KeptSilence(
        id=one.id, matchers=tuple(map(str, one.matchers)), starts_at=one.starts_at, ends_at=one.ends_at,
        created_by=one.created_by, comment=one.comment, updated_at=one.updated_at,
    )  # fmt: skip


def _found(kept: Silences, id_: str) -> Silence:
    one = kept.get(id_)
    if one is None:
        raise NoSuchSilenceError(f"there is no silence {id_}")
    return silence_of(one)


def _line(one: Silence, verb: str, by: str, now: datetime) -> AuditEntry:
    detail = {
        "matchers": [str(matcher) for matcher in one.matchers], "startsAt": one.starts_at.isoformat(),
        "endsAt": one.ends_at.isoformat(), "comment": one.comment,
    }  # fmt: skip
    return AuditEntry(at=now, actor=by[:64], verb=verb, object=f"silence/{one.id}", detail=detail)
