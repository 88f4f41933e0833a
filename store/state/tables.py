"""The tables, the same on SQLite and PostgreSQL. Money is text, never float; instants are aware UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Index, MetaData, String, Text, TypeDecorator, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite keeps no zone, so it is taken off on the way in and put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive instants: nobody knows what they mean."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}")
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware again."""
        return (
            value if value is None else (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))
        )


_CHANGED = text("outcome <> 'hold'")


class Base(DeclarativeBase):
    """Declarative base; constraints get names, so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"},
    )


class DocumentRow(Base):
    """One content of one operator's document that was running at some time."""

    __tablename__ = "document"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(320), index=True)
    source: Mapped[str] = mapped_column(Text)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class DecisionRow(Base):
    """One decision; append-only. The columns are what charts and lists read, ``detail`` is the whole why."""

    __tablename__ = "decision"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    rule: Mapped[str] = mapped_column(String(320))
    target_kind: Mapped[str] = mapped_column(String(64))
    target_namespace: Mapped[str] = mapped_column(String(128))
    target_name: Mapped[str] = mapped_column(String(256))
    mode: Mapped[str] = mapped_column(String(16))
    current_replicas: Mapped[int | None]
    ready_replicas: Mapped[int | None]
    desired_replicas: Mapped[int | None]
    outcome: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(64))
    message: Mapped[str] = mapped_column(Text)
    cost_per_hour: Mapped[str | None] = mapped_column(String(64))
    currency: Mapped[str | None] = mapped_column(String(3))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
    __table_args__ = (
        Index(None, "rule", "at"),
        Index(None, "at"),
        # Pages ask for the newest change and list changes only: without it they read every hold, 90 ms after 30 days.
        Index("ix_decision_changes", "rule", "at", sqlite_where=_CHANGED, postgresql_where=_CHANGED),
    )


class ActionRow(Base):
    """What was done to a cluster because of a decision; append-only."""

    __tablename__ = "action"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    decision_id: Mapped[str] = mapped_column(String(36), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    actor: Mapped[str] = mapped_column(String(64))
    cluster: Mapped[str] = mapped_column(String(64))
    target: Mapped[str] = mapped_column(Text)
    from_replicas: Mapped[int]
    to_replicas: Mapped[int]
    result: Mapped[str] = mapped_column(String(16))
    error: Mapped[str] = mapped_column(Text)


class ForecastRow(Base):
    """One forecast of one signal; arrays are JSON lists, steps first."""

    __tablename__ = "forecast"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    signal: Mapped[str] = mapped_column(String(400))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    cutoff: Mapped[datetime] = mapped_column(UtcDateTime)
    model: Mapped[str] = mapped_column(String(64))
    backtest_wape: Mapped[float | None]
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    __table_args__ = (Index(None, "signal", "made_at"), Index(None, "made_at"))


class ForecastMemoryRow(Base):
    """What the forecaster wants to know again after a restart, one row for each signal."""

    __tablename__ = "forecast_memory"
    signal: Mapped[str] = mapped_column(String(400), primary_key=True)
    plan: Mapped[str] = mapped_column(String(64))
    saved_at: Mapped[datetime] = mapped_column(UtcDateTime)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class BacktestRow(Base):
    """One backtest of a rule, of which ``digest`` tells how it stood; ``body`` is the whole report."""

    __tablename__ = "backtests"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    rule: Mapped[str] = mapped_column(String(320))
    digest: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    verdict: Mapped[str] = mapped_column(String(16))
    message: Mapped[str] = mapped_column(Text)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    __table_args__ = (Index(None, "rule", "at"),)


class ShadowRow(Base):
    """The score of a rule in shadow."""

    __tablename__ = "shadow"
    rule: Mapped[str] = mapped_column(String(320), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class CapacityRow(Base):
    """What one replica of a workload carries, as far as a trigger learned it."""

    __tablename__ = "capacity"
    rule: Mapped[str] = mapped_column(String(320), primary_key=True)
    trigger: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(String(256))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class BudgetRow(Base):
    """Where one threshold of a budget stands, with what it does: alert, deeds and their undo."""

    __tablename__ = "budget"
    budget: Mapped[str] = mapped_column(String(320), primary_key=True)
    threshold: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class BudgetTotalRow(Base):
    """What a budget's period had cost by an instant: decisions and hours of before that may be gone."""

    __tablename__ = "budget_total"
    budget: Mapped[str] = mapped_column(String(320), primary_key=True)
    period: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    counted: Mapped[str] = mapped_column(String(16))
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    amount: Mapped[str] = mapped_column(String(64))


class RecommendationRow(Base):
    """One piece of advice about money as it was last computed, or as it was applied, and where it stands."""

    __tablename__ = "recommendation"
    id: Mapped[str] = mapped_column(String(12), primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))
    target: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), index=True)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    by: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    digest: Mapped[str] = mapped_column(String(16))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class CostHourRow(Base):
    """What one hour cost; ``body`` is compressed JSON, amounts as text by workload."""

    __tablename__ = "cost_hour"
    start: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    currency: Mapped[str] = mapped_column(String(3))
    seen: Mapped[float]
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    body: Mapped[bytes]


class ResizingRow(Base):
    """An accepted right-sizing on its way, or done: the exact patch, and where it stands."""

    __tablename__ = "resizing"
    id: Mapped[str] = mapped_column(String(12), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    over: Mapped[bool] = mapped_column(index=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class VerdictRow(Base):
    """What an applied change was measured to save; money in a month, as text."""

    __tablename__ = "verdict"
    id: Mapped[str] = mapped_column(String(12), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    method: Mapped[str] = mapped_column(String(32))
    days: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    saving: Mapped[str] = mapped_column(String(64))
    p10: Mapped[str] = mapped_column(String(64))
    p90: Mapped[str] = mapped_column(String(64))
    promised: Mapped[str] = mapped_column(String(64))


class NotificationLogRow(Base):
    """The last telling of a group to a receiver: fingerprints of what fired and of what was over."""

    __tablename__ = "notification_log"
    receiver: Mapped[str] = mapped_column(String(253), primary_key=True)
    group_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    group_key: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    firing: Mapped[list[str]] = mapped_column(JSON)
    resolved: Mapped[list[str]] = mapped_column(JSON)


class SilenceRow(Base):
    """Quiet about what passes all matchers, with who asked for it and why."""

    __tablename__ = "silence"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    matchers: Mapped[list[str]] = mapped_column(JSON)
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    created_by: Mapped[str] = mapped_column(String(64))
    comment: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class DeliveryRow(Base):
    """One message to one receiver: the outbox while it is ``pending``, the log afterwards."""

    __tablename__ = "delivery"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    receiver: Mapped[str] = mapped_column(String(320))
    group_key: Mapped[str] = mapped_column(Text)
    group_hash: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(12))
    resolved: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int]
    failing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[str] = mapped_column(Text)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    __table_args__ = (Index(None, "status", "receiver", "group_hash", "number"),)


class DisabledReceiverRow(Base):
    """A receiver that said it is gone for good; ``digest`` is of its document then, an edit enables it again."""

    __tablename__ = "disabled_receiver"
    receiver: Mapped[str] = mapped_column(String(320), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(Text)


class AuditRow(Base):
    """Who did what to which object; append-only."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    actor: Mapped[str] = mapped_column(String(64))
    verb: Mapped[str] = mapped_column(String(64))
    object: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
