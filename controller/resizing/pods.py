"""Which pod can be resized in place, and whether its kubelet has done it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from controller.resizing.change import Canary, Field, Values, same

Raw = Mapping[str, Any]
SUBRESOURCE: Final = "resize"


def values_of(containers: Iterable[Raw], fields: Sequence[Field]) -> Values:
    """What containers of a template or a pod ask for, at the patch's places; no entry for a container that is gone."""
    by_name = {one.get("name"): one.get("resources") or {} for one in containers}
    return {
        one.where: (by_name[one.container].get(one.part) or {}).get(one.resource)
        for one in fields if one.container in by_name
    }  # fmt: skip


def with_values(containers: Sequence[Raw], values: Values) -> list[dict[str, Any]]:
    """The containers with other quantities; None takes one away."""
    changed = []
    for one in containers:
        resources = {part: dict(amounts) for part, amounts in (one.get("resources") or {}).items()
                     if part in ("requests", "limits")}  # fmt: skip
        others = {part: amounts for part, amounts in (one.get("resources") or {}).items() if part not in resources}
        for (container, part, resource), amount in values.items():
            if container == one.get("name"):
                amounts = resources.setdefault(part, {})
                amounts.pop(resource, None)
                amounts.update({} if amount is None else {resource: amount})
        changed.append({**one, "resources": {**others, **{part: amounts for part, amounts in resources.items()
                                                           if amounts}}})  # fmt: skip
    return changed


def candidate(pods: Sequence[Raw], fields: Sequence[Field]) -> tuple[Canary | None, str]:
    """The pod that has run longest (the last that a scale-down takes), or why there is none."""
    why = "no pod is ready"
    for pod in sorted(pods, key=lambda one: (str(one["metadata"].get("creationTimestamp")), one["metadata"]["name"])):
        if not is_ready(pod):
            continue
        why = _objection(pod, fields)
        if not why:
            return Canary(name=pod["metadata"]["name"], uid=pod["metadata"]["uid"], restarts=restarts(pod)), ""
    return None, why


def is_ready(pod: Raw) -> bool:
    """Takes work, and is not on its way out."""
    told = (pod.get("status") or {}).get("conditions") or ()
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in told)
    return ready and not pod["metadata"].get("deletionTimestamp")


def is_resized(pod: Raw, fields: Sequence[Field]) -> bool:
    """Whether the kubelet says that containers have what is asked for."""
    if _pending(pod, "PodResizePending") or _pending(pod, "PodResizeInProgress"):
        return False
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    told = values_of(statuses, fields)
    return bool(told) and all(same(told.get(one.where), one.after) for one in fields)


def put_off(pod: Raw) -> str:
    """Why the kubelet has not done it; empty where it says nothing."""
    found = _pending(pod, "PodResizePending")
    if not found:
        found = _pending(pod, "PodResizeInProgress")
        found = found if found.get("reason") == "Error" else {}
    if not found:
        return ""
    name = pod["metadata"]["name"]
    return f"pod {name} is not resized: {found.get('reason', '')}: {found.get('message', '')}".rstrip(": ")


def restarts(pod: Raw) -> int:
    """Of its containers, since it is there."""
    return sum(int(one.get("restartCount", 0)) for one in (pod.get("status") or {}).get("containerStatuses") or ())


def ended_for_memory(pod: Raw, since: str) -> int:
    """Containers whose last end was an OOM after an instant, as the API spells it (UTC, seconds)."""
    found = 0
    for one in (pod.get("status") or {}).get("containerStatuses") or ():
        for state in (one.get("lastState") or {}, one.get("state") or {}):
            ended = state.get("terminated") or {}
            found += ended.get("reason") == "OOMKilled" and str(ended.get("finishedAt", "")) >= since
    return found


def _pending(pod: Raw, kind: str) -> Raw:
    for one in (pod.get("status") or {}).get("conditions") or ():
        if one.get("type") == kind and one.get("status") == "True":
            return dict(one)
    return {}


def _objection(pod: Raw, fields: Sequence[Field]) -> str:
    """Why this pod cannot be resized without a restart."""
    containers = pod["spec"].get("containers") or ()
    live = values_of(containers, fields)
    for one in fields:
        if not same(live.get(one.where), one.before):
            return f"pods ask for {live.get(one.where) or 'none'}, the template for {one.before or 'none'}"
        if one.before is None:
            return f"a pod cannot get {one.part} of {one.resource} that it has not"
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    if not all("resources" in one for one in statuses):  # by this the API server tells, too
        return "its kubelet cannot resize pods"
    changed = {(one.container, one.resource) for one in fields}
    for container in containers:
        for policy in container.get("resizePolicy") or ():
            if (container["name"], policy["resourceName"]) in changed and policy["restartPolicy"] != "NotRequired":
                return f"its resizePolicy restarts {container['name']} for {policy['resourceName']}"
    after = with_values(containers, {one.where: one.after for one in fields})
    others = pod["spec"].get("initContainers") or ()
    if (was := qos([*containers, *others])) != (would := qos([*after, *others])):
        return f"it would change its class from {was} to {would}"
    return ""


def qos(containers: Iterable[Raw]) -> str:
    """Kubernetes' class, which a resize may not change."""
    asked = []
    for one in containers:
        resources = one.get("resources") or {}
        requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
        asked.append([(requests.get(name, limits.get(name)), limits.get(name)) for name in ("cpu", "memory")])
    pairs = [pair for each in asked for pair in each]
    if all(request is None and limit is None for request, limit in pairs):
        return "BestEffort"
    if all(limit is not None and same(request, limit) for request, limit in pairs):
        return "Guaranteed"
    return "Burstable"
