"""Where a notification is put to be sent, in the transaction that writes down that the router made it."""

from __future__ import annotations

import logging
from typing import Final

from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.orm import Session

from alerts.delivery.as_json import to_json
from alerts.notification import Notification
from store.state import Deliveries

log = logging.getLogger(__name__)

MOST_WAITING: Final = 10_000


class Outbox:
    """Put and forgotten: ``Deliverer`` does the rest, whatever happens to this process."""

    def __init__(self, *, registry: CollectorRegistry, most_waiting: int = MOST_WAITING) -> None:
        """Count what is dropped."""
        self._most = most_waiting
        self._dropped = Counter(
            "foretide_deliveries_dropped", "Messages that the full outbox dropped.", registry=registry
        )

    def put(self, session: Session, notification: Notification) -> None:
        """Keep it until it is delivered; the same telling put again changes nothing. The caller commits."""
        kept = Deliveries(session)
        is_new = kept.add(
            id_=notification.dedup, receiver=receiver_key(notification.receiver), group_key=notification.group_key,
            resolved=notification.status == "resolved", at=notification.at, body=to_json(notification),
        )  # fmt: skip
        for _ in range(max(kept.waiting() - self._most, 0) if is_new else 0):
            if kept.drop_one(notification.at):
                self._dropped.inc()
                log.warning("outbox full, a message is dropped", extra={"most": self._most})


def receiver_key(name: str) -> str:
    """``namespace/name`` of a receiver as a route names it."""
    return name if "/" in name else f"default/{name}"
