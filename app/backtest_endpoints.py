"""`/api/v1/rules/{namespace}/{name}/backtests` starts and lists them, `/api/v1/backtests/{id}` has the report,
`/api/v1/operations` shows how far the work is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from app.backtesting import incident, kept
from app.backtesting.assume import Options
from app.backtesting.recorded import DataError
from app.backtesting.running import RunningBacktests
from app.envelope import Ok, Page, ok, page_of
from app.operations import Operation, Operations, OperationState
from app.rule_digest import digest_of
from controller.simulate.verdict import Word
from domain.scaling import Decision
from rules import RuleSet
from rules.ruleset import source_key
from rules.schema import ScalingRule
from store.state import BacktestBrief, Backtests, DecisionLedger, State

PageNumber = Annotated[int, Query(ge=1, le=10_000, description="Counts from 1.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Items per page.")]
LONGEST_INCIDENT: Final = timedelta(days=1)
MOST_DECISIONS: Final = 6_000
Positive = Annotated[float, Field(gt=0, le=1e12)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestDoor:
    """What the endpoints ask."""

    running: RunningBacktests
    operations: Operations
    state: State
    rules: Callable[[], RuleSet]


class BacktestRequest(BaseModel):
    """What is to be replayed; everything may be left out."""

    model_config = ConfigDict(extra="forbid")

    since: datetime | None = Field(default=None, alias="from", description="Default: 14 days before `to`.")
    until: datetime | None = Field(default=None, alias="to", description="Default: now.")
    sweep: bool = Field(default=False, description="Variants around the rule, too.")
    capacity: Positive | None = Field(default=None, description="Load that a replica carries within the objective.")
    startup_seconds: tuple[Positive, Positive] | None = Field(
        default=None, description="Shortest and longest start-up."
    )
    metric_delay_seconds: Annotated[float, Field(ge=0, le=3600)] | None = None
    violated_minute: Positive | None = Field(default=None, description="Worth of a missed minute, in replica-minutes.")

    def options(self) -> Options:
        """As the replay takes them."""
        return Options(
            capacity=self.capacity, startup_seconds=self.startup_seconds,
            metric_delay_seconds=self.metric_delay_seconds, violated_minute=self.violated_minute,
        )  # fmt: skip


class OperationView(BaseModel):
    """Work that goes on, or has ended."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: str
    subject: str
    state: OperationState
    progress_ratio: float
    message: str
    created_at: datetime
    updated_at: datetime
    result: str = Field(description="Address of the result; empty before there is one.")


class DecidedView(BaseModel):
    """What was, or would be, decided."""

    desired_replicas: int | None
    reason: str
    message: str


class IncidentLineView(BaseModel):
    """One decision then, and the same with the rule of today."""

    at: datetime
    current_replicas: int | None
    then: DecidedView
    now: DecidedView


class IncidentView(BaseModel):
    """An interval of the ledger decided again; `lines` are those that differ."""

    rule: str
    decisions: int
    lines: list[IncidentLineView]
    test: str = Field(description="The same as a test for `foretide test`; empty where it was not asked for.")


class BacktestBriefView(BaseModel):
    """One backtest; `current` tells whether the rule still stands as it was replayed."""

    id: str
    rule: str
    at: datetime
    verdict: Word
    message: str
    current: bool


def router(door: BacktestDoor) -> APIRouter:
    """The routes; all but one only read."""
    api = APIRouter(tags=["backtests"])
    _add_backtests(api, door)
    _add_operations(api, door)
    _add_incidents(api, door)
    return api


def _add_incidents(api: APIRouter, door: BacktestDoor) -> None:
    @api.get("/rules/{namespace}/{name}/incident", operation_id="getIncident")
    def replayed_incident(
        namespace: str,
        name: str,
        since: Annotated[datetime, Query(alias="from", description="Start of the interval.")],
        until: Annotated[datetime, Query(alias="to", description="Its end, at most a day later.")],
        as_test: Annotated[bool, Query(description="Also as a test of the rule.")] = False,
    ) -> Ok[IncidentView]:
        """The decisions of an interval again, by the rule as it stands: what would be decided otherwise."""
        rule = _rule(door, namespace, name)
        start, end = _utc(since) or since, _utc(until) or until
        if not timedelta() < end - start <= LONGEST_INCIDENT:
            raise HTTPException(422, "from and to must lie up to a day apart")
        with door.state.transaction() as session:
            found, _ = DecisionLedger(session).page(rule=rule.key, since=start, until=end, limit=MOST_DECISIONS)
        if not found:
            raise HTTPException(404, f"the ledger has no decision of {rule.key} between from and to")
        return ok(_incident(door, rule, found[::-1], as_test=as_test))


