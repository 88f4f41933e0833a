"""Plain HPA settings as a patch for ``kubectl``: what differs from now, and not a line more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import yaml

from controller import core
from controller.simulate.loop import Reactive
from controller.simulate.pods import IntArray

_SELECT: Final = {core.SELECT_MAX: "Max", core.SELECT_MIN: "Min", core.DISABLED: "Disabled"}
_KIND: Final = {core.PODS: "Pods", core.PERCENT: "Percent"}


def resource(name: str, percent: float) -> dict[str, Any]:
    """A metric of ``spec.metrics``: mean use of a resource in percent of its request."""
    target = {"type": "Utilization", "averageUtilization": round(percent)}
    return {"type": "Resource", "resource": {"name": name, "target": target}}


def fields(
    now: Reactive, best: Reactive, *, tick_seconds: float, metric: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """``spec`` with what differs; ``metric`` is the whole list of ``spec.metrics``, one long, where its target does."""
    spec: dict[str, Any] = {}
    if metric is not None and best.target != now.target:
        spec["metrics"] = [dict(metric)]
    behavior = {}
    for direction in ("up", "down"):
        found = _direction(now, best, direction, tick_seconds)
        if found:
            behavior[f"scale{direction.title()}"] = found
    return {**spec, "behavior": behavior} if behavior else spec


def text(spec: Mapping[str, Any], *, namespace: str, name: str, notes: tuple[str, ...] = ()) -> str:
    """The patch of an ``autoscaling/v2`` HorizontalPodAutoscaler with the command that applies it; empty for none.

    ``spec.metrics`` and ``policies`` are atomic lists in that version: a patch replaces each as a whole.
    """
    if not spec and not notes:
        return ""
    lines = [f"# {note}" for note in notes]
    if spec:
        lines.insert(0, f"# kubectl -n {namespace} patch hpa {name} --patch-file {name}.yaml")
        lines.append(yaml.safe_dump({"spec": dict(spec)}, sort_keys=False, default_flow_style=False).rstrip())
    return "\n".join(lines) + "\n"


def _direction(now: Reactive, best: Reactive, direction: str, tick_seconds: float) -> dict[str, Any]:
    def differs(name: str) -> bool:
        return not np.array_equal(getattr(now, name), getattr(best, name))

    made: dict[str, Any] = {}
    if differs(f"{direction}_ticks"):
        ticks = getattr(best, f"{direction}_ticks")
        made["stabilizationWindowSeconds"] = 0 if ticks <= 1 else round(ticks * tick_seconds)
    if differs(f"{direction}_policies") or differs(f"{direction}_select"):
        made["selectPolicy"] = _SELECT[getattr(best, f"{direction}_select")]
        made["policies"] = _policies(getattr(best, f"{direction}_policies"), tick_seconds)
    if differs(f"tolerance_{direction}"):
        made["tolerance"] = f"{round(1000 * getattr(best, f'tolerance_{direction}'))}m"
    return made


def _policies(rows: IntArray, tick_seconds: float) -> list[dict[str, Any]]:
    return [
        {"type": _KIND[int(kind)], "value": int(value), "periodSeconds": round(int(ticks) * tick_seconds)}
        for kind, value, ticks in rows
    ]
