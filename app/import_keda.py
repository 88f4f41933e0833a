"""A KEDA ScaledObject (keda.sh/v1alpha1) as a ScalingRule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from app.import_formula import as_combine
from app.import_hpa import Spec, behavior, target_of
from app.import_objects import Object
from app.import_rules import Imported, Trigger, as_label
from domain.errors import ExpressionError
from rules.yaml_tree import Path

_MOST: Final = 100
_COOLDOWN_SECONDS: Final = 300
_POLLING_SECONDS: Final = 30
"""KEDA's defaults."""
_FALLBACKS: Final = {"static": "{}", "currentReplicas": "hold", "currentReplicasIfHigher": "max(hold,{})"}
_PAUSED: Final = "autoscaling.keda.sh/paused"
_PAUSES: Final = {f"{_PAUSED}-scale-in": "in", f"{_PAUSED}-scale-out": "out", _PAUSED: "all"}
_MODIFIERS: Final[Path] = ("spec", "advanced", "scalingModifiers")
_SOURCE: Final = "is a source of foretide.yaml; name it there and here (--trigger-source)"
_QUEUES: Final = {
    "kafka", "apache-kafka", "rabbitmq", "aws-sqs-queue", "azure-servicebus", "azure-queue", "gcp-pubsub",
    "nats-jetstream", "pulsar", "redis", "redis-streams", "activemq", "artemis-queue", "ibmmq", "solace-event-queue",
    "stan", "beanstalkd",
}  # fmt: skip
_QUEUE: Final = "KEDA asks the queue itself: write a queue or query trigger over its exporter's metric by hand"
_OTHER: Final = "Foretide asks Prometheus, pods' resources, the clock and traces; nothing asks {}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fallback:
    after: str
    use: str | int


def of_scaled_object(one: Object, *, source: str | None) -> Imported | None:
    """The rule that says the same.

    Args:
        one: The object.
        source: What the Prometheus of its triggers is called in foretide.yaml; None for the default one.

    Returns:
        None where there is a mistake in it, or nothing that a rule could say.
    """
    target = target_of(one)
    fallback = _fallback(one)
    triggers = [made for index in one.indices("spec", "triggers") if (made := _trigger(one, index, fallback, source))]
    if not one.indices("spec", "triggers"):
        one.refuse(("spec", "triggers"), "needs at least one item")
    spec: Spec = {"replicas": _replicas(one, triggers), "mode": "observe"}
    by_bounds = {"with": "bounds", "scaledObject": one.name}
    spec["actuate"] = by_bounds if spec["replicas"]["min"] else {"with": "scale"}
    combine = _formula(one, triggers) or ""
    floor = one.whole("spec", "minReplicaCount") or 0
    if floor and spec["replicas"]["min"] == 0:  # idleReplicaCount: 0, or at least so many
        combine = f"max({floor}, {combine or ', '.join(one.name for one in triggers)})"
    spec |= {"combine": combine} if combine else {}
    if moves := behavior(one, ("spec", "advanced", "horizontalPodAutoscalerConfig", "behavior")):
        spec["behavior"] = moves
    if pause := _pause(one):
        spec["pause"] = pause
    _rest(one)
    if target is None or one.mistakes:
        return None
    return Imported(source=one, target=target, spec=spec, triggers=tuple(triggers))


# ---- bounds


def _replicas(one: Object, triggers: Sequence[Trigger]) -> Spec:
    least, most = one.whole("spec", "minReplicaCount") or 0, one.whole("spec", "maxReplicaCount")
    idle, cooldown = one.whole("spec", "idleReplicaCount"), one.whole("spec", "cooldownPeriod")
    most = _MOST if most is None else most
    waking = any("resource" not in trigger.says for trigger in triggers)
    if least > 0 and idle is None:
        one.no_equal(("spec", "cooldownPeriod"), f"it is about the way to 0, and minReplicaCount is {least}")
        return {"min": least, "max": most}
    if not waking:
        told = "0 takes a trigger that measures without pods, and none is left: the rule begins at 1"
        one.no_equal(("spec", "minReplicaCount") if idle is None else ("spec", "idleReplicaCount"), told)
        return {"min": max(least, 1), "max": most}
    if idle:
        one.no_equal(("spec", "idleReplicaCount"), "what idles, idles at 0; so does KEDA's only choice")
    return {"min": 0, "max": most, "idleAfter": f"{_COOLDOWN_SECONDS if cooldown is None else max(cooldown, 1)}s"}


# ---- triggers


def _trigger(one: Object, index: int, fallback: _Fallback | None, source: str | None) -> Trigger | None:
    path: Path = ("spec", "triggers", index)
    kind = one.text(*path, "type") or ""
    called = as_label(one.text(*path, "name") or "", otherwise=as_label(kind, otherwise="trigger"))
    one.no_equal((*path, "useCachedMetrics"), "an answer counts for the tick that asks for it")
    match kind:
        case "prometheus":
            says = _prometheus(one, path, fallback, source)
        case "cpu" | "memory":
            says = _resource(one, path, kind)
        case "cron":
            says = _cron(one, path)
        case _:
            one.no_equal(path, _QUEUE if kind in _QUEUES else _OTHER.format(kind or "that"))
            return None
    return Trigger(name=called, says=says, path=path)


