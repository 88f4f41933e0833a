"""`GET /api/v1/cost/forecast`: where cost is heading, by any grouping; 202 while it is being made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException

from app.cost_endpoints import Amount, conditions
from app.cost_outlook import ASKED, CostOutlooks, GroupOutlook, Outlook, Question, money
from app.cost_past import HOUR
from app.envelope import ERROR_RESPONSES, Ok, ok
from app.written_times import usable
from cost.allocation.ledger import exact_sum
from cost.allocation.subject import dimensions
from cost.periods import around
from domain.clock import Clock
from rules.schema import Period

PERIODS: Final = ("day", "week", "month", "quarter")
METHOD: Final = "sampled-paths"
RUN_RATE: Final = "run-rate"


class QuantilesView(BaseModel):
    """Of the period's end; the mean is the one that adds up over groups."""

    p10: Amount
    p50: Amount
    p90: Amount
    mean: Amount


class GroupForecastView(BaseModel):
    """One group, or the total."""

    key: dict[str, str]
    spent: Amount = Field(description="Seen so far in the period.")
    hourly: Amount = Field(description="In the last day, per hour.")
    run_rate: Amount = Field(description="Spent, and the rest of the period as the last day was: no forecast.")
    end: QuantilesView | None = Field(description="Null where history is too short; `why` says so.")


class LimitView(BaseModel):
    """When the total passes an amount: by when in 10, 50 and 90 % of the paths, null where not within the period."""

    amount: Amount
    already: bool
    probability: float | None = Field(description="That it is passed by the period's end (ratio).")
    exhausted_p10: datetime | None
    exhausted_p50: datetime | None
    exhausted_p90: datetime | None


class CostForecastView(BaseModel):
    """Groups add up to the total, path by path and in their means; quantiles do not add up."""

    state: Literal["ready"] = "ready"
    by: list[str]
    start: datetime
    end: datetime
    as_of: datetime | None = Field(description="End of the newest known hour: what comes after it is forecast.")
    made_at: datetime
    currency: str | None
    method: Literal["sampled-paths", "run-rate", "none"]
    why: str = Field(description="Why there is no distribution; empty where there is one.")
    history_start: datetime | None
    history_hours: int
    total: GroupForecastView | None
    groups: list[GroupForecastView]
    limit: LimitView | None
    backtest_coverage80: float | None = Field(description="Of sums of `backtest_hours`, within the 80 % band.")
    backtest_hours: int
    notes: list[str]


class PendingView(BaseModel):
    """It is being made; ask the same again in a second."""

    state: Literal["pending"] = "pending"
    message: str


def router(outlooks: CostOutlooks, clock: Clock) -> APIRouter:
    """The one route."""
    api = APIRouter(prefix="/cost", responses=ERROR_RESPONSES)

    @api.get("/forecast", operation_id="getCostForecast", responses={202: {"model": Ok[PendingView]}},
             response_model=Ok[CostForecastView])  # fmt: skip
    def forecast(
        by: Annotated[str, Query(description="Dimensions but pod, container, node.")] = "namespace",
        only: Annotated[str, Query(alias="filter", description="dimension:eq|ne|in:value, comma is AND.")] = "",
        until: Annotated[
            str, Query(max_length=40, description="day-end, week-end, month-end, quarter-end, or an instant.")
        ] = "month-end",
        timezone: Annotated[str, Query(max_length=64, description="Of the period (IANA).")] = "UTC",
        limit: Annotated[Decimal | None, Query(gt=0, description="When does the total pass this amount?")] = None,
    ) -> Ok[CostForecastView] | JSONResponse:
        """What a period comes to, by group, and when an amount is passed."""
        now = clock.now()
        try:
            start, end = period_of(until, timezone, now)
            question = Question(by=dimensions(by.split(",")), only=conditions(only), start=start, end=end)
            found = outlooks.of(question, now)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        if found is None:
            pending = ok(PendingView(message="the forecast is being made; ask again in a second"))
            return JSONResponse(pending.model_dump(mode="json"), 202, headers={"Retry-After": "1"})
        return ok(view(found, limit))

    return api


def period_of(until: str, timezone: str, now: datetime) -> tuple[datetime, datetime]:
    """Start and end; an instant's period begins with the hour that has begun. ``ValueError`` with a sentence."""
    every = until.removesuffix("-end")
    if until.endswith("-end") and every in PERIODS:
        try:
            span = around(Period.model_validate({"every": every, "timezone": timezone}), now)
        except ValidationError as error:
            raise ValueError(f"timezone={timezone}: expected a name like Europe/Paris") from error
        return span.start, span.end
    try:
        end = datetime.fromisoformat(until)
    except ValueError:
        named = ", ".join(f"{one}-end" for one in PERIODS)
        raise ValueError(f"until={until}: expected {named}, or a time such as 2026-12-24T00:00:00Z") from None
    if usable("until", end) <= now:
        raise ValueError(f"until={until}: expected a time to come")
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0), end.astimezone(UTC)


def view(found: Outlook, limit: Decimal | None) -> CostForecastView:
    """The answer."""
    past, asked = found.past, found.question
    method: Literal["sampled-paths", "run-rate", "none"] = (
        "none" if past is None else "run-rate" if found.why else METHOD
    )
    return CostForecastView(
        by=list(asked.by), start=asked.start, end=asked.end, made_at=found.made_at, method=method, why=found.why,
        as_of=None if past is None else past.cutoff, currency=None if past is None else past.currency,
        history_start=None if past is None else past.start, history_hours=0 if past is None else past.hours,
        total=None if found.total is None else _group(found.total, found),
        groups=[_group(one, found) for one in found.groups], limit=None if limit is None else _limit(found, limit),
        backtest_coverage80=found.judged, backtest_hours=found.judged_hours, notes=list(found.notes),
    )  # fmt: skip


def _group(one: GroupOutlook, found: Outlook) -> GroupForecastView:
    cutoff = found.question.start if found.past is None else found.past.cutoff
    hours = max((found.question.end - max(cutoff, found.question.start)) / HOUR, 0.0)
    return GroupForecastView(
        key=_key(one.key, found.question.by), spent=one.spent, hourly=money(one.hourly),
        run_rate=exact_sum((one.spent, money(one.hourly * hours))), end=_end(one),
    )  # fmt: skip


def _key(key: Sequence[str], by: Sequence[str]) -> dict[str, str]:
    """Values by dimension; idle, lines and the rest have one value, under the first."""
    return dict(zip(by or ["all"], key, strict=False))


def _end(one: GroupOutlook) -> QuantilesView | None:
    p10, p50, p90 = (one.at(level) for level in ASKED)
    mean = one.mean_rest
    if p10 is None or p50 is None or p90 is None or mean is None:
        return None
    return QuantilesView(p10=p10, p50=p50, p90=p90, mean=exact_sum((one.spent, mean)))


def _limit(found: Outlook, limit: Decimal) -> LimitView:
    over = found.total is not None and found.total.spent >= limit
    reached = found.reached(limit)
    if over or reached is None:
        dates: dict[float, datetime | None] = dict.fromkeys(ASKED)
        return _limit_view(limit, over, 1.0 if over else None, dates)
    return _limit_view(limit, False, reached.probability, dict(reached.dates))


def _limit_view(
    limit: Decimal, already: bool, probability: float | None, dates: dict[float, datetime | None]
) -> LimitView:
    p10, p50, p90 = (dates[level] for level in ASKED)
    return LimitView(
        amount=limit, already=already, probability=probability, exhausted_p10=p10, exhausted_p50=p50, exhausted_p90=p90
    )
