"""`GET /api/v1/rules/{namespace}/{name}/explanation`: the decision in force at a time, told from signal to number."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from app.envelope import ERROR_RESPONSES, Ok, ok
from app.explain import Known, told
from app.shadow_view import sentence
from app.views import DecisionView
from dashboard.wording import stamp
from domain.clock import Clock
from domain.shadow import ShadowScore
from rules import RuleSet
from rules.wording import nearest, quote
from store.state import DecisionLedger, State


class StageView(BaseModel):
    """One stage that the number went through."""

    model_config = ConfigDict(from_attributes=True)
    stage: str
    replicas: int | None
    message: str
    moved: bool


class ExplanationOfDecision(BaseModel):
    """A decision in words, and the decision."""

    model_config = ConfigDict(from_attributes=True)
    rule: str
    asked_at: datetime
    decided_at: datetime
    in_force_until: datetime | None
    headline: str
    signals: list[str]
    stages: list[StageView]
    quiet: list[str]
    otherwise: list[str]
    price: str
    done: list[str]
    page: str
    shadow: str | None
    decision: DecisionView


def router(
    state: State, rules: Callable[[], RuleSet], shadow: Callable[[str], ShadowScore | None], clock: Clock
) -> APIRouter:
    """The one route."""
    api = APIRouter(responses=ERROR_RESPONSES)

    @api.get("/rules/{namespace}/{name}/explanation", operation_id="explainRule")
    def explanation(
        namespace: str,
        name: str,
        at: Annotated[datetime | None, Query(description="Default now; without an offset it is refused.")] = None,
    ) -> Ok[ExplanationOfDecision]:
        """The decision of a rule that was in force at a time: what each signal asked for, what moved the number."""
        if at is not None and at.tzinfo is None:
            raise HTTPException(422, f"at={at.isoformat()} has no offset; write for example 2026-11-21T12:00:00Z")
        known = _known(state, f"{namespace}/{name}", at or clock.now(), rules())
        return ok(_view(known, shadow(known.decision.rule)))

    return api


def _known(state: State, rule: str, at: datetime, running: RuleSet) -> Known:
    with state.transaction() as session:
        ledger = DecisionLedger(session)
        decision = ledger.latest(rule, until=at)
        if decision is None:
            raise HTTPException(404, _nothing(rule, at, ledger.after(rule, at), running))
        return Known(
            at=at, decision=decision, until=ledger.after(rule, decision.at),
            changed=ledger.latest(rule, until=at, changes_only=True), action=ledger.action_of(decision.id),
        )  # fmt: skip


def _nothing(rule: str, at: datetime, first: datetime | None, running: RuleSet) -> str:
    if first is not None:
        return f"no decision of {rule} is kept from before {stamp(at)}; the first one is of {stamp(first)}"
    keys = [one.key for one in running.rules]
    if rule in keys:
        return f"{rule} has not been decided yet"
    return f"no rule {quote(rule)}{_hint(rule, keys)}"


def _hint(rule: str, keys: list[str]) -> str:
    """The rule of that name, or nearly that name, wherever it lives."""
    by_name = {key.partition("/")[2]: key for key in reversed(keys)}
    meant = nearest(rule.partition("/")[2], by_name)
    return f'; did you mean "{by_name[meant]}"?' if meant else ""


def _view(known: Known, shadow: ShadowScore | None) -> ExplanationOfDecision:
    words = told(known)
    return ExplanationOfDecision(
        rule=known.decision.rule, asked_at=known.at, decided_at=known.decision.at, in_force_until=known.until,
        headline=words.headline, signals=list(words.signals),
        stages=[StageView.model_validate(one) for one in words.stages], quiet=list(words.quiet),
        otherwise=list(words.otherwise), price=words.price, done=list(words.done), page=words.page,
        shadow=sentence(shadow) or None,
        decision=DecisionView.model_validate(known.decision),
    )  # fmt: skip
