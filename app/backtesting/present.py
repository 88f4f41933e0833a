"""What runs now, from its own document: a ScalingRule, or the manifest of a HorizontalPodAutoscaler (autoscaling/v2).

An HPA becomes a rule with the same metrics, bounds and `behavior`; a metric is found under the trigger's name that it
has in the recorded data, or else under the only one of its kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from app.backtesting.recorded import DataError
from app.check import check_query
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
    hpas = [one for one in documents if one.get("kind") == "HorizontalPodAutoscaler"]
    if len(hpas) == 1:
        return _of_hpa(path, hpas[0], rule), f"HPA {hpas[0].get('metadata', {}).get('name', rule.spec.target.name)}"
    found = load_paths([path], check_query=check_query).rules
    if len(found) != 1:
        raise DataError(f"{path}: expected one HorizontalPodAutoscaler or one ScalingRule; found {len(found)} rules")
    return found[0], f"rule {found[0].key}"


def _of_hpa(path: Path, document: Mapping[str, Any], rule: ScalingRule) -> ScalingRule:
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


def _trigger(path: Path, metric: Mapping[str, Any], rule: ScalingRule) -> dict[str, Any]:
    kind = str(metric.get("type", ""))
    body = metric.get(kind[:1].lower() + kind[1:]) or {}
    target = body.get("target") or {}
    if kind in ("Resource", "ContainerResource") and "averageUtilization" in target:
        resource = {"name": body.get("name"), "utilization": target["averageUtilization"]}
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
