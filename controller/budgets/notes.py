"""What we write beside a change in the cluster (before, after, deed, until when), and who else has a say in the field.

The note outlives our database, so that ``foretide reap`` gives back what has expired; a note that is there is never
overwritten. Whatever somebody else says of a field wins.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from controller.budgets.deeds import Change
from domain.errors import KubeError
from kube import Connection, listed
from kube.kinds import Kind, OwnedMeta
from kube.ownership import owners

RESTORE: Final = "foretide.dev/budget-restore"
MANAGER: Final = "foretide"
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one write: ``failure`` is empty where it is done, ``lasting`` where trying again changes nothing.

    ``goes_on``: a part of it is done, the rest waits for its turn.
    """

    said: str = ""
    failure: str = ""
    lasting: bool = False
    goes_on: bool = False


class Hand(Protocol):
    """Writes one kind of change into the cluster, and takes it back."""

    def do(self, change: Change, *, deed: str, now: datetime, expires: datetime) -> Outcome:
        """Writes one; again does nothing."""

    def undo(self, change: Change, *, now: datetime) -> Outcome:
        """Gives one back: what was there, where it still is as we wrote it and nobody else's; else what is there."""

    def expired(self, now: datetime, *, everything: bool = False) -> list[tuple[str, Outcome]]:
        """For the reaper: gives back what has expired by the notes alone, without a database or a document."""


def written(field: str, before: Any, after: Any, *, deed: str, expires: datetime, **more: Any) -> str:
    """The note's text."""
    note = {"field": field, "before": before, "after": after, "deed": deed, "expires": expires.isoformat(), **more}
    return json.dumps(note)


def read(metadata: OwnedMeta) -> dict[str, Any]:
    """The note; empty where there is none, or where it cannot be read."""
    try:
        found = json.loads((metadata.annotations or {}).get(RESTORE, ""))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def is_noted(metadata: OwnedMeta) -> bool:
    """Whether a note of ours is there, readable or not."""
    return RESTORE in (metadata.annotations or {})


def is_expired(metadata: OwnedMeta, now: datetime) -> bool:
    """A note that cannot be read is nobody's promise: it is given back."""
    try:
        return datetime.fromisoformat(read(metadata)["expires"]).astimezone(UTC) <= now
    except (ValueError, KeyError, TypeError):
        return True


def applied_by(metadata: OwnedMeta, *path: str) -> str:
    """Who keeps the field by a server-side apply, and would undo us or be undone."""
    return next(
        (one.manager for one in owners(metadata, *path) if one.operation == "Apply" and one.manager != MANAGER), ""
    )


def states_it(metadata: OwnedMeta, *path: str) -> str:
    """The same, or by kubectl's last applied configuration."""
    if by := applied_by(metadata, *path):
        return by
    applied = (metadata.annotations or {}).get(_LAST_APPLIED)
    try:
        stated: Any = json.loads(applied) if applied else {}
    except ValueError:
        return "a last applied configuration that cannot be read"
    for name in path[:-1]:
        stated = stated.get(name) if isinstance(stated, dict) else None
    return "the last applied configuration" if isinstance(stated, dict) and path[-1] in stated else ""


def others(metadata: OwnedMeta, *path: str) -> list[str]:
    """Who has written the field since: then it is theirs, also where they wrote the same."""
    return sorted({owner.manager for owner in owners(metadata, *path)} - {MANAGER})


def traces_gone(metadata: OwnedMeta, *annotations: str) -> dict[str, Any]:
    """A merge patch by which our note and our name in its managed fields go; no value changes by that.

    One empty entry says that there is no other manager: an empty list would change nothing.
    """
    raw = bytes(metadata.managed_fields)
    entries = msgspec.json.decode(raw, type=list[dict[str, Any]] | None) if raw else None
    left = [entry for entry in entries or () if entry.get("manager") != MANAGER] or [{}]
    return {"metadata": {"annotations": dict.fromkeys((RESTORE, *annotations)), "managedFields": left}}


def placed(change: Change) -> tuple[str, str]:
    """Namespace and name of ``Kind namespace/name``."""
    namespace, _, name = change.target.partition(" ")[2].partition("/")
    return namespace, name


def spared(namespace: str, own: str) -> str:
    """Why nothing is written in a namespace; empty: it may be."""
    return f"nothing is written in namespace {namespace}" if namespace.startswith("kube-") or namespace == own else ""


def reaped(
    connection: Connection, kind: Kind[Any], now: datetime, *, everything: bool, switch: Callable[[], str],
    give_back: Callable[[Any], Outcome],
) -> list[tuple[str, Outcome]]:  # fmt: skip
    """What became of each object of a kind with a note that has expired, or with any.

    Raises:
        KubeError: They cannot be listed; 403 and 404 are none.
    """
    try:
        there = listed(connection, kind).objects.values()
    except KubeError as error:
        if error.status in (403, 404):
            return []
        raise
    noted = [one for one in there if is_noted(one.metadata) and (everything or is_expired(one.metadata, now))]
    told = []
    for one in sorted(noted, key=lambda each: (each.metadata.namespace, each.metadata.name)):
        target = f"{kind.kind} {one.metadata.namespace}/{one.metadata.name}"
        why = "" if everything else switch()
        try:
            told.append((target, Outcome(failure=f"the kill switch: {why}") if why else give_back(one)))
        except KubeError as error:
            told.append((target, Outcome(failure=str(error))))
    return told
