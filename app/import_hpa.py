"""A HorizontalPodAutoscaler (autoscaling/v2 or v1) as a ScalingRule that sets its bounds."""

from __future__ import annotations

from typing import Any, Final

from app.import_objects import Object
from app.import_rules import Imported, Trigger
from rules.yaml_tree import Path

Spec = dict[str, Any]
_TARGETS: Final = {"Deployment", "StatefulSet"}
_HPA_DEFAULT_PERCENT: Final = 80
"""What the API server puts into an HPA that names no metric."""
_V1_REST: Final = "autoscaling.alpha.kubernetes.io/"
_BY_ADAPTER: Final = (
    "an adapter turns it into a query that the HPA does not tell: write a trigger with {} by hand (of {})"
)
_FORMS: Final = {"Pods": "pods", "Object": "query", "External": "query"}


def of_hpa(one: Object) -> Imported | None:
    """The rule that says the same; None where there is a mistake in it, or nothing that a rule could say."""
    if owner := _owner(one):
        one.no_equal(("metadata", "ownerReferences"), f"it belongs to ScaledObject {owner}: import keda reads that")
        return None
    target = target_of(one)
    triggers = [trigger for index in one.indices("spec", "metrics") if (trigger := _metric(one, index))]
    triggers += _of_v1(one)
    spec: Spec = {
        "replicas": {"min": _least(one), "max": one.whole("spec", "maxReplicas")},
        "mode": "observe",
        "actuate": {"with": "bounds", "hpa": one.name},
    }
    if moves := behavior(one, ("spec", "behavior")):
        spec["behavior"] = moves
    one.need("spec", "maxReplicas")
    one.leftovers("spec")
    if target is None or one.mistakes:
        return None
    return Imported(source=one, target=target, spec=spec, triggers=tuple(triggers))


def target_of(one: Object) -> dict[str, str] | None:
    """The workload, its API where that is not apps/v1; None where no rule could scale it."""
    path: Path = ("spec", "scaleTargetRef")
    api, kind, name = (one.text(*path, field) for field in ("apiVersion", "kind", "name"))
    one.need(*path, "name")
    if not name:
        return None
    kind, of_apps = kind or "Deployment", (api or "apps/v1").partition("/")[0] == "apps"
    if of_apps and kind not in _TARGETS:
        one.no_equal(path, f"a rule scales a Deployment or a StatefulSet of apps/v1, not a {kind}")
        return None
    return {**({} if of_apps else {"apiVersion": str(api)}), "kind": kind, "name": name}


def behavior(one: Object, path: Path) -> Spec:
    """HPA's ``behavior``, which is ours word by word."""
    made: Spec = {}
    for direction in ("scaleUp", "scaleDown"):
        here = (*path, direction)
        rules: Spec = {
            "stabilizationWindowSeconds": one.whole(*here, "stabilizationWindowSeconds"),
            "tolerance": one.at(*here, "tolerance"),
            "selectPolicy": one.text(*here, "selectPolicy"),
            "policies": [_policy(one, (*here, "policies", index)) for index in one.indices(*here, "policies")],
        }
        if given := {name: value for name, value in rules.items() if value not in (None, [])}:
            made[direction] = given
    return made


def _policy(one: Object, path: Path) -> Spec:
    return {
        "type": one.text(*path, "type"),
        "value": one.whole(*path, "value"),
        "periodSeconds": one.whole(*path, "periodSeconds"),
    }


def _least(one: Object) -> int:
    """HPA's default is 1; 0 (an alpha feature) needs to know for how long."""
    least = one.whole("spec", "minReplicas")
    if least == 0:
        one.no_equal(("spec", "minReplicas"), "0 needs a scaler that measures without pods; the rule begins at 1")
    return 1 if least is None else max(least, 1)


def _metric(one: Object, index: int) -> Trigger | None:
    path: Path = ("spec", "metrics", index)
    kind = one.text(*path, "type") or ""
    if kind in ("Resource", "ContainerResource"):
        return _resource(one, (*path, kind[0].lower() + kind[1:]), path)
    if kind in _FORMS:
        name = one.at(*path, kind.lower(), "metric", "name")
        one.no_equal((*path, kind.lower()), _BY_ADAPTER.format(_FORMS[kind], name))
    else:
        one.refuse((*path, "type"), "expected one of Resource, ContainerResource, Pods, Object, External")
    return None


def _resource(one: Object, path: Path, metric: Path) -> Trigger | None:
    name, container = one.text(*path, "name"), one.text(*path, "container")
    percent, average = one.whole(*path, "target", "averageUtilization"), one.at(*path, "target", "averageValue")
    one.at(*path, "target", "type")
    if name not in ("cpu", "memory"):
        one.no_equal(metric, f"a resource is cpu or memory, not {name}")
        return None
    said: Spec = {"name": name}
    said |= {"utilization": percent} if percent is not None else {"averageValue": average}
    if container:
        said["container"] = container
    called = f"{name}-{container}" if container else str(name)
    return Trigger(name=called, says={"resource": said}, path=metric)


def _of_v1(one: Object) -> list[Trigger]:
    """autoscaling/v1 tells its only metric in a field, and the others in annotations."""
    path: Path = ("spec", "targetCPUUtilizationPercentage")
    percent = one.whole(*path)
    for name in one.keys("metadata", "annotations"):
        if name in (f"{_V1_REST}metrics", f"{_V1_REST}behavior"):
            told = "autoscaling/v1 hides it here: kubectl get hpa.v2.autoscaling -o yaml says it in fields"
            one.no_equal(("metadata", "annotations", name), told)
    if percent is None and not one.indices("spec", "metrics"):
        percent, path = _HPA_DEFAULT_PERCENT, ("spec",)
    if percent is None:
        return []
    return [Trigger(name="cpu", says={"resource": {"name": "cpu", "utilization": percent}}, path=path)]


def _owner(one: Object) -> str:
    for index in one.indices("metadata", "ownerReferences"):
        if one.at("metadata", "ownerReferences", index, "kind") == "ScaledObject":
            return str(one.at("metadata", "ownerReferences", index, "name"))
    return ""