def _incident(door: BacktestDoor, rule: ScalingRule, ledger: list[Decision], *, as_test: bool) -> IncidentView:
    requests = door.running.requests(rule)
    lines = [one for one in incident.replayed(rule, ledger, requests=requests) if one.differs]
    source = door.rules().sources.get(source_key(rule), "rules.yaml").rpartition(":")[0] or "rules.yaml"
    text = ""
    if as_test:
        text = kept.as_test(
            rule, ledger, door.rules(), requests=requests, rule_file=source,
            name=f"incident of {ledger[0].at:%Y-%m-%d %H:%M}",
        )  # fmt: skip
    return IncidentView(
        rule=rule.key, decisions=len(ledger), test=text,
        lines=[
            IncidentLineView(
                at=one.then.at, current_replicas=one.then.current_replicas, then=_decided(one.then),
                now=_decided(one.now),
            )
            for one in lines
        ],
    )  # fmt: skip


def _decided(one: Decision) -> DecidedView:
    return DecidedView(desired_replicas=one.desired_replicas, reason=one.reason.value, message=one.message)


def _add_backtests(api: APIRouter, door: BacktestDoor) -> None:
    @api.post("/rules/{namespace}/{name}/backtests", operation_id="startBacktest", status_code=202)
    def start(
        namespace: str, name: str, response: Response, request: BacktestRequest | None = None
    ) -> Ok[OperationView]:
        """Replay a running rule on what its triggers saw; the answer is the operation to watch."""
        asked = request or BacktestRequest()
        try:
            made = door.running.start(
                _rule(door, namespace, name), since=_utc(asked.since), until=_utc(asked.until), sweep=asked.sweep,
                options=asked.options(),
            )  # fmt: skip
        except DataError as error:
            raise HTTPException(422, str(error)) from error
        response.headers["Location"] = f"/api/v1/operations/{made.id}"
        return ok(_view(made))

    @api.get("/rules/{namespace}/{name}/backtests", operation_id="listBacktests")
    def backtests(namespace: str, name: str, page: PageNumber = 1, limit: Limit = 20) -> Page[BacktestBriefView]:
        """The backtests of a rule that are kept, newest first."""
        rule = _rule(door, namespace, name)
        with door.state.transaction() as session:
            found, total = Backtests(session).page(rule.key, limit=limit, offset=(page - 1) * limit)
        return page_of([_brief(one, digest_of(rule)) for one in found], page=page, limit=limit, total=total)

    @api.get("/backtests/{backtest_id}", operation_id="getBacktest")
    def backtest(backtest_id: str) -> Ok[dict[str, Any]]:
        """The whole report, as `foretide backtest -o json` writes it, with the series of its pictures."""
        with door.state.transaction() as session:
            found = Backtests(session).body(backtest_id)
        if found is None:
            raise HTTPException(404, f"no backtest {backtest_id}")
        return ok(found)


def _add_operations(api: APIRouter, door: BacktestDoor) -> None:
    @api.get("/operations", operation_id="listOperations")
    def operations(page: PageNumber = 1, limit: Limit = 20) -> Page[OperationView]:
        """Work of this process that goes on or has ended, newest first; the last hundred."""
        found = door.operations.all()
        shown = found[(page - 1) * limit : page * limit]
        return page_of([_view(one) for one in shown], page=page, limit=limit, total=len(found))

    @api.get("/operations/{operation_id}", operation_id="getOperation")
    def operation(operation_id: str) -> Ok[OperationView]:
        """One of them."""
        return ok(_view(_known(door.operations.get(operation_id), operation_id)))

    @api.delete("/operations/{operation_id}", operation_id="cancelOperation")
    def cancel(operation_id: str) -> Ok[OperationView]:
        """End it; what has ended stays as it is."""
        return ok(_view(_known(door.operations.cancel(operation_id), operation_id)))


def _rule(door: BacktestDoor, namespace: str, name: str) -> ScalingRule:
    key = f"{namespace}/{name}"
    found = next((one for one in door.rules().rules if one.key == key), None)
    if found is None:
        raise HTTPException(404, f"no running rule {key}")
    return found


def _known(operation: Operation | None, operation_id: str) -> Operation:
    if operation is None:
        raise HTTPException(404, f"no operation {operation_id}; they are forgotten at a restart")
    return operation


def _view(operation: Operation) -> OperationView:
    return OperationView.model_validate(operation)


def _brief(one: BacktestBrief, digest: str) -> BacktestBriefView:
    return BacktestBriefView(
        id=one.id, rule=one.rule, at=one.at, verdict=Word(one.verdict), message=one.message,
        current=one.digest == digest,
    )  # fmt: skip


def _utc(moment: datetime | None) -> datetime | None:
    """Without an offset it is UTC, as elsewhere in the API."""
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
