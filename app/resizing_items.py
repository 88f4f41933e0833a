"""Accepted advice as the exact patch of a right-sizing."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from controller.resizing.case import Case
from controller.resizing.change import Field, Patch, Target, from_json, to_json
from domain.recommendations import Change, KeptRecommendation, RecommendationKind
from domain.scaling import WorkloadRef

KINDS: Final = frozenset({RecommendationKind.RIGHT_SIZE_REQUESTS, RecommendationKind.RIGHT_SIZE_HPA})
_FIELD: Final = re.compile(r"containers\[([^\]]+)\]\.(requests|limits)\.(cpu|memory)")
_TARGET: Final = re.compile(r"hpa\[([^\]]+)\]\.target\.(cpu|memory)")


def case_of(kept: KeptRecommendation, now: datetime) -> Case:
    """A new case for what somebody has accepted.

    Raises:
        ValueError: It is another patch than the one that was accepted, or changes what is no size.
    """
    advice, standing = kept.advice, kept.standing
    if standing.digest != advice.digest:
        raise ValueError(f"the patch that was accepted ({standing.digest}) is another by now ({advice.digest})")
    target = advice.target
    ref = WorkloadRef(kind=target.kind, namespace=target.namespace, name=target.name)
    fields, targets = [], []
    for one in advice.changes:
        if found := _FIELD.fullmatch(one.path):
            fields.append(_field(one, *found.groups()))
        elif found := _TARGET.fullmatch(one.path):
            targets.append(_target(one, *found.groups()))
        else:
            raise ValueError(f"{one.path} is no size of a container, and no target of an HPA")
    patch = Patch(ref=ref, fields=tuple(fields), targets=tuple(targets))
    return Case(
        id=kept.id, patch=from_json(ref, to_json(patch)), by=standing.by, accepted_at=standing.since, since=now
    )  # fmt: skip


def _field(one: Change, container: str, part: str, resource: str) -> Field:
    if one.after is None:
        raise ValueError(f"{one.path} would be taken away, which is no size")
    return Field(container=container, part=part, resource=resource, before=one.before, after=one.after)


def _target(one: Change, hpa: str, resource: str) -> Target:
    if one.before is None or one.after is None:
        raise ValueError(f"{one.path} has no target before or after")
    return Target(hpa=hpa, resource=resource, before=int(one.before), after=int(one.after))
