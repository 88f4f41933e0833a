"""Objects as the API server writes them, for tests."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from collector.kubernetes import kinds
from collector.kubernetes.series import Told, labelled
from kube.kinds import Kind


def decoded(kind: Kind[Any], **given: Any) -> Any:
    return msgspec.json.decode(json.dumps(given), type=kind.type)


def meta(name: str, namespace: str = "shop", **more: Any) -> dict[str, Any]:
    where = {"namespace": namespace} if namespace else {}
    return {"name": name, **where, "uid": f"uid-{name}", "creationTimestamp": "2026-11-21T10:00:00Z", **more}


def owner(kind: str, name: str, *, controller: bool = True) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u", "controller": controller}


def pod(
    name: str = "web-5d9c7f6b8-abcde", namespace: str = "shop", *, ready: str = "True", **more: Any
) -> dict[str, Any]:
    """A running pod of a Deployment, with a container and a sidecar that asks for nothing."""
    status: dict[str, Any] = {
        "phase": "Running",
        "podIP": "10.1.0.7",
        "hostIP": "10.0.0.1",
        "startTime": "2026-11-21T10:00:02Z",
        "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-21T10:00:01Z"},
            {"type": "Ready", "status": ready, "lastTransitionTime": "2026-11-21T10:00:30Z"},
        ],
        "containerStatuses": [
            {
                "name": "web",
                "ready": True,
                "restartCount": 2,
                "containerID": "containerd://w",
                "image": "web:1",
                "imageID": "i",
                "state": {"running": {"startedAt": "2026-11-21T10:00:05Z"}},
            },
        ],
    }
    status |= more.pop("status", {})
    spec: dict[str, Any] = {
        "nodeName": "node-a",
        "priorityClassName": "high",
        "containers": [
            {
                "name": "web",
                "image": "web:1",
                "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                "resources": {
                    "requests": {"cpu": "250m", "memory": "64Mi", "nvidia.com/gpu": "1"},
                    "limits": {"cpu": "1"},
                },
            },
            {"name": "log", "image": "log:1"},
        ],
    }
    spec |= more.pop("spec", {})
    metadata = meta(
        name,
        namespace,
        labels={"app": "web", "app.kubernetes.io/Name": "web"},
        annotations={"prometheus.io/scrape": "true"},
        ownerReferences=[owner("ReplicaSet", "web-5d9c7f6b8")],
    )
    return {"metadata": metadata | more.pop("metadata", {}), "spec": spec, "status": status}


def node(name: str = "node-a", **more: Any) -> dict[str, Any]:
    return {
        "metadata": meta(
            name,
            "",
            labels={"karpenter.sh/nodepool": "spot", "node-role.kubernetes.io/worker": ""},
            annotations={"a/b": "c"},
        ),
        "spec": {"providerID": "aws:///eu/i-1", "podCIDR": "10.1.0.0/24"},
        "status": {
            "capacity": {"cpu": "4", "memory": "16Gi", "pods": "110", "odd": "1"},
            "allocatable": {"cpu": "3920m", "memory": "15Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-21T10:00:30Z"}],
            "addresses": [
                {"type": "Hostname", "address": "node-a.example"},
                {"type": "InternalIP", "address": "10.0.0.1"},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "kernelVersion": "6.1",
                "osImage": "Debian 12",
                "containerRuntimeVersion": "containerd://2.1",
                "kubeletVersion": "v1.36.2",
                "kubeProxyVersion": "",
                "systemUUID": "sys-1",
            },
        }
        | more,
    }


def shown(told: list[Told], **given: str) -> dict[str, float]:
    """Samples by their series, as a page would print them."""
    return {str(labels): value for labels, value in labelled(told, tuple(given.items()))}


POD = decoded(kinds.POD, **pod())
