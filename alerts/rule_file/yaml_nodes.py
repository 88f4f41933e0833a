"""YAML as Prometheus reads it: every scalar is its text, anchors, aliases and merge keys are allowed; with places.

An alias shares the node of its anchor, so that no text grows when it is read; what is made of it has bounds of its own.
Foretide's own documents are read by ``rules.yaml_tree``, which is stricter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from domain.errors import Mistake
from rules.yaml_tree import Place

MAX_BYTES: Final = 8 * 1024 * 1024
"""The rule files of kube-prometheus together have 200 kB."""
MAX_DEPTH: Final = 20
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL: Final = frozenset(["", "~", "null", "Null", "NULL"])


@dataclass(slots=True, kw_only=True)
class Scalar:
    """A text as it is written; ``empty`` where it is YAML's null."""

    place: Place
    text: str
    empty: bool = False


@dataclass(slots=True, kw_only=True)
class Sequence:
    """A list."""

    place: Place
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Mapping:
    """Keys with the place of each, in the order of the file; merged keys come first."""

    place: Place
    entries: dict[str, tuple[Place, Node]] = field(default_factory=dict)


Node = Scalar | Sequence | Mapping


class YamlError(Exception):
    """What is wrong with the YAML itself, and where."""

    def __init__(self, place: Place, message: str) -> None:
        """Keep both apart: the file's name comes later."""
        super().__init__(message)
        self.place, self.message = place, message

    def mistake(self, file: str) -> Mistake:
        """As a line for the operator."""
        return Mistake(file=file, line=self.place.line, column=self.place.column, field="", message=self.message)


def read(raw: bytes) -> Node | None:
    """The first document, as Prometheus reads it; None where there is nothing.

    Raises:
        YamlError: It is no YAML, too large, too deep, or has a key twice.
    """
    if len(raw) > MAX_BYTES:
        raise YamlError(Place(line=0, column=0), f"larger than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise YamlError(Place(line=line, column=1), f"not UTF-8: byte 0x{raw[error.start]:02x}") from None
    try:
        return _Reader(text).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise YamlError(_place(mark) if mark else Place(line=0, column=0), f"not YAML: {problem}") from None


def _place(mark: Any) -> Place:
    return Place(line=mark.line + 1, column=mark.column + 1)


class _Reader:
    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=_LOADER))
        self._anchors: dict[str, Node] = {}

    def document(self) -> Node | None:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                return self._node(next(self._events), 0)
        return None

    def _node(self, event: Any, depth: int) -> Node:
        place = _place(event.start_mark)
        if depth > MAX_DEPTH:
            raise YamlError(place, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise YamlError(place, f"unknown anchor {event.anchor!r}")
            return self._anchors[event.anchor]
        if isinstance(event, yaml.ScalarEvent):
            node: Node = Scalar(place=place, text=event.value, empty=event.implicit[0] and event.value in _NULL)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(place, depth)
        else:
            node = self._mapping(place, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _sequence(self, place: Place, depth: int) -> Sequence:
        sequence = Sequence(place=place)
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            sequence.items.append(self._node(event, depth + 1))
        return sequence

    def _mapping(self, place: Place, depth: int) -> Mapping:
        own: dict[str, tuple[Place, Node]] = {}
        merged: dict[str, tuple[Place, Node]] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            at = _place(event.start_mark)
            if not isinstance(event, yaml.ScalarEvent):
                raise YamlError(at, "a key must be a plain word")
            value = self._node(next(self._events), depth + 1)
            if event.value == "<<" and event.implicit[0]:
                merged |= _merged(value, at)
                continue
            if event.value in own:
                raise YamlError(at, f'mapping key "{event.value}" already defined at line {own[event.value][0].line}')
            own[event.value] = (at, value)
        return Mapping(place=place, entries=merged | own)


def _merged(value: Node, at: Place) -> dict[str, tuple[Place, Node]]:
    """The entries of a mapping, or of a list of them of which the first wins."""
    if isinstance(value, Mapping):
        return value.entries
    if isinstance(value, Sequence) and all(isinstance(item, Mapping) for item in value.items):
        entries: dict[str, tuple[Place, Node]] = {}
        for item in reversed(value.items):
            entries |= item.entries if isinstance(item, Mapping) else {}
        return entries
    raise YamlError(at, "map merge requires map or sequence of maps as the value")
