"""What Foretide writes into a document's status in the cluster: conditions, and a rule's last decision with its why.

The decision is written when what it says has changed, not at each tick: the number, its reason, what limits it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field, WithJsonSchema

from rules.amounts import WholeNumber
from rules.document import Strict
from rules.fields import Text

_Time = Annotated[datetime, WithJsonSchema({"type": "string", "format": "date-time"}, mode="validation")]
LONGEST_MESSAGE: Final = 2048
_LongText = Annotated[Text, Field(max_length=LONGEST_MESSAGE)]
_Word = Annotated[Text, Field(max_length=253)]


class Condition(Strict):
    """Kubernetes' Condition."""

    type: _Word = Field(description="Ready; of a rule also Limited and DryRun.")
    status: Literal["True", "False", "Unknown"] = Field(description="Unknown where nobody can tell.")
    observed_generation: WholeNumber | None = Field(default=None, description="Of the document that this is about.")
    last_transition_time: _Time = Field(description="When status last changed.")
    reason: _Word = Field(description="One word for it.")
    message: _LongText = Field(default="", description="One sentence.")


class StageTold(Strict):
    """One stage of the decision."""

    stage: _Word = Field(description="triggers, combine, forecast, schedule, budget, behavior, bounds and so on.")
    replicas: WholeNumber | None = Field(default=None, description="The number after it.")
    message: _LongText = Field(default="", description="Why.")


class BoundsTold(Strict):
    """What an HPA's bounds are, or would be, set to."""

    min: WholeNumber | None = Field(default=None, description="minReplicas.")
    max: WholeNumber | None = Field(default=None, description="maxReplicas.")


class DecisionTold(Strict):
    """The last decision that said anything new."""

    time: _Time = Field(description="When it was made.")
    current_replicas: WholeNumber | None = Field(default=None, description="What ran.")
    desired_replicas: WholeNumber | None = Field(default=None, description="What should run.")
    outcome: _Word = Field(description="scale_up, scale_down or hold.")
    reason: _Word = Field(description="The one word for it; see docs/decisions-explained.md.")
    message: _LongText = Field(default="", description="The sentence.")
    limited_by: tuple[_Word, ...] = Field(default=(), description="Stages that moved the number, in order.")
    bounds: BoundsTold | None = Field(default=None, description="With actuate bounds: the bounds that it comes to.")
    trace: tuple[StageTold, ...] = Field(default=(), description="Each stage with the number after it.")


class WouldBe(Strict):
    """The number without Foretide, from the same metrics."""

    hpa_only: WholeNumber | None = Field(default=None, description="What Kubernetes' HPA alone would set from here.")
    with_forecast: WholeNumber | None = Field(default=None, description="With combine, fallback and forecast only.")


class Status(Strict):
    """What holds for a document."""

    observed_generation: WholeNumber | None = Field(default=None, description="Generation that the status is about.")
    conditions: tuple[Condition, ...] = Field(default=(), description="One for each type.")


class RuleStatus(Status):
    """What holds for a rule, and what it last decided."""

    decision: DecisionTold | None = Field(default=None, description="The last decision that said anything new.")
    would_be: WouldBe | None = Field(default=None, description="The counterfactual beside it.")


class PolicyStatus(Status):
    """What holds for a policy, and for how many workloads."""

    matched: WholeNumber | None = Field(default=None, description="Workloads that a rule came out for.")
    left_out: WholeNumber | None = Field(default=None, description="Workloads selected that no rule came out for.")


class SpendToldAhead(Strict):
    """What will have been spent when the period ends."""

    p10: _Word = Field(description="Amount.")
    p50: _Word = Field(description="Amount.")
    p90: _Word = Field(description="Amount.")
    prob_over: float = Field(description="That it ends above the limit, 0 to 1.")
    method: _Word = Field(description="sampled-paths.")
    fitted_at: _Time = Field(description="When.")
    backtest_coverage80: float | None = Field(
        default=None, alias="backtestCoverage80", description="Share of the back-test's sums inside the 80 % interval."
    )


class ExhaustsAt(Strict):
    """When the limit is used up; missing where that is not before the period ends."""

    p50: _Time | None = Field(default=None, description="By then one path in two has used it up.")
    p90: _Time | None = Field(default=None, description="On the dear paths: by then one in ten has used it up.")


class Stands(Strict):
    """One threshold, or one action of a threshold."""

    id: _Word = Field(description="The threshold, or threshold/action.")
    state: _Word = Field(description="Of a threshold Ok, Pending or Firing; of an action see docs/budgets.md.")
    reason: _LongText = Field(default="", description="Why; as of the last write.")


class BudgetStatus(Status):
    """What holds for a budget; its numbers are brought up to date once an hour."""

    period: _Word | None = Field(default=None, description="First day of the period.")
    spent: _Word | None = Field(default=None, description="Amount so far.")
    limit: _Word | None = Field(default=None, description="Amount of this period.")
    currency: _Word | None = Field(default=None, description="ISO 4217.")
    counted_at: _Time | None = Field(default=None, description="When spent was counted.")
    forecast: SpendToldAhead | None = Field(default=None, description="Where a threshold or an action asks for one.")
    exhausts_at: ExhaustsAt | None = Field(default=None, description="When the limit is used up.")
    thresholds: tuple[Stands, ...] = Field(default=(), description="Each with its state.")
    actions: tuple[Stands, ...] = Field(default=(), description="Each with its state.")


STATUSES: dict[str, type[Status]] = {"ScalingRule": RuleStatus, "ScalingPolicy": PolicyStatus, "Budget": BudgetStatus}
"""By kind; a kind that is not here has conditions only."""
