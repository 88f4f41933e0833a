"""Whose cost it is: what a row can be grouped and filtered by.

A dimension is the name of a field (``namespace``, ``owner``) or ``label:NAME``. What has no value in any dimension of a
grouping is ``__unallocated__``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

UNALLOCATED: Final = "__unallocated__"
UNMOUNTED: Final = "__unmounted__"
_LABEL: Final = "label:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A container or a pod, and everything that it belongs to; an empty field is one that it does not have."""

    cluster: str = ""
    node: str = ""
    node_pool: str = ""
    namespace: str = ""
    owner_kind: str = ""
    owner: str = ""
    pod: str = ""
    container: str = ""
    services: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def order(self) -> tuple[str, ...]:
        """Sorts subjects the same way whatever the order they came in."""
        return (self.cluster, self.namespace, self.pod, self.container, self.node, self.owner_kind, self.owner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One dimension that must have one of some values, or with ``negated`` none of them."""

    dimension: str
    values: frozenset[str]
    negated: bool = False

    def holds(self, subject: Subject) -> bool:
        """Whether the subject meets it; a missing value is the empty one."""
        return (value_of(subject, self.dimension) in self.values) is not self.negated


DIMENSIONS: Final[Mapping[str, Callable[[Subject], str]]] = {
    "cluster": lambda subject: subject.cluster,
    "node": lambda subject: subject.node,
    "nodePool": lambda subject: subject.node_pool,
    "namespace": lambda subject: subject.namespace,
    "ownerKind": lambda subject: subject.owner_kind,
    "owner": lambda subject: f"{subject.owner_kind}/{subject.owner}" if subject.owner else "",
    "pod": lambda subject: subject.pod,
    "container": lambda subject: subject.container,
    "service": lambda subject: subject.services[0] if subject.services else "",
}
"""Every dimension but the labels. A pod behind several Services counts for the first in order of names."""


def dimensions(names: Iterable[str]) -> tuple[str, ...]:
    """The names as they are, once each is known; ``ValueError`` with a sentence otherwise."""
    asked = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    for name in asked:
        if name not in DIMENSIONS and not (name.startswith(_LABEL) and len(name) > len(_LABEL)):
            raise ValueError(f'"{name}" is no dimension: expected {", ".join(DIMENSIONS)} or label:NAME')
    return asked


def label_of(dimension: str) -> str:
    """The name of the label; empty for a dimension that is none."""
    return dimension.removeprefix(_LABEL) if dimension.startswith(_LABEL) else ""


def value_of(subject: Subject, dimension: str) -> str:
    """The subject's value; empty where it has none."""
    if dimension.startswith(_LABEL):
        return subject.labels.get(dimension.removeprefix(_LABEL), "")
    return DIMENSIONS[dimension](subject)


def key_of(subject: Subject, by: Sequence[str]) -> tuple[str, ...]:
    """The row that the subject counts for; of a grouping by nothing there is only one, the empty key."""
    values = tuple(value_of(subject, dimension) for dimension in by)
    if by and not any(values):
        return (UNALLOCATED,)
    return tuple(value or UNALLOCATED for value in values)


def holds_all(conditions: Iterable[Condition], subject: Subject) -> bool:
    """Whether every condition holds; none at all takes everything."""
    return all(condition.holds(subject) for condition in conditions)
