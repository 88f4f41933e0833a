"""`/api/v1/budgets` lists budgets, `…/{namespace}/{name}/explanation` says where one stands and what it does.

`…/approvals` takes somebody's yes to one exact patch, `…/wake` wakes what sleeps by the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from app.budget_approvals import NotAnApproverError
from app.budget_loop import Budgets, NoSuchDeedError
from app.budget_views import BudgetExplanation, BudgetView, DeedView, deed_view, explained, listed
from app.envelope import ERROR_RESPONSES, Ok, Page, ok, page_of
from domain.clock import Clock
from rules import RuleSet
from rules.schema import Budget
from rules.wording import quote, suggestion

LONGEST_AWAKE: Final = timedelta(days=7)


class ApprovalRequest(BaseModel):
    """A yes to one patch, by its digest."""

    model_config = ConfigDict(extra="forbid")

    threshold: Annotated[str, Field(max_length=63)]
    action: Annotated[str, Field(max_length=63)]
    digest: Annotated[str, Field(pattern="^[0-9a-f]{16}$", description="Of the patch that was read.")]
    by: Annotated[str | None, Field(min_length=1, max_length=253, description="Who says it; see approvers.")] = None


class WakeRequest(BaseModel):
    """Until when what sleeps by the clock is to be awake."""

    model_config = ConfigDict(extra="forbid")

    until: Annotated[AwareDatetime, Field(description="With an offset; later than now, by a week at most.")]


def router(budgets: Budgets, rules: Callable[[], RuleSet], clock: Clock) -> APIRouter:
    """The routes of budgets."""
    api = APIRouter(responses=ERROR_RESPONSES)

    @api.get("/budgets", operation_id="listBudgets")
    def budget_list(
        page: Annotated[int, Query(ge=1, le=10_000, description="Counts from 1.")] = 1,
        limit: Annotated[int, Query(ge=1, le=200, description="Items per page.")] = 20,
    ) -> Page[BudgetView]:
        """Every budget: what is spent of it, and where the present rate leads."""
        every, now = rules().budgets, clock.now()
        views = []
        for budget in every[(page - 1) * limit : page * limit]:
            seen = budgets.look(budget, now)
            views.append(listed(budget, seen, budgets.held(budget.key).standings, now))
        return page_of(views, page=page, limit=limit, total=len(every))

    @api.get("/budgets/{namespace}/{name}/explanation", operation_id="explainBudget")
    def explanation(namespace: str, name: str) -> Ok[BudgetExplanation]:
        """Where a budget stands, what it does or would do, what that waits for, and how it is undone."""
        budget, now = _budget(rules(), f"{namespace}/{name}"), clock.now()
        seen = budgets.look(budget, now, forecast=True)
        return ok(explained(budget, seen, budgets.held(budget.key).standings, now))

    @api.post("/budgets/{namespace}/{name}/approvals", operation_id="approveBudgetAction", status_code=202)
    def approve(namespace: str, name: str, body: ApprovalRequest, request: Request) -> Ok[DeedView]:
        """Say yes to exactly the patch with this digest; 409 where it is another by now, or nothing waits."""
        budget = _budget(rules(), f"{namespace}/{name}")
        try:
            deed = budgets.approve(
                budget.key,
                body.threshold,
                body.action,
                digest=body.digest,
                actor=request.state.actor,
                by=body.by,
                now=clock.now(),
            )
        except NoSuchDeedError as error:
            raise HTTPException(404, str(error)) from error
        except NotAnApproverError as error:
            raise HTTPException(403, str(error)) from error
        except ValueError as error:
            raise HTTPException(409, str(error)) from error
        return ok(deed_view(body.action, deed, budget.spec.currency))

    @api.post("/budgets/{namespace}/{name}/wake", operation_id="wakeBudgetSleepers", status_code=202)
    def wake(namespace: str, name: str, body: WakeRequest, request: Request) -> Ok[list[DeedView]]:
        """Wake what the budget lets sleep by the clock, within a minute; it sleeps again after ``until``."""
        budget, now = _budget(rules(), f"{namespace}/{name}"), clock.now()
        if not now < body.until <= now + LONGEST_AWAKE:  # before UTC: the year 9999 of some zones is none of it
            raise HTTPException(422, f"until {body.until.isoformat()}: expected later than now, by a week at most")
        until = body.until.astimezone(UTC)
        try:
            woken = budgets.wake(budget.key, until=until, by=request.state.actor, now=now)
        except NoSuchDeedError as error:
            raise HTTPException(409, str(error)) from error
        return ok([deed_view(deed.id.rpartition("/")[2], deed, budget.spec.currency) for deed in woken])

    return api


def _budget(running: RuleSet, key: str) -> Budget:
    found = running.budget(key)
    if found is None:
        raise HTTPException(404, f"no budget {quote(key)}{suggestion(key, [one.key for one in running.budgets])}")
    return found
