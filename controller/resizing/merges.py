"""The two merge patches of a right-sizing: a pod's resize, and another target in an HPA's list of metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from controller.resizing.change import Values
from controller.resizing.pods import SUBRESOURCE, with_values
from controller.resizing.raw import HPAS, PODS, Raw
from domain.errors import KubeError
from kube import Writer

T = TypeVar("T")
TRIES: Final = 5
"""A rollout's controller writes the status several times a second, and each makes what was read another."""


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


def afresh(deed: Callable[[], T]) -> T:
    """Again, from a fresh read, where somebody wrote in between.

    Raises:
        KubeError: Not written, or outdated each time.
    """
    for _ in range(TRIES - 1):
        try:
            return deed()
        except KubeError as error:
            if not error.is_outdated:
                raise
    return deed()
