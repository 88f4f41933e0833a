"""Reads one mapping of a rule file field by field, and keeps every mistake with its place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from alerts.rule_file.yaml_nodes import Mapping, Node, Scalar, Sequence
from domain.errors import Mistake
from domain.labels import METRIC_NAME, Labels
from domain.units import parse_duration
from rules.wording import quote, suggestion
from rules.yaml_tree import Place

MOST_ITEMS: Final = 100_000
"""Of all lists of one file together: aliases make a short text long."""


class Mistakes:
    """What is wrong with one file; ``items`` counts what its lists held."""

    def __init__(self, file: str) -> None:
        """Nothing is wrong yet."""
        self._file = file
        self.found: list[Mistake] = []
        self.items = 0

    def add(self, place: Place, path: str, message: str) -> None:
        """One more."""
        self.found.append(Mistake(file=self._file, line=place.line, column=place.column, field=path, message=message))


class Fields:
    """One mapping at ``path``; reading what it does not have yields the default."""

    def __init__(self, node: Node, path: str, mistakes: Mistakes, known: tuple[str, ...]) -> None:
        """Say what is no mapping, and which fields nobody knows."""
        self._mistakes, self.path, self.place = mistakes, path, node.place
        self._entries = node.entries if isinstance(node, Mapping) else {}
        if not isinstance(node, Mapping) and not (isinstance(node, Scalar) and node.empty):
            mistakes.add(node.place, path, "expected a mapping")
        for name, (place, _) in self._entries.items():
            if name not in known:
                hint = suggestion(name, known, otherwise=f"; known are {', '.join(known)}")
                mistakes.add(place, self._inside(name), f"unknown field {quote(name)}{hint}")

    def _inside(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def wrong(self, name: str, message: str) -> None:
        """Something about the field ``name``, at its value, or at the mapping where it is not there."""
        place = self._entries[name][1].place if name in self._entries else self.place
        self._mistakes.add(place, self._inside(name), message)

    def wrong_entry(self, name: str, key: str, message: str) -> None:
        """Something about the entry ``key`` of the mapping ``name``."""
        value = self._entries[name][1]
        place = value.entries[key][0] if isinstance(value, Mapping) and key in value.entries else value.place
        self._mistakes.add(place, f"{self._inside(name)}.{key}", message)

    def has(self, name: str) -> bool:
        """Whether the field is there with something in it."""
        value = self.node(name)
        return value is not None and not (isinstance(value, Scalar) and value.empty)

    def node(self, name: str) -> Node | None:
        """The field as it stands."""
        return self._entries[name][1] if name in self._entries else None

    def place_of(self, name: str) -> Place:
        """Where its value stands, or the mapping."""
        value = self.node(name)
        return self.place if value is None else value.place

    def text(self, name: str) -> str:
        """A text; empty where it is not there."""
        value = self.node(name)
        if value is None or (isinstance(value, Scalar) and value.empty):
            return ""
        if isinstance(value, Scalar):
            return value.text
        self.wrong(name, "expected a text")
        return ""

    def duration(self, name: str) -> timedelta | None:
        """A duration of Prometheus; None where it is not there or none."""
        if not self.has(name):
            return None
        try:
            return parse_duration(self.text(name))
        except ValueError as error:
            self.wrong(name, str(error))
            return None

    def whole(self, name: str) -> int:
        """A whole number; 0 where it is not there."""
        text = self.text(name)
        if not text:
            return 0
        if not text.removeprefix("-").isdecimal() or len(text) > 15:
            self.wrong(name, f"expected a whole number; found {quote(text)}")
            return 0
        return int(text)

    def flag(self, name: str) -> bool:
        """``true`` or ``false``; false where it is not there."""
        text = self.text(name)
        if text.lower() not in ("", "true", "false"):
            self.wrong(name, f"expected true or false; found {quote(text)}")
        return text.lower() == "true"

    def labels(self, name: str, *, annotations: bool = False) -> Labels:
        """A mapping of names to texts, checked as Prometheus 3 does: any UTF-8 is a name but ``__name__``."""
        inner = self.node(name)
        if inner is None or (isinstance(inner, Scalar) and inner.empty):
            return Labels()
        if not isinstance(inner, Mapping):
            self.wrong(name, "expected a mapping of names to texts")
            return Labels()
        pairs = dict(self._pairs(name, inner))
        for key in pairs:
            if not key or (key == METRIC_NAME and not annotations):
                kind = "annotation" if annotations else "label"
                self.wrong_entry(name, key, f"invalid {kind} name: {key}")
        return Labels.of(pairs)

    def _pairs(self, name: str, inner: Mapping) -> Iterator[tuple[str, str]]:
        for key, (_, value) in inner.entries.items():
            if isinstance(value, Scalar):
                yield key, "" if value.empty else value.text
            else:
                self.wrong_entry(name, key, "expected a text")

    def items(self, name: str) -> list[tuple[str, Node]]:
        """The elements of a list with the path of each; none where it is not there."""
        value = self.node(name)
        if value is None or (isinstance(value, Scalar) and value.empty):
            return []
        if not isinstance(value, Sequence):
            self.wrong(name, "expected a list")
            return []
        self._mistakes.items += len(value.items)
        if self._mistakes.items > MOST_ITEMS:
            self.wrong(name, f"more than {MOST_ITEMS} items in this file")
            return []
        return [(f"{self._inside(name)}[{number}]", item) for number, item in enumerate(value.items)]