def _prometheus(one: Object, path: Path, fallback: _Fallback | None, source: str | None) -> Spec:
    metadata: Path = (*path, "metadata")
    query = (one.text(*metadata, "query") or "").strip()
    threshold = one.number_text(*metadata, "threshold")
    for field in ("query", "threshold"):
        one.need(*metadata, field)
    by_value = one.text(*path, "metricType") == "Value"
    says: Spec = {"query": {"source": source, "expr": query} if source else query}
    says["value" if by_value else "perReplica"] = _number(threshold)
    activation = one.number_text(*metadata, "activationThreshold")
    if activation and Decimal(activation) > 0:
        says["activate"] = _number(activation)
    if fallback is not None and not by_value:
        says["fallback"] = {"after": fallback.after, "use": fallback.use}
    if source is None:
        one.no_equal((*metadata, "serverAddress"), _SOURCE)
    one.at(*metadata, "serverAddress")
    one.no_equal((*path, "authenticationRef"), "the login of a source stands in foretide.yaml")
    if one.flag(*metadata, "ignoreNullValues"):
        one.no_equal((*metadata, "ignoreNullValues"), "an empty answer is missing data here, not 0: the number holds")
    return says


def _resource(one: Object, path: Path, kind: str) -> Spec:
    metadata: Path = (*path, "metadata")
    form = one.text(*path, "metricType") or one.text(*metadata, "type") or "Utilization"
    said: Spec = {"name": kind}
    if form == "Utilization":
        said["utilization"] = one.whole_text(*metadata, "value")
    else:
        said["averageValue"] = one.at(*metadata, "value")
    one.need(*metadata, "value")
    if container := one.text(*metadata, "containerName"):
        said["container"] = container
    return {"resource": said}


def _cron(one: Object, path: Path) -> Spec:
    window = {field: one.text(*path, "metadata", field) for field in ("start", "end", "timezone")}
    replicas = one.whole_text(*path, "metadata", "desiredReplicas")
    for field in (*window, "desiredReplicas"):
        one.need(*path, "metadata", field)
    return {"schedule": window, "replicas": replicas}


def _fallback(one: Object) -> _Fallback | None:
    """After so many failed questions, each a polling interval apart."""
    path: Path = ("spec", "fallback")
    if not one.keys(*path):
        return None
    failures, replicas = one.whole(*path, "failureThreshold"), one.whole(*path, "replicas")
    form = one.text(*path, "behavior") or "static"
    if form not in _FALLBACKS:
        one.no_equal((*path, "behavior"), "a fallback never lowers the number: it holds, or takes so many at least")
        return None
    if not replicas:
        one.no_equal(path, "a fallback is 1 replica or more")
        return None
    seconds = max(failures or 1, 1) * (one.whole("spec", "pollingInterval") or _POLLING_SECONDS)
    use = _FALLBACKS[form].format(replicas)
    return _Fallback(after=f"{seconds}s", use=int(use) if use.isdigit() else use)


# ---- around them


def _formula(one: Object, triggers: Sequence[Trigger]) -> str | None:
    """KEDA then ignores the triggers' own thresholds: one target stands for all that are no resources."""
    formula, target = one.text(*_MODIFIERS, "formula"), one.number_text(*_MODIFIERS, "target")
    path: Path = (*_MODIFIERS, "formula")
    if not formula:
        return None
    measured = [trigger for trigger in triggers if "query" in trigger.says]
    names = {str(one.at(*trigger.path, "name") or ""): trigger.name for trigger in measured}
    one.no_equal((*_MODIFIERS, "activationTarget"), "each trigger has its own activate")
    if target is None or Decimal(target) <= 0 or one.text(*_MODIFIERS, "metricType") not in (None, "AverageValue"):
        one.no_equal(path, "it takes a target above 0 of metricType AverageValue: the largest of the triggers wins")
        return None
    try:
        combined = as_combine(formula, names, target=Decimal(target))
    except ExpressionError as error:
        one.no_equal(path, f"combine cannot say it ({error}): the largest of the triggers wins")
        return None
    for trigger in measured:
        trigger.says.pop("value", None)
        trigger.says["perReplica"] = _number(target)
    if not combined.exact:
        one.no_equal(path, "each trigger is rounded up by itself: a term may come to almost one replica more")
    others = [trigger.name for trigger in triggers if "query" not in trigger.says]
    return f"max({', '.join([combined.text, *others])})" if others else combined.text


def _pause(one: Object) -> Spec | None:
    annotations: Path = ("metadata", "annotations")
    fixed = one.whole_text(*annotations, f"{_PAUSED}-replicas")
    if fixed:
        return {"replicas": fixed, "reason": f"{_PAUSED}-replicas of KEDA"}
    one.no_equal((*annotations, f"{_PAUSED}-replicas"), "a pause at 0 is none: scale the workload to 0 instead")
    for name, direction in _PAUSES.items():
        if one.flag(*annotations, name):
            return {"direction": direction, "reason": f"{name} of KEDA"}
    return None


def _rest(one: Object) -> None:
    """What KEDA knows and we do not."""
    if one.at("spec", "fallback") is None:
        one.no_equal(("spec", "pollingInterval"), "Foretide decides each 15 s")
    one.no_equal(("spec", "initialCooldownPeriod"), "idleAfter counts from when Foretide first sees no work")
    one.no_equal(("spec", "scaleTargetRef", "envSourceContainerName"), "no trigger reads a container's environment")
    one.no_equal(
        ("spec", "advanced", "restoreToOriginalReplicaCount"), "a rule that is deleted leaves the number as it is"
    )
    one.no_equal(
        ("spec", "advanced", "horizontalPodAutoscalerConfig", "name"), "it names KEDA's HPA, which goes with KEDA"
    )
    one.leftovers("spec")


def _number(text: str | None) -> Any:
    """A number as YAML has one, as it was written."""
    if text is None:
        return None
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else number
