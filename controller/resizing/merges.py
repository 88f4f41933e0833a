"""The two merge patches of a right-sizing: a pod's resize, and another target in an HPA's list of metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.resizing.change import Values
from controller.resizing.pods import SUBRESOURCE, with_values
from controller.resizing.raw import HPAS, PODS, Raw
from kube import Writer


def resize_pod(writer: Writer, raw: Raw, values: Values) -> None:
    """In place; the server takes nothing else of it, and refuses what would need another pod."""
    body = {"spec": {"containers": with_values(raw["spec"]["containers"], values)}}
    about = raw["metadata"]
    writer.patch_merge(PODS, about["namespace"], about["name"], pinned(raw, body), subresource=SUBRESOURCE)


def aim(writer: Writer, raw: Raw, resource: str, percent: int) -> None:
    """Another target; its list of metrics is one field, so it is written whole, from a fresh read."""
    metrics = []
    for one in raw["spec"]["metrics"]:
        if one.get("type") == "Resource" and one["resource"]["name"] == resource:
            target = {**one["resource"]["target"], "averageUtilization": percent}
            one = {**one, "resource": {**one["resource"], "target": target}}
        metrics.append(one)
    body = {"spec": {"metrics": metrics}}
    writer.patch_merge(HPAS, raw["metadata"]["namespace"], raw["metadata"]["name"], pinned(raw, body))


def pinned(raw: Raw, body: Mapping[str, Any]) -> dict[str, Any]:
    """Refused where the object is not as it was read any more, or was made anew."""
    about = {"resourceVersion": raw["metadata"]["resourceVersion"], "uid": raw["metadata"]["uid"]}
    return {**body, "metadata": {**body.get("metadata", {}), **about}}
