"""`/api/v1/budgets` lists budgets, `…/{namespace}/{name}/explanation` says where one stands and what it does.

`…/approvals` takes somebody's yes to one exact patch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from app.budget_approvals import NotAnApproverError
from app.budget_loop import Budgets, NoSuchDeedError
from app.budget_views import BudgetExplanation, BudgetView, DeedView, deed_view, explained, listed
from app.envelope import ERROR_RESPONSES, Ok, Page, ok, page_of
from domain.clock import Clock
from rules import RuleSet
from rules.schema import Budget
from rules.wording import quote, suggestion


class ApprovalRequest(BaseModel):
    """A yes to one patch, by its digest."""

    model_config = ConfigDict(extra="forbid")

    threshold: Annotated[str, Field(max_length=63)]
    action: Annotated[str, Field(max_length=63)]
    digest: Annotated[str, Field(pattern="^[0-9a-f]{16}$", description="Of the patch that was read.")]
    by: Annotated[str | None, Field(min_length=1, max_length=253, description="Who says it; see approvers.")] = None


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

    return api


def _budget(running: RuleSet, key: str) -> Budget:
    found = running.budget(key)
    if found is None:
        raise HTTPException(404, f"no budget {quote(key)}{suggestion(key, [one.key for one in running.budgets])}")
    return found
