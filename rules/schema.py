"""Every kind of document, and the models that other rooms ask for.

Each kind stands in its own file; a new one is entered in ``KINDS``.
"""

from __future__ import annotations

from typing import Final

from rules.behavior import Behavior, Policy, PolicyType, ScaleDown, ScaleUp, ScalingRules, SelectPolicy
from rules.budget import Amount, Budget, BudgetSpec, Limit, Period, Scope
from rules.budget_thresholds import BudgetAction, BudgetGuards, BudgetThreshold, Selection
from rules.circumstances import (
    BacktestOverride,
    CronWindow,
    DownstreamCeiling,
    Guard,
    Pause,
    ScheduledBounds,
    Steps,
    WhenBurning,
)
from rules.forecast import Forecast
from rules.forecast_trigger import ForecastTrigger, Gate, MissPrice
from rules.price_sheet import PriceSheet, PriceSheetSpec
from rules.receiver import Receiver
from rules.scaling_policy import ScalingPolicy
from rules.scaling_rule import Actuate, Replicas, ScalingRule, ScalingRuleSpec, Target
from rules.slo import SLO
from rules.triggers import AlertEvent, Fallback, Queue, ResourceTarget, TraceSignal, Trigger

__all__ = [
    "KINDS", "SLO", "Actuate", "AlertEvent", "Amount", "AnyDocument", "BacktestOverride", "Behavior", "Budget",
    "BudgetAction", "BudgetGuards", "BudgetSpec", "BudgetThreshold", "CronWindow", "DownstreamCeiling", "Fallback",
    "Forecast", "ForecastTrigger", "Gate", "Guard", "Limit", "MissPrice", "Pause", "Period", "Policy", "PolicyType",
    "PriceSheet", "PriceSheetSpec", "Queue", "Receiver", "Replicas", "ResourceTarget", "ScaleDown", "ScaleUp",
    "ScalingPolicy", "ScalingRule", "ScalingRuleSpec", "ScalingRules", "ScheduledBounds", "Scope", "SelectPolicy",
    "Selection", "Steps", "Target", "TraceSignal", "Trigger", "WhenBurning",
]  # fmt: skip

AnyDocument = ScalingRule | Budget | PriceSheet | Forecast | SLO | ScalingPolicy | Receiver
KINDS: Final[dict[str, type[AnyDocument]]] = {
    "ScalingRule": ScalingRule,
    "Budget": Budget,
    "PriceSheet": PriceSheet,
    "Forecast": Forecast,
    "SLO": SLO,
    "ScalingPolicy": ScalingPolicy,
    "Receiver": Receiver,
}
