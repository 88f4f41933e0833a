"""Who wrote which field of an object, from ``metadata.managedFields``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from kube.decoding import decoder
from kube.kinds import OwnedMeta

Path = tuple[str, ...]
"""Field names from the top; of a list's item, its key as the API spells it (``{"name":"app"}``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """What one manager owns; ``operation`` is ``Apply`` or ``Update``, ``time`` as the API spells it."""

    manager: str
    operation: str
    subresource: str
    time: str
    paths: frozenset[Path]


class _Entry(msgspec.Struct, rename="camel"):
    manager: str = ""
    operation: str = ""
    subresource: str = ""
    time: str = ""
    fields_v1: dict[str, Any] = msgspec.field(name="fieldsV1", default_factory=dict)


def ownerships(metadata: OwnedMeta) -> tuple[Ownership, ...]:
    """Every manager's entry; nothing when the server sent none."""
    raw = bytes(metadata.managed_fields)
    entries: list[_Entry] | None = decoder(list[_Entry] | None).decode(raw) if raw else None
    return tuple(
        Ownership(
            manager=entry.manager, operation=entry.operation, subresource=entry.subresource, time=entry.time,
            paths=frozenset(_leaves(entry.fields_v1, ())),
        )
        for entry in entries or ()
    )  # fmt: skip


def owners(metadata: OwnedMeta, *path: str) -> tuple[Ownership, ...]:
    """Who owns ``path`` (``owners(hpa.metadata, "spec", "minReplicas")``) or something below it."""
    return tuple(entry for entry in ownerships(metadata) if any(owned[: len(path)] == path for owned in entry.paths))


def _leaves(fields: dict[str, Any], above: Path) -> Iterator[Path]:
    """``f:`` is a field, ``k:`` and ``v:`` an item of a list, ``.`` the thing itself."""
    for name, below in fields.items():
        here = above if name == "." else (*above, name.partition(":")[2])
        if name == "." or not below:
            yield here
        else:
            yield from _leaves(below, here)
