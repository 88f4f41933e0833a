"""Backtests that were made: of which rule, as it stood then, with which verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from store.state.tables import BacktestRow

KEPT: Final = 20
"""Of each rule; a report with its pictures is some 150 KB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestBrief:
    """One backtest without its figures; ``digest`` is that of the rule as it was replayed."""

    id: str
    rule: str
    digest: str
    at: datetime
    verdict: str
    message: str


class Backtests:
    """The newest backtests of each rule."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def add(self, brief: BacktestBrief, body: Mapping[str, Any]) -> None:
        """One more; the oldest of the rule beyond ``KEPT`` go."""
        self._session.add(
            BacktestRow(
                id=brief.id, rule=brief.rule, digest=brief.digest, at=brief.at, verdict=brief.verdict,
                message=brief.message, body=dict(body),
            )
        )  # fmt: skip
        self._session.flush()
        newest = select(BacktestRow.id).where(BacktestRow.rule == brief.rule)
        keep = self._session.scalars(newest.order_by(BacktestRow.at.desc(), BacktestRow.id).limit(KEPT)).all()
        self._session.execute(delete(BacktestRow).where(BacktestRow.rule == brief.rule, BacktestRow.id.not_in(keep)))

    def body(self, backtest_id: str) -> dict[str, Any] | None:
        """The whole report; None where it is not kept."""
        return self._session.scalar(select(BacktestRow.body).where(BacktestRow.id == backtest_id))

    def page(self, rule: str, *, limit: int, offset: int = 0) -> tuple[list[BacktestBrief], int]:
        """Those of a rule, newest first, and how many there are."""
        total = self._session.scalar(select(func.count()).where(BacktestRow.rule == rule)) or 0
        rows = self._session.execute(
            select(*_BRIEF).where(BacktestRow.rule == rule).order_by(BacktestRow.at.desc(), BacktestRow.id)
            .limit(limit).offset(offset)
        )  # fmt: skip
        return [_brief(row) for row in rows], total

    def newest(self) -> list[BacktestBrief]:
        """Of each rule and digest the newest."""
        found: dict[tuple[str, str], BacktestBrief] = {}
        for row in self._session.execute(select(*_BRIEF).order_by(BacktestRow.at, BacktestRow.id)):
            one = _brief(row)
            found[one.rule, one.digest] = one
        return list(found.values())


_BRIEF: Final = (
    BacktestRow.id, BacktestRow.rule, BacktestRow.digest, BacktestRow.at, BacktestRow.verdict, BacktestRow.message,
)  # fmt: skip


def _brief(row: Any) -> BacktestBrief:
    return BacktestBrief(id=row[0], rule=row[1], digest=row[2], at=row[3], verdict=row[4], message=row[5])
