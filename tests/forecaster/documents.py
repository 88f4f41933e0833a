"""Rules as the loop is given them."""

from __future__ import annotations

from typing import Any

from rules import RuleSet
from rules.forecast import Forecast
from rules.schema import ScalingRule


def rule(name: str, **forecast: Any) -> ScalingRule:
    """A rule in namespace ``shop`` with a query trigger and a forecast of it."""
    return ScalingRule.model_validate(
        {
            "apiVersion": "foretide.dev/v1alpha1",
            "kind": "ScalingRule",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {
                "target": {"name": name},
                "replicas": {"min": 1, "max": 10},
                "triggers": [
                    {"name": "rps", "query": "sum(rate(http_requests_total[1m]))", "perReplica": "20"},
                    {"name": "soon", "forecast": {"of": "rps", **forecast}},
                ],
            },
        }
    )


def document(name: str, query: str = "sum by (app) (rate(http_requests_total[1m]))", **spec: Any) -> Forecast:
    """A Forecast document in namespace ``shop``."""
    return Forecast.model_validate(
        {
            "apiVersion": "foretide.dev/v1alpha1",
            "kind": "Forecast",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"query": query, **spec},
        }
    )


def rule_set(*rules: ScalingRule, documents: tuple[Forecast, ...] = ()) -> RuleSet:
    return RuleSet(rules=rules, forecasts=documents)
