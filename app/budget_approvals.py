"""Who may say yes to an action of a budget: the names of its ``approvers``, and as many different ones as it needs."""

from __future__ import annotations

from typing import Final

from domain.errors import ForetideError
from rules.schema import BudgetAction

NAMELESS: Final = ("local", "token")
"""What the API calls whoever asks: it knows one token, so that a name is what somebody says it is."""


class NotAnApproverError(ForetideError):
    """This name may not say yes, or none was given where one is needed."""


def name_of(action: BudgetAction | None, stated: str | None, *, actor: str) -> str:
    """Whose yes it is.

    Args:
        action: As the document has it now; None where it has none of that name any more.
        stated: Who it is by their own word.
        actor: Whom the API knows it to be.

    Raises:
        NotAnApproverError: It must not be theirs.
    """
    known = actor not in NAMELESS
    if known and stated not in (None, actor):
        raise NotAnApproverError(f"you are {actor}, and cannot say yes as {stated}")
    name = actor if known else stated
    allowed = () if action is None else action.approvers
    if name is None and action is not None and (allowed or action.approvals > 1):
        raise NotAnApproverError('say who you are: this action needs a name, as in "by": "ada"')
    if allowed and name not in allowed:
        raise NotAnApproverError(f"{name} is no approver of it; {', '.join(allowed)} are")
    return name or actor
