"""An HPA as a rule says it: its metrics, its behavior, and the name by which it stands in the cluster.

An HPA measures CPU and memory by itself; every other reason of a rule (a query, a queue, a forecast) it knows nothing
of, so that the floor carries them. ``combine`` is ours too: what it makes of the triggers stands in the floor.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from controller.actuation.limits import Limits
from controller.cluster import OwnHpa
from rules.behavior import ScalingRules
from rules.schema import ScalingRule, Trigger

_OF_THE_HPA: Final = frozenset({"resource", "pods"})
_DEFAULT: Final[dict[str, Any]] = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}
"""What the API server itself puts into an HPA without metrics; an HPA has at least one."""
_DEFAULT_TOLERANCE: Final = Decimal("0.1")
"""Left out where it is the HPA's own: servers before 1.33 do not know the field."""


def name_of(rule: ScalingRule) -> str:
    """As the rule says, or as its target is called."""
    return rule.spec.actuate.hpa or rule.spec.target.name


def measured(rule: ScalingRule) -> frozenset[str]:
    """The triggers that the HPA measures itself, which therefore are no part of the floor."""
    own = rule.spec.actuate.with_ == "hpa"
    return frozenset(
        one.name for one in rule.spec.triggers if (_metric(one) is not None if own else one.kind in _OF_THE_HPA)
    )


def of(rule: ScalingRule) -> OwnHpa:
    """What the rule's HPA has to be."""
    target, replicas, behavior = rule.spec.target, rule.spec.replicas, rule.spec.behavior
    metrics = [metric for one in rule.spec.triggers if (metric := _metric(one)) is not None]
    shape = {
        "scaleTargetRef": {"apiVersion": target.api_version, "kind": target.kind, "name": target.name},
        "metrics": metrics or [_DEFAULT],
        "behavior": {"scaleUp": _rules(behavior.scale_up), "scaleDown": _rules(behavior.scale_down)},
    }
    own = Limits(low=max(replicas.min, 1), high=replicas.max)
    return OwnHpa(bounds=own, shape=shape, takes_over=rule.spec.actuate.hpa is not None)


def _metric(trigger: Trigger) -> dict[str, Any] | None:
    """None where an HPA cannot measure it: it knows no limits, only requests."""
    wanted = trigger.resource
    if wanted is None or (wanted.utilization is not None and wanted.against == "limit"):
        return None
    target: dict[str, Any] = {"type": "Utilization", "averageUtilization": wanted.utilization}
    if wanted.utilization is None:
        target = {"type": "AverageValue", "averageValue": f"{wanted.average_value:f}"}
    if wanted.container is None:
        return {"type": "Resource", "resource": {"name": wanted.name, "target": target}}
    source = {"name": wanted.name, "container": wanted.container, "target": target}
    return {"type": "ContainerResource", "containerResource": source}


def _rules(of: ScalingRules) -> dict[str, Any]:
    said: dict[str, Any] = {
        "stabilizationWindowSeconds": of.stabilization_window_seconds,
        "selectPolicy": of.select_policy.value,
        "policies": [
            {"type": one.type.value, "value": one.value, "periodSeconds": one.period_seconds} for one in of.policies
        ],
    }
    tolerance = Decimal(str(of.tolerance))
    return said if tolerance == _DEFAULT_TOLERANCE else said | {"tolerance": f"{tolerance:f}"}
