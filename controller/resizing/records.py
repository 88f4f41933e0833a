"""A case as JSON, for whoever keeps it, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from controller.resizing import change
from controller.resizing.case import Case, Deed, Stage
from controller.resizing.change import Canary
from domain.scaling import WorkloadRef

_TIMES: Final = ("accepted_at", "since", "began_at", "template_at", "applied_at", "expires_at")
_PLAIN: Final = ("id", "by", "reason", "in_place", "why", "everything", "tries", "canaries")


def to_json(case: Case) -> dict[str, Any]:
    """Everything of it."""
    ref = case.patch.ref
    body: dict[str, Any] = {name: getattr(case, name) for name in _PLAIN}
    body |= {name: None if (at := getattr(case, name)) is None else at.isoformat() for name in _TIMES}
    canary = None if case.canary is None else [case.canary.name, case.canary.uid, case.canary.restarts]
    return body | {
        "ref": [ref.kind, ref.namespace, ref.name], "patch": change.to_json(case.patch), "canary": canary,
        "stage": case.stage.value, "then": case.then.value, "written": [one.value for one in case.written],
    }  # fmt: skip


def from_json(body: Mapping[str, Any]) -> Case:
    """As ``to_json`` has made it."""
    kind, namespace, name = body["ref"]
    canary = body["canary"]
    times = {one: None if body[one] is None else datetime.fromisoformat(body[one]).astimezone(UTC) for one in _TIMES}
    known: dict[str, Any] = {one: body[one] for one in _PLAIN} | times
    return Case(
        patch=change.from_json(WorkloadRef(kind=kind, namespace=namespace, name=name), body["patch"]),
        canary=None if canary is None else Canary(name=canary[0], uid=canary[1], restarts=canary[2]),
        stage=Stage(body["stage"]), then=Stage(body["then"]), written=tuple(Deed(one) for one in body["written"]),
        **known,
    )  # fmt: skip
