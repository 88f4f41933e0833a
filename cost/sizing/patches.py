"""A size as patches to paste. Nothing here is sent anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cost.sizing.observed import Resource, Sizing


def quantity(amount: int, resource: Resource) -> str:
    """Millicores or bytes as Kubernetes writes them: ``920m``, ``640Mi``, ``1000001``."""
    if resource is Resource.CPU:
        return f"{amount}m"
    for unit, name in ((1024**3, "Gi"), (1024**2, "Mi"), (1024, "Ki")):
        if amount and amount % unit == 0:
            return f"{amount // unit}{name}"
    return str(amount)


def pod_patch(sizings: Sequence[Sizing]) -> dict[str, Any]:
    """In-place resize: for ``kubectl patch pod … --subresource resize`` of each pod that runs."""
    return {"spec": {"containers": _containers(sizings)}}


def template_patch(sizings: Sequence[Sizing]) -> dict[str, Any]:
    """The workload's template, so that pods to come are of that size too; this one is a rollout."""
    return {"spec": {"template": {"spec": {"containers": _containers(sizings)}}}}


def _containers(sizings: Sequence[Sizing]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, dict[str, str]]] = {}
    for one in sizings:
        if one.wanted is None or one.wanted == one.current:
            continue
        parts = found.setdefault(one.container, {})
        for part, amount in (("requests", one.wanted.request), ("limits", one.wanted.limit)):
            if amount is not None:
                parts.setdefault(part, {})[one.resource.value] = quantity(amount, one.resource)
    return [{"name": name, "resources": resources} for name, resources in sorted(found.items())]
