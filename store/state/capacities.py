"""What replicas carry as far as it was learned, one row for each trigger that learns it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from domain.capacity import Learning
from store.state.tables import CapacityRow


class LearnedCapacities:
    """What is known again after a restart."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def put_all(self, learned: Sequence[Learning]) -> None:
        """Keep these and no others."""
        kept = {(one.rule, one.trigger) for one in learned}
        for rule, trigger in self._session.execute(select(CapacityRow.rule, CapacityRow.trigger)).all():
            if (rule, trigger) not in kept:
                gone = (CapacityRow.rule == rule, CapacityRow.trigger == trigger)
                self._session.execute(delete(CapacityRow).where(*gone))
        for one in learned:
            self._session.merge(_row(one))
        self._session.flush()

    def all(self) -> list[Learning]:
        """Everything, in order of rules and triggers."""
        rows = self._session.scalars(select(CapacityRow).order_by(CapacityRow.rule, CapacityRow.trigger))
        return [_learning(row) for row in rows]


def _row(one: Learning) -> CapacityRow:
    body: dict[str, Any] = {
        "subject": one.subject, "since": one.since.isoformat(), "deployed": one.deployed, "mixed": one.mixed,
        "ready": one.ready, "settled_since": None if one.settled_since is None else one.settled_since.isoformat(),
        "load": one.load, "top": one.top, "samples": one.samples, "sums": list(one.sums), "learned": one.learned,
        "outcomes": [[step, good, bad] for step, (good, bad) in sorted(one.outcomes.items())],
    }  # fmt: skip
    return CapacityRow(rule=one.rule, trigger=one.trigger, version=one.version, at=one.at, body=body)


def _learning(row: CapacityRow) -> Learning:
    body = row.body
    settled = body["settled_since"]
    return Learning(
        rule=row.rule, trigger=row.trigger, subject=body["subject"], version=row.version, at=row.at,
        since=datetime.fromisoformat(body["since"]), deployed=body["deployed"], mixed=body["mixed"],
        ready=body["ready"], settled_since=None if settled is None else datetime.fromisoformat(settled),
        load=body["load"], top=body["top"], samples=body["samples"], sums=tuple(body["sums"]),
        outcomes={step: (good, bad) for step, good, bad in body["outcomes"]}, learned=body["learned"],
    )  # fmt: skip
