"""Scores of rules in shadow, one row for each rule."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from domain.shadow import ShadowScore, ShadowSide
from store.state.tables import ShadowRow


class ShadowScores:
    """What is known again after a restart."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def put(self, scores: Sequence[ShadowScore]) -> None:
        """Keep these, each in place of its rule's last."""
        for score in scores:
            self._session.merge(_row(score))
        self._session.flush()

    def all(self) -> list[ShadowScore]:
        """Every score, in order of the rules."""
        return [_score(row) for row in self._session.scalars(select(ShadowRow).order_by(ShadowRow.rule))]

    def forget_others(self, rules: Collection[str]) -> None:
        """Delete the scores of rules that are not in shadow any more."""
        gone = {rule for rule in self._session.scalars(select(ShadowRow.rule)) if rule not in rules}
        for rule in gone:
            self._session.execute(delete(ShadowRow).where(ShadowRow.rule == rule))


def _row(score: ShadowScore) -> ShadowRow:
    body: dict[str, Any] = {
        "replicas": score.replicas, "starting": [[at.isoformat(), count] for at, count in score.starting],
        "counted_seconds": score.counted_seconds, "judged_seconds": score.judged_seconds,
        "shadow": _side_json(score.shadow), "real": _side_json(score.real), "currency": score.currency,
    }  # fmt: skip
    return ShadowRow(rule=score.rule, digest=score.digest, since=score.since, at=score.at, body=body)


def _score(row: ShadowRow) -> ShadowScore:
    body = row.body
    return ShadowScore(
        rule=row.rule, digest=row.digest, since=row.since, at=row.at, replicas=body["replicas"],
        starting=tuple((datetime.fromisoformat(at), count) for at, count in body["starting"]),
        counted_seconds=body["counted_seconds"], judged_seconds=body["judged_seconds"],
        shadow=_side(body["shadow"]), real=_side(body["real"]), currency=body["currency"],
    )  # fmt: skip


def _side_json(side: ShadowSide) -> dict[str, Any]:
    return {**asdict(side), "cost": str(side.cost)}


def _side(body: dict[str, Any]) -> ShadowSide:
    return ShadowSide(**{**body, "cost": Decimal(body["cost"])})
