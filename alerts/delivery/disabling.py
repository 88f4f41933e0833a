"""Receivers that want no message any more: disabled by their 410, enabled by an edit of their document or by hand."""

from __future__ import annotations

import hashlib
import logging

from sqlalchemy.orm import Session

from domain.clock import Clock
from rules.receiver import Receiver
from store.state import AuditEntry, AuditTrail, Disabled, DisabledReceivers, State

log = logging.getLogger(__name__)


class Disabling:
    """Who is disabled, written down with a line of the audit trail each."""

    def __init__(self, state: State, *, clock: Clock) -> None:
        """In this database."""
        self._state, self._clock = state, clock

    def all(self) -> dict[str, Disabled]:
        """By the receiver's key."""
        with self._state.transaction() as session:
            return DisabledReceivers(session).all()

    def is_disabled(self, receiver: Receiver) -> bool:
        """Whether it still is: a document that was edited is another one."""
        found = self.all().get(receiver.key)
        if found is None:
            return False
        if found.digest != digest(receiver):
            self.enable(receiver.key, by="foretide", why="its document was edited")
            return False
        return True

    def disable(self, receiver: Receiver, why: str) -> None:
        """From now on."""
        now = self._clock.now()
        with self._state.transaction() as session:
            DisabledReceivers(session).put(Disabled(receiver=receiver.key, digest=digest(receiver), at=now, reason=why))
            self._audit(session, "receiver disabled", receiver.key, why, by="foretide")
        log.warning("receiver disabled", extra={"receiver": receiver.key, "reason": why})

    def enable(self, key: str, *, by: str, why: str) -> bool:
        """Tell it again; False where it was not disabled."""
        with self._state.transaction() as session:
            kept = DisabledReceivers(session)
            if key not in kept.all():
                return False
            kept.remove(key)
            self._audit(session, "receiver enabled", key, why, by=by)
        log.info("receiver enabled", extra={"receiver": key, "reason": why})
        return True

    def _audit(self, session: Session, verb: str, key: str, why: str, *, by: str) -> None:
        entry = AuditEntry(at=self._clock.now(), actor=by, verb=verb, object=f"receiver/{key}", detail={"reason": why})
        AuditTrail(session).record(entry)


def digest(receiver: Receiver) -> str:
    """Of what its document says."""
    return hashlib.sha256(receiver.model_dump_json(by_alias=True).encode()).hexdigest()
