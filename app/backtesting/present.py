"""What runs now, from its own document: a ScalingRule, or the manifest of a HorizontalPodAutoscaler (autoscaling/v2).

An HPA becomes a rule with the same metrics, bounds and `behavior`; a metric is found under the trigger's name that it
has in the recorded data, or else under the only one of its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from app.backtesting.recorded import DataError
from app.check import check_query
from app.fleet import Hpa, MetricTarget, hpas_told
from domain.errors import ForetideError
from domain.labels import Labels
from rules import load_paths
from rules.schema import ScalingRule, Trigger


def present_of(path: Path, rule: ScalingRule) -> tuple[ScalingRule, str]:
    """The controller of a file, as a rule, and its name for the reader.

    Raises:
        DataError: The file holds neither, or an HPA with a metric that the rule does not have.
        RuleDocumentError: It holds a rule with mistakes.
    """
    try:
        documents = [one for one in yaml.safe_load_all(path.read_text()) if isinstance(one, dict)]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: {error}") from error
    found_hpas = [one for one in documents if one.get("kind") == "HorizontalPodAutoscaler"]
    if len(found_hpas) == 1:
        name = found_hpas[0].get("metadata", {}).get("name", rule.spec.target.name)
        return _of_hpa(str(path), found_hpas[0], rule), f"HPA {name}"
    found = load_paths([path], check_query=check_query).rules
    if len(found) != 1:
        raise DataError(f"{path}: expected one HorizontalPodAutoscaler or one ScalingRule; found {len(found)} rules")
    return found[0], f"rule {found[0].key}"


def hpa_of_target(
    rule: ScalingRule, ask: Callable[[str], Iterable[tuple[Labels, float]]]
) -> tuple[ScalingRule | None, str, tuple[str, ...]]:
    """The HPA of a rule's target as kube-state-metrics tells it, as a rule; its name; and what is to be told of it."""
    try:
        hpas = hpas_told(ask, rule.metadata.namespace)
    except ForetideError as error:
        return None, "", (f"whether its target has an HPA was not read: {error}",)
    target = (rule.target.kind, rule.target.name)
    own = next((one for one in hpas if (one.kind, one.workload) == target), None)
    if own is None:
        return None, "", ()
    try:
        found = of_hpa_told(own, rule)
    except DataError as error:
        return None, "", (f"the HPA of its target is not what is replayed as running now: {error}",)
    note = f"HPA {own.key} is as kube-state-metrics tells it: without its behavior, for which the defaults stand"
    return found, f"HPA {own.key}", (note,)


def of_hpa_told(hpa: Hpa, rule: ScalingRule) -> ScalingRule:
    """An HPA as kube-state-metrics tells it, which is without its ``behavior``: the defaults stand for it.

    Raises:
        DataError: It has a metric that the rule does not have.
    """
    spec = {
        "minReplicas": max(hpa.min_replicas, 1), "maxReplicas": hpa.max_replicas,
        "metrics": [_metric(one) for one in hpa.targets],
    }  # fmt: skip
    return _of_hpa(f"HPA {hpa.key}", {"spec": spec}, rule)


def _metric(target: MetricTarget) -> dict[str, Any]:
    if target.kind == "utilization":
        return {"type": "Resource", "resource": {"name": target.name, "target": {"averageUtilization": target.number}}}
    named = "averageValue" if target.kind == "average" else "value"
    return {"type": "Pods", "pods": {"metric": {"name": target.name}, "target": {named: target.number}}}


def _of_hpa(path: str, document: Mapping[str, Any], rule: ScalingRule) -> ScalingRule:
    spec = document.get("spec") or {}
    triggers = [_trigger(path, metric, rule) for metric in spec.get("metrics") or [_usual()]]
    made = {
        "apiVersion": rule.api_version, "kind": "ScalingRule",
        "metadata": {"name": rule.metadata.name, "namespace": rule.metadata.namespace},
        "spec": {
            "target": {"kind": rule.spec.target.kind, "name": rule.spec.target.name},
            "replicas": {"min": spec.get("minReplicas", 1), "max": spec.get("maxReplicas")},
            "triggers": triggers, "behavior": spec.get("behavior") or {},
        },
    }  # fmt: skip
    try:
        return ScalingRule.model_validate(made)
    except ValueError as error:
        raise DataError(f"{path}: this HorizontalPodAutoscaler cannot be read: {error}") from error


def _usual() -> dict[str, Any]:
    """What an HPA without metrics has: 80 % of the CPU request."""
    return {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }


def _trigger(path: str, metric: Mapping[str, Any], rule: ScalingRule) -> dict[str, Any]:
    kind = str(metric.get("type", ""))
    body = metric.get(kind[:1].lower() + kind[1:]) or {}
    target = body.get("target") or {}
    if kind in ("Resource", "ContainerResource") and "averageUtilization" in target:
        resource = {"name": body.get("name"), "utilization": round(float(target["averageUtilization"]))}
        same = [one for one in rule.spec.triggers if one.resource is not None and one.resource.name == body.get("name")]
        return {"name": same[0].name if same else str(body.get("name")), "resource": resource}
    if "averageValue" in target:
        name = str((body.get("metric") or {}).get("name", ""))
        found = _same(rule, name)
        if found is None:
            raise DataError(f"{path}: the metric {name} is no trigger of {rule.key}; call one of them so")
        return {"name": found.name, "query": found.query, "perReplica": target["averageValue"]}
    raise DataError(
        f"{path}: a metric of type {kind or 'none'} with {', '.join(target) or 'no target'} cannot be replayed yet;"
        " Resource with averageUtilization, and Pods, Object and External with averageValue can"
    )


def _same(rule: ScalingRule, name: str) -> Trigger | None:
    demands = [one for one in rule.spec.triggers if one.query is not None]
    named = [one for one in demands if one.name == name]
    return named[0] if named else demands[0] if len(demands) == 1 else None
