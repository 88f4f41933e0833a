"""The exact patch of a right-sizing, and the note on the workload by which it can be undone without us."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from domain.errors import RefusedError
from domain.scaling import WorkloadRef
from domain.units import parse_quantity

NOTE: Final = "foretide.dev/resize"
"""Annotation of the workload while a change of ours may still be taken back."""
Where = tuple[str, str, str]
"""Container, ``requests`` or ``limits``, and ``cpu`` or ``memory``."""
Values = Mapping[Where, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One quantity of one container; None is none."""

    container: str
    part: str
    resource: str
    before: str | None
    after: str

    @property
    def where(self) -> Where:
        """Its place."""
        return self.container, self.part, self.resource

    def __str__(self) -> str:
        """``web requests.cpu 1 -> 920m``."""
        return f"{self.container} {self.part}.{self.resource} {self.before or 'none'} -> {self.after}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The utilisation target of an HPA, in percent, that belongs to a resource's requests."""

    hpa: str
    resource: str
    before: int
    after: int

    def __str__(self) -> str:
        """``hpa web cpu 80% -> 87%``."""
        return f"hpa {self.hpa} {self.resource} {self.before}% -> {self.after}%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """All that changes at once. Not empty; every HPA target has a request that it belongs to."""

    ref: WorkloadRef
    fields: tuple[Field, ...]
    targets: tuple[Target, ...] = ()

    def falling(self) -> frozenset[str]:
        """Resources of which pods get less: only these can harm, and only these are given back by themselves."""
        found = set()
        for resource in {one.resource for one in self.fields}:
            mine = [one for one in self.fields if one.resource == resource]
            asked = [one for one in mine if one.part == "requests"] or mine
            if any(one.before is None for one in asked):
                continue
            if sum(_amount(one.after) - _amount(one.before) for one in asked) < 0:
                found.add(resource)
        return frozenset(found)

    def __str__(self) -> str:
        """One line."""
        return "; ".join(str(one) for one in (*self.fields, *self.targets))


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """The pod that goes first: its uid, and how often its containers had restarted before."""

    name: str
    uid: str
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What stands on the workload: enough to give everything back."""

    id: str
    patch: Patch
    expires: datetime
    canary: Canary | None = None


def same(one: str | None, other: str | None) -> bool:
    """As amounts: ``1`` is ``1000m``."""
    if one is None or other is None:
        return one is other
    return _amount(one) == _amount(other)


def spelled(patch: Patch, live: Values) -> Patch:
    """With what stood there before as the API server spells it: ``1``, not ``1000m``."""
    fields = [
        replace(one, before=live[one.where]) if one.where in live and same(live[one.where], one.before) else one
        for one in patch.fields
    ]  # fmt: skip
    return replace(patch, fields=tuple(fields))


def differing(patch: Patch, live: Values, targets: Mapping[tuple[str, str], int | None], *, written: bool) -> list[str]:
    """Sentences about what is not as the patch found it (or, ``written``, as it left it)."""
    found = []
    for one in patch.fields:
        stands, wanted = live.get(one.where), one.after if written else one.before
        if not same(stands, wanted):
            found.append(f"{one.part}.{one.resource} of {one.container} is {stands or 'none'}, not {wanted or 'none'}")
    for each in patch.targets:
        percent, meant = targets.get((each.hpa, each.resource)), each.after if written else each.before
        if percent != meant:
            found.append(f"target {each.resource} of HPA {each.hpa} is {percent or 'none'}, not {meant}")
    return found


def to_note(note: Note) -> str:
    """As the annotation holds it."""
    canary = None if note.canary is None else [note.canary.name, note.canary.uid, note.canary.restarts]
    body = {"id": note.id, "expires": note.expires.isoformat(), "canary": canary, **to_json(note.patch)}
    return json.dumps(body, separators=(",", ":"))


def from_note(ref: WorkloadRef, text: str) -> Note:
    """Read strictly.

    Raises:
        RefusedError: It is none that we have written: nothing can be given back by it.
    """
    try:
        body = json.loads(text)
        canary = None if body["canary"] is None else body["canary"]
        return Note(
            id=str(body["id"]), patch=from_json(ref, body),
            expires=datetime.fromisoformat(body["expires"]).astimezone(UTC),
            canary=None if canary is None else Canary(name=canary[0], uid=canary[1], restarts=int(canary[2])),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise RefusedError(f"annotation {NOTE} of {ref} is none that Foretide has written: {error}") from error


def to_json(patch: Patch) -> dict[str, Any]:
    """Without the workload, which is known where it is kept."""
    return {
        "fields": [[one.container, one.part, one.resource, one.before, one.after] for one in patch.fields],
        "targets": [[one.hpa, one.resource, one.before, one.after] for one in patch.targets],
    }


def from_json(ref: WorkloadRef, body: Mapping[str, Any]) -> Patch:
    """Raises ``ValueError``, ``KeyError`` or ``TypeError`` for what ``to_json`` has not made."""
    fields = tuple(Field(container=str(one[0]), part=str(one[1]), resource=str(one[2]), before=one[3], after=one[4])
                   for one in body["fields"])  # fmt: skip
    for one in fields:
        if one.part not in ("requests", "limits") or one.resource not in ("cpu", "memory"):
            raise ValueError(f"{one.part}.{one.resource} is nothing that is sized")
        _amount(one.after), _amount(one.before or "0")
    targets = tuple(Target(hpa=str(one[0]), resource=str(one[1]), before=int(one[2]), after=int(one[3]))
                    for one in body["targets"])  # fmt: skip
    if not fields or any(not any(f.resource == t.resource for f in fields) for t in targets):
        raise ValueError("a patch has fields, and an HPA's target a request that it belongs to")
    return Patch(ref=ref, fields=fields, targets=targets)


def _amount(text: str | None) -> Decimal:
    return parse_quantity(text or "0")
