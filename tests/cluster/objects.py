"""Deployments and HorizontalPodAutoscalers as the tests need them: kwok's pods, bound to their node by name."""

from __future__ import annotations

from collections.abc import Mapping

from tests.cluster.api import Api, Object
from tests.cluster.control_plane import NODE

CPU_REQUEST_MILLICORES = 100


def deployment(name: str, namespace: str, *, replicas: int | None = None, start: str | None = None) -> Object:
    """Of pods that ask for 100m; ``start`` is how long they take to become ready, such as "30s"."""
    delay = {} if start is None else {"pod-ready.stage.kwok.x-k8s.io/delay": start}
    container = {
        "name": "app",
        "image": "example.invalid/app:1",
        "resources": {"requests": {"cpu": f"{CPU_REQUEST_MILLICORES}m", "memory": "64Mi"}},
    }
    spec: Object = {
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}, "annotations": delay},
            "spec": {"nodeName": NODE, "containers": [container]},
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace}, "spec": spec,
    }  # fmt: skip


def hpa(
    name: str, namespace: str, *, low: int | None = None, high: int = 20, cpu_percent: int = 50,
    behavior: Object | None = None, metrics: list[Object] | None = None, annotations: Mapping[str, str] | None = None,
) -> Object:  # fmt: skip
    """On the Deployment of the same name, by CPU unless other metrics are given."""
    target = {"type": "Utilization", "averageUtilization": cpu_percent}
    spec: Object = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "maxReplicas": high,
        "metrics": metrics or [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    if low is not None:
        spec["minReplicas"] = low
    if behavior is not None:
        spec["behavior"] = behavior
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": name,
            "namespace": namespace,
            **({"annotations": dict(annotations)} if annotations else {}),
        },
        "spec": spec,
    }


def replicas(api: Api, name: str, namespace: str) -> tuple[int, int]:
    """Wanted and ready replicas of a Deployment."""
    found = api.get("Deployment", name, namespace)
    return found["spec"]["replicas"], found.get("status", {}).get("readyReplicas", 0)


def condition(of: Object, kind: str) -> tuple[str, str]:
    """Status and reason of a condition; empty without one."""
    found = [one for one in of.get("status", {}).get("conditions", []) if one["type"] == kind]
    return (found[0]["status"], found[0].get("reason", "")) if found else ("", "")


def sizes(api: Api, name: str, namespace: str) -> list[int]:
    """Every size that the HPA controller has set, in order: its events say "New size: 8; reason: …"."""
    about = f"involvedObject.kind=HorizontalPodAutoscaler,involvedObject.name={name},reason=SuccessfulRescale"
    events = api.list("Event", namespace, fieldSelector=about)
    events.sort(key=lambda one: int(one["metadata"]["resourceVersion"]))
    return [int(one["message"].split(";")[0].removeprefix("New size: ")) for one in events]
