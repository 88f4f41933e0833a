"""Advice about money with where it stands, one row for each item; what became of it is in the audit trail as well."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from domain.recommendations import (
    Change,
    Freed,
    KeptRecommendation,
    Patch,
    Recommendation,
    RecommendationKind,
    RecommendationState,
    Saving,
    Standing,
    Target,
)
from store.state.audit import AuditEntry, AuditTrail
from store.state.tables import RecommendationRow


class Recommendations:
    """All of them; nothing is ever deleted, what is over is ``expired`` or ``verified``."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def put(self, kept: KeptRecommendation) -> None:
        """Keep it in place of the last; a change of state is a line of the audit trail."""
        row = self._session.get(RecommendationRow, kept.id)
        before = "" if row is None else row.state
        self._session.merge(_row(kept))
        if before != kept.standing.state:
            AuditTrail(self._session).record(_line(kept, before))
        self._session.flush()

    def get(self, id_: str, *, to_change: bool = False) -> KeptRecommendation | None:
        """One; None where there is none. ``to_change`` holds it: whoever else would change it waits for the commit."""
        if to_change:  # a write that changes nothing: SQLite has no SELECT FOR UPDATE, and reads before it begins
            held = update(RecommendationRow).where(RecommendationRow.id == id_)
            self._session.execute(held.values(id=id_))
        row = self._session.get(RecommendationRow, id_)
        return None if row is None else _kept(row)

    def all(self, states: Collection[RecommendationState] = ()) -> list[KeptRecommendation]:
        """By id; of these states only, where some are given."""
        asked = select(RecommendationRow).order_by(RecommendationRow.id)
        if states:
            asked = asked.where(RecommendationRow.state.in_(sorted(states)))
        return [_kept(row) for row in self._session.scalars(asked)]


def _line(kept: KeptRecommendation, before: str) -> AuditEntry:
    standing = kept.standing
    detail = {
        "from": before, "to": standing.state.value, "reason": standing.reason, "digest": kept.advice.digest,
        "kind": kept.advice.kind.value, "until": _text(standing.until),
        "target": str(kept.advice.target), "monthly": str(kept.advice.saving.monthly),
    }  # fmt: skip
    return AuditEntry(at=standing.since, actor=standing.by, verb=f"recommendation {standing.state.value}",
                      object=f"recommendation/{kept.id}", detail=detail)  # fmt: skip


def _row(kept: KeptRecommendation) -> RecommendationRow:
    advice, standing = kept.advice, kept.standing
    return RecommendationRow(
        id=kept.id, kind=advice.kind.value, target=str(advice.target), state=standing.state.value,
        since=standing.since, seen_at=kept.seen_at, by=standing.by, reason=standing.reason, until=standing.until,
        digest=standing.digest, body=_body(advice),
    )  # fmt: skip


def _kept(row: RecommendationRow) -> KeptRecommendation:
    standing = Standing(
        state=RecommendationState(row.state), since=row.since, by=row.by, reason=row.reason, until=row.until,
        digest=row.digest,
    )  # fmt: skip
    return KeptRecommendation(advice=_advice(row.kind, row.body), standing=standing, seen_at=row.seen_at)


def _body(advice: Recommendation) -> dict[str, Any]:
    body = asdict(advice)
    del body["kind"]
    body["saving"] = {name: str(value) if isinstance(value, Decimal) else value
                      for name, value in body["saving"].items()}  # fmt: skip
    return body


def _advice(kind: str, body: dict[str, Any]) -> Recommendation:
    amounts = {name: Decimal(value) for name in ("monthly", "p10", "p50", "p90") if (value := body["saving"][name])}
    saving: dict[str, Any] = {**body["saving"], **amounts}
    lists = {name: tuple(body[name]) for name in ("conflicts", "together", "supersedes")}
    return Recommendation(
        kind=RecommendationKind(kind), target=Target(**body["target"]), saving=Saving(**saving),
        changes=tuple(Change(**one) for one in body["changes"]), patches=tuple(Patch(**one) for one in body["patches"]),
        freed=Freed(**body["freed"]), advice=body["advice"], risk=body["risk"], confidence=body["confidence"],
        evidence=tuple((name, value) for name, value in body["evidence"]), effort=body["effort"], undo=body["undo"],
        **lists,
    )  # fmt: skip


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
