"""Forecasts that were served, newest first, kept for a while so that they can be held against what came."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from domain.forecasts import Forecast, ForecastMemory
from store.state.records import forecast_of, forecast_row
from store.state.tables import ForecastMemoryRow, ForecastRow

LATEST_KEPT: Final = timedelta(days=7)


class ForecastShelf:
    """The forecasts of all signals."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def put(self, forecast: Forecast) -> None:
        """Add one; it is the signal's latest from now on."""
        self._session.add(forecast_row(forecast))
        self._session.flush()

    def latest(self, signal: str) -> Forecast | None:
        """The newest forecast of a signal, or None."""
        newest = select(ForecastRow).where(ForecastRow.signal == signal).order_by(ForecastRow.made_at.desc()).limit(1)
        row = self._session.scalars(newest).first()
        return None if row is None else forecast_of(row)

    def page(self, *, limit: int, offset: int = 0, of: str | None = None) -> tuple[list[Forecast], int]:
        """The newest forecast of each signal, by signal, and how many signals there are.

        ``of`` leaves those of one trigger (``namespace/rule/trigger``) or of one document (``namespace/document``).
        """
        series = ForecastRow.signal.startswith(f"{of}{{", autoescape=True)
        mine = () if of is None else (or_(ForecastRow.signal == of, series),)
        newest = select(func.max(ForecastRow.id)).where(*mine).group_by(ForecastRow.signal)
        rows = self._session.scalars(
            select(ForecastRow)
            .where(ForecastRow.id.in_(newest))
            .order_by(ForecastRow.signal)
            .limit(limit)
            .offset(offset)
        )
        total = self._session.scalar(select(func.count(func.distinct(ForecastRow.signal))).where(*mine)) or 0
        return [forecast_of(row) for row in rows], total

    def made_before(self, signal: str, instant: datetime) -> Forecast | None:
        """The newest forecast of a signal that was made at or before ``instant``."""
        wanted = (ForecastRow.signal == signal, ForecastRow.made_at <= instant)
        row = self._session.scalars(select(ForecastRow).where(*wanted).order_by(ForecastRow.made_at.desc())).first()
        return None if row is None else forecast_of(row)

    def forget_before(self, instant: datetime) -> None:
        """Delete forecasts older than the retention; each signal's latest is kept a week longer.

        Series of documents come and go: what nobody has forecast for a week is not asked for any more.
        """
        newest = select(func.max(ForecastRow.id)).group_by(ForecastRow.signal).scalar_subquery()
        ended = ForecastRow.made_at < instant - LATEST_KEPT
        self._session.execute(
            delete(ForecastRow).where(ForecastRow.made_at < instant, ForecastRow.id.not_in(newest) | ended),
            execution_options={"synchronize_session": False},
        )


class ForecastMemories:
    """What the forecaster wants to know again after a restart; a signal has one memory or none."""

    def __init__(self, session: Session) -> None:
        """Work inside ``session``; the caller commits."""
        self._session = session

    def put(self, memory: ForecastMemory) -> None:
        """Keep one in place of the signal's last."""
        self._session.merge(
            ForecastMemoryRow(
                signal=memory.signal, plan=memory.plan, saved_at=memory.saved_at, body=dict(memory.body)
            )
        )  # fmt: skip
        self._session.flush()

    def of(self, signal: str) -> ForecastMemory | None:
        """The signal's, or None."""
        row = self._session.get(ForecastMemoryRow, signal)
        if row is None:
            return None
        return ForecastMemory(signal=row.signal, plan=row.plan, saved_at=row.saved_at, body=row.body)

    def forget_before(self, instant: datetime) -> None:
        """Delete those that nobody has written since."""
        self._session.execute(
            delete(ForecastMemoryRow).where(ForecastMemoryRow.saved_at < instant),
            execution_options={"synchronize_session": False},
        )
