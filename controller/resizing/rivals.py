"""Who declares what would be changed: whoever comes back and says it again would undo us, or be undone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from controller.resizing.change import Patch
from controller.resizing.pods import values_of
from controller.resizing.raw import MANAGER, Raw, annotations_of, metadata, path_of
from kube import owners

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_BY_HAND: Final = "kubectl"
"""Somebody's single command, as good as the word of whoever accepted."""


def rival(raw: Raw, hpas: Mapping[str, Raw], patch: Patch) -> str:
    """Who declares what would be changed; not asked of a value that is ours by now."""
    applied = _applied(raw, "spec", "template", "spec", "containers")
    stated = values_of(applied, patch.fields) if isinstance(applied, list) else {}
    for one in patch.fields:
        if who := _declares(raw, *path_of(one.where)):
            return f"{who} states {one.part}.{one.resource} of {one.container}: set {one.after} there"
        if stated.get(one.where) is not None:
            said = f"the last applied configuration states {one.part}.{one.resource} of {one.container}"
            return f"{said}: set {one.after} there"
    for each in patch.targets:
        hpa = hpas.get(each.hpa)
        if hpa is None:
            continue
        who = _declares(hpa, "spec", "metrics") or (
            "the last applied configuration" if _applied(hpa, "spec", "metrics") else ""
        )
        if who:
            return f"{who} states the target of HPA {each.hpa}: set {each.after} there"
    return ""


def _declares(raw: Raw, *path: str) -> str:
    for owner in owners(metadata(raw), *path):
        if owner.manager != MANAGER and (owner.operation == "Apply" or not owner.manager.startswith(_BY_HAND)):
            return owner.manager
    return ""


def _applied(raw: Raw, *path: str) -> Any:
    text = annotations_of(raw).get(_LAST_APPLIED)
    try:
        found = json.loads(text) if text else None
        for name in path:
            found = (found or {}).get(name)
    except (ValueError, AttributeError):
        return None
    return found
