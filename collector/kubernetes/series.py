"""From what an object says to labelled numbers: label names, units and numbers as kube-state-metrics writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache, lru_cache
from math import ceil, isfinite
from typing import Final

from domain.labels import METRIC_NAME, Labels
from domain.units import parse_quantity
from kube.kinds import Condition, Meta, OwnerReference

Pair = tuple[str, str]
Told = tuple[str, tuple[Pair, ...], float]
"""A metric's name, its labels besides those of the object, and its value."""

NONE: Final = "<none>"
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_]")
_NEW_WORD: Final = re.compile(r"([a-z0-9])([A-Z])")
_STATUSES: Final = tuple((status, ("condition", status.lower()), ("status", status.lower())) for status in
                         ("True", "False", "Unknown"))  # fmt: skip
_LONGEST_ANNOTATION: Final = 256
"""Characters: beyond lies what tools keep for themselves (kubectl's last-applied-configuration has thousands)."""
_BYTES: Final = frozenset({"memory", "storage", "ephemeral-storage"})


def labelled(told: Iterable[Told], *given: tuple[Pair, ...]) -> Iterator[tuple[Labels, float]]:
    """Series: what is ``given`` (of the object, of the target) beside each metric's own labels.

    Pairs are shared between the series of an object, which saves most of their memory.
    """
    shared = [pair for pairs in given for pair in pairs if pair[1]]
    for name, more, value in told:
        yield Labels(sorted((_named(name), *shared, *(pair for pair in more if pair[1])))), value


@cache
def _named(name: str) -> Pair:
    return METRIC_NAME, name


def at(name: str, instant: datetime | None) -> Iterator[Told]:
    """A time in seconds since the epoch; nothing where there is none."""
    if instant is not None:
        yield name, (), float(int(instant.timestamp()))


def by_status(name: str, condition: Condition) -> Iterator[Told]:
    """A condition as three series, of which one is 1."""
    for status, _, label in _STATUSES:
        yield name, (("condition", condition.type), label), float(condition.status == status)


def ready_by_status(name: str, status: str) -> Iterator[Told]:
    """The one condition Ready, whose label ``condition`` is its status."""
    for own, label, _ in _STATUSES:
        yield name, (label,), float(own == status)


def owners(name: str, references: Iterable[OwnerReference] | None) -> Iterator[Told]:
    """Who an object belongs to; ``<none>`` where nobody is named."""
    found = [(one.kind, one.name, "true" if one.controller else "false") for one in references or ()]
    for kind, owner, controls in found or [(NONE, NONE, NONE)]:
        yield name, (("owner_kind", kind), ("owner_name", owner), ("owner_is_controller", controls)), 1.0


def labels_of(name: str, metadata: Meta) -> Iterator[Told]:
    """All labels of an object as labels ``label_…``."""
    yield name, prefixed("label", metadata.labels or {}), 1.0


def annotations_of(name: str, metadata: Meta) -> Iterator[Told]:
    """Its annotations as labels ``annotation_…``, but for the long ones."""
    short = {key: text for key, text in (metadata.annotations or {}).items() if len(text) <= _LONGEST_ANNOTATION}
    if short:
        yield name, prefixed("annotation", short), 1.0


def prefixed(prefix: str, given: Mapping[str, str]) -> tuple[Pair, ...]:
    """``appName/x`` becomes ``label_app_name_x``; where several become the same, ``…_conflict1`` and so on."""
    names: dict[str, list[str]] = {}
    for key in sorted(given):
        names.setdefault(f"{prefix}_{_snake(key)}", []).append(key)
    pairs = []
    for name, keys in names.items():
        for number, key in enumerate(keys, 1):
            pairs.append((name if len(keys) == 1 else f"{name}_conflict{number}", given[key]))
    return tuple(pairs)


def _snake(key: str) -> str:
    return _NEW_WORD.sub(r"\1_\2", _NOT_IN_NAMES.sub("_", key)).lower()


def resources(name: str, amounts: Mapping[str, str] | None, *more: Pair, whole: bool = True) -> Iterator[Told]:
    """Amounts of resources with their units; those without a unit that is known are left out, as are broken ones."""
    for resource, text in sorted((amounts or {}).items()):
        unit, amount = _unit(resource), number(text)
        if unit is not None and amount is not None:
            rounded = ceil(amount * 1000 - 1e-6) / 1000 if resource == "cpu" or not whole else float(ceil(amount))
            yield name, (*more, ("resource", _NOT_IN_NAMES.sub("_", resource)), ("unit", unit)), rounded


@lru_cache(maxsize=4096)
def number(text: str) -> float | None:
    """A quantity as a number; None where it is none that a sample could hold."""
    try:
        amount = float(parse_quantity(text))
    except (ValueError, OverflowError):
        return None
    return amount if isfinite(amount) else None


@lru_cache(maxsize=1024)
def _unit(resource: str) -> str | None:
    if resource == "cpu":
        return "core"
    if resource in _BYTES or resource.startswith(("hugepages-", "attachable-volumes-")):
        return "byte"
    extended = "/" in resource and "kubernetes.io/" not in resource and not resource.startswith("requests.")
    return "integer" if extended or resource == "pods" else None
