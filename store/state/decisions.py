"""The decision ledger: append-only, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from domain.scaling import Action, Decision, Outcome
from store.state.records import action_of, action_row, decision_of, decision_row
from store.state.tables import ActionRow, DecisionRow


class ReplicaPoint(NamedTuple):
    """The numbers of one decision that charts and budgets need, without its reasons."""

    at: datetime
    current_replicas: int | None
    ready_replicas: int | None
    desired_replicas: int | None
    cost_per_hour: Decimal | None
    currency: str | None


class DecisionLedger:
    """Decisions and the actions that followed."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def append(self, decision: Decision, action: Action | None = None) -> None:
        """Add a decision, with the action it led to."""
        self.append_all([(decision, action)])

    def append_all(self, made: Sequence[tuple[Decision, Action | None]]) -> None:
        """Add many at once: one statement for the decisions and one for their actions."""
        self._session.add_all(decision_row(decision) for decision, _ in made)
        self._session.add_all(action_row(action) for _, action in made if action is not None)
        self._session.flush()

    def get(self, decision_id: str) -> Decision | None:
        """One decision, or None."""
        row = self._session.get(DecisionRow, decision_id)
        return None if row is None else decision_of(row)

    def page(
        self,
        *,
        rule: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        changes_only: bool = False,
        limit: int,
        offset: int = 0,
    ) -> tuple[list[Decision], int]:
        """Decisions, newest first, and how many there are in all.

        ``changes_only`` keeps those that moved the number: the lists people read would drown in holds otherwise.
        """
        wanted = _wanted(rule=rule, since=since, until=until, changes_only=changes_only)
        newest = select(DecisionRow).where(*wanted).order_by(DecisionRow.at.desc(), DecisionRow.id)
        total = self._session.scalar(select(func.count()).select_from(DecisionRow).where(*wanted)) or 0
        rows = self._session.scalars(newest.limit(limit).offset(offset))
        return [decision_of(row) for row in rows], total

    def latest(self, rule: str, *, until: datetime | None = None, changes_only: bool = False) -> Decision | None:
        """The newest decision of a rule, up to and including ``until``."""
        wanted = _wanted(rule=rule, since=None, until=until, changes_only=changes_only)
        row = self._session.scalars(
            select(DecisionRow).where(*wanted).order_by(DecisionRow.at.desc(), DecisionRow.id).limit(1)
        ).first()
        return None if row is None else decision_of(row)

    def after(self, rule: str, at: datetime) -> datetime | None:
        """When the next decision of a rule was made after ``at``."""
        return self._session.scalar(
            select(func.min(DecisionRow.at)).where(DecisionRow.rule == rule, DecisionRow.at > at)
        )

    def action_of(self, decision_id: str) -> Action | None:
        """What was done because of a decision."""
        row = self._session.scalars(select(ActionRow).where(ActionRow.decision_id == decision_id).limit(1)).first()
        return None if row is None else action_of(row)

    def points(self, rule: str, *, since: datetime, until: datetime) -> list[ReplicaPoint]:
        """The numbers of a rule's decisions in ``[since, until]``, oldest first."""
        columns = (
            DecisionRow.at, DecisionRow.current_replicas, DecisionRow.ready_replicas, DecisionRow.desired_replicas,
            DecisionRow.cost_per_hour, DecisionRow.currency,
        )  # fmt: skip
        rows = self._session.execute(
            select(*columns).where(*_wanted(rule=rule, since=since, until=until)).order_by(DecisionRow.at)
        )
        return [
            ReplicaPoint(at, current, ready, desired, None if cost is None else Decimal(cost), currency)
            for at, current, ready, desired, cost, currency in rows
        ]

    def spaced(self, rule: str, *, since: datetime, until: datetime, every: timedelta) -> list[Decision]:
        """The newest decision of each stretch of ``every`` in ``[since, until)``, oldest first.

        Their times are looked at first: of a day's 5,760 decisions 96 are read whole.
        """
        wanted = (DecisionRow.rule == rule, DecisionRow.at >= since, DecisionRow.at < until)
        newest: dict[int, str] = {}
        for id_, at in self._session.execute(select(DecisionRow.id, DecisionRow.at).where(*wanted).order_by("at")):
            newest[(at - since) // every] = id_
        rows = self._session.scalars(select(DecisionRow).where(DecisionRow.id.in_(newest.values())))
        return sorted((decision_of(row) for row in rows), key=lambda one: one.at)

    def actions(self, *, limit: int) -> list[Action]:
        """The newest actions."""
        rows = self._session.scalars(select(ActionRow).order_by(ActionRow.at.desc(), ActionRow.id).limit(limit))
        return [action_of(row) for row in rows]

    def forget_before(self, instant: datetime) -> int:
        """Delete decisions and actions older than the retention; how many decisions went."""
        self._session.execute(delete(ActionRow).where(ActionRow.at < instant))
        gone = self._session.execute(delete(DecisionRow).where(DecisionRow.at < instant).returning(DecisionRow.id))
        return len(gone.all())


def _wanted(
    *, rule: str | None, since: datetime | None, until: datetime | None, changes_only: bool = False
) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if rule is not None:
        wanted.append(DecisionRow.rule == rule)
    if since is not None:
        wanted.append(DecisionRow.at >= since)
    if until is not None:
        wanted.append(DecisionRow.at <= until)
    if changes_only:
        wanted.append(DecisionRow.outcome != Outcome.HOLD.value)
    return wanted
