"""Kubernetes' label selectors, as text: ``a=b,c!=d,e in (f,g),h notin (i),j,!k``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_PART: Final = re.compile(
    r"\s*(?:!\s*(?P<absent>[\w./-]+)"
    r"|(?P<set>[\w./-]+)\s+(?P<how>in|notin)\s*\((?P<values>[^()]*)\)"
    r"|(?P<key>[\w./-]+)\s*(?P<sign>==|!=|=)\s*(?P<value>[\w.-]*)"
    r"|(?P<there>[\w./-]+))\s*(?:,|$)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One part: the label's value is (or is not) one of these; without values, the label is (or is not) there."""

    name: str
    values: frozenset[str] | None
    is_not: bool = False

    def met_by(self, labels: Mapping[str, str]) -> bool:
        """As the API server would say; a label that is not there is none of the values."""
        found = self.name in labels if self.values is None else labels.get(self.name) in self.values
        return found is not self.is_not


def matches(selector: Sequence[Requirement], labels: Mapping[str, str]) -> bool:
    """Whether every part is met."""
    return all(one.met_by(labels) for one in selector)


def read(text: str) -> list[Requirement]:
    """The parts of a selector; none for an empty text.

    Raises:
        ValueError: It is none.
    """
    found: list[Requirement] = []
    place = 0
    while place < len(text):
        part = _PART.match(text, place)
        if part is None:
            raise ValueError(f"expected a label selector such as a=b,c!=d or e in (f,g); found {text[place:][:100]!r}")
        found.append(_requirement(part))
        place = part.end()
    if text.rstrip().endswith(","):
        raise ValueError("a label selector does not end with a comma")
    return found


def _requirement(part: re.Match[str]) -> Requirement:
    if part["absent"]:
        return Requirement(name=part["absent"], values=None, is_not=True)
    if part["there"]:
        return Requirement(name=part["there"], values=None)
    if part["set"]:
        values = frozenset(one.strip() for one in part["values"].split(","))
        return Requirement(name=part["set"], values=values, is_not=part["how"] == "notin")
    return Requirement(name=part["key"], values=frozenset([part["value"]]), is_not=part["sign"] == "!=")
