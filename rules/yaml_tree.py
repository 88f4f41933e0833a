"""YAML bytes become plain data with places, strictly.

Read from parser events, not from composed nodes: the depth stays bounded before anything is built, and every alias,
anchor, tag and duplicate key is seen where it stands. Scalars follow YAML 1.2: only ``true`` and ``false`` are
booleans, numbers are exact ``Decimal``, dates and ``12:30`` are text, and so is ``010``, of which nobody knows
whether it means eight.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import yaml

from domain.errors import Mistake
from rules.wording import dotted, quote

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 24
"""The deepest document of ours has 7 levels."""
MAX_DOCUMENTS: Final = 1000
MAX_MISTAKES: Final = 100
"""Per file; nobody reads more, and a hostile file shall not make us write them."""

Path = tuple[str | int, ...]

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where there is one: 10 times faster
_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_LINE_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_NUMBER: Final = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_NULL: Final = frozenset(["", "~", "null", "Null", "NULL"])
_BOOLEAN: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document: plain data, and the place of each value and each key.

    Attributes:
        mistakes: What is wrong with the YAML itself, each with its path.
        broken: Paths whose value could not be taken; nothing more is said about what lies there.
    """

    file: str
    data: object
    values: Mapping[Path, Place]
    keys: Mapping[Path, Place]
    mistakes: tuple[Mistake, ...]
    broken: frozenset[Path]

    def known(self, path: Path) -> Path:
        """The longest part of ``path`` that stands in the document."""
        while path and path not in self.values:
            path = path[:-1]
        return path

    def mistake(self, path: Path, message: str, *, at_key: bool = False) -> Mistake:
        """A mistake about ``path``, placed at its value or, where it has none, at what should hold it."""
        known = self.known(path)
        place = self.values[known]
        if known in self.keys and (at_key or known != path):
            place = self.keys[known]
        return Mistake(file=self.file, line=place.line, column=place.column, field=dotted(path), message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One file: its documents, and what is wrong with the file as a whole."""

    documents: tuple[Document, ...]
    mistakes: tuple[Mistake, ...]


def split_lines(text: str) -> list[str]:
    """The lines as YAML counts them."""
    return _LINE_BREAK.split(text)


def read(raw: bytes, *, file: str, most_bytes: int = MAX_BYTES) -> Reading:
    """All documents of one file; never raises for anything that the bytes hold."""
    if len(raw) > most_bytes:
        return _unreadable(file, None, f"larger than {most_bytes // 1024} KiB")
    try:
        text = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", errors="replace")
        return _unreadable(file, _end_of(before), f"not UTF-8: byte 0x{raw[error.start]:02x}")
    if odd := _UNPRINTABLE.search(text):
        place = _end_of(text[: odd.start()])
        return _unreadable(file, place, f"character U+{ord(odd[0]):04X} is not allowed in YAML")
    return _Reader(text, file).reading()


def _unreadable(file: str, place: Place | None, message: str) -> Reading:
    line, column = (place.line, place.column) if place else (0, 0)
    return Reading(documents=(), mistakes=(Mistake(file=file, line=line, column=column, field="", message=message),))


def _end_of(text: str) -> Place:
    lines = split_lines(text)
    return Place(line=len(lines), column=len(lines[-1]) + 1)


def _place(mark: Any) -> Place:
    return Place(line=mark.line + 1, column=mark.column + 1)


class _TooDeepError(yaml.MarkedYAMLError):
    """Ends the file: libyaml's time grows with the square of the depth (200 000 brackets: 39 s)."""

    def __init__(self, event: yaml.Event) -> None:
        super().__init__(problem=f"nested deeper than {MAX_DEPTH} levels")
        self.problem_mark = event.start_mark  # type: ignore[assignment]  # libyaml's mark is as good


class _Reader:
    """Walks the events of one file; the fields below ``_events`` belong to the document being read."""

    def __init__(self, text: str, file: str) -> None:
        self._text, self._file = text, file
        self._events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=_LOADER))
        self._start_document()

    def _start_document(self) -> None:
        self._values: dict[Path, Place] = {}
        self._keys: dict[Path, Place] = {}
        self._mistakes: list[Mistake] = []
        self._broken: set[Path] = set()

    def reading(self) -> Reading:
        documents: list[Document] = []
        mistakes: list[Mistake] = []
        try:
            for event in self._events:
                if not isinstance(event, yaml.DocumentStartEvent):
                    continue
                if len(documents) == MAX_DOCUMENTS:
                    mistakes.append(self._mistake_at(event, (), f"more than {MAX_DOCUMENTS} documents in one file"))
                    break
                documents.append(self._document(event))
        except yaml.YAMLError as error:
            mistakes += [*self._mistakes, self._syntax_mistake(error)]
        return Reading(documents=tuple(documents), mistakes=tuple(mistakes))

    def _document(self, start: yaml.DocumentStartEvent) -> Document:
        self._start_document()
        if start.tags:
            self._mistakes.append(self._mistake_at(start, (), "%TAG is not allowed"))
        data = self._node(next(self._events), ())
        document = Document(
            file=self._file,
            data=data,
            values=self._values,
            keys=self._keys,
            mistakes=tuple(self._mistakes),
            broken=frozenset(self._broken),
        )
        self._mistakes = []
        return document

    def _node(self, event: yaml.Event, path: Path) -> object:
        self._values[path] = _place(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, path, f"alias *{event.anchor} is not allowed; write the value out")
            return None
        if event.anchor is not None:  # type: ignore[attr-defined]
            self._refuse(event, path, f"anchor &{event.anchor} is not allowed; write the value out")  # type: ignore[attr-defined]
        if event.tag is not None:  # type: ignore[attr-defined]
            self._refuse(event, path, f"tag {quote(str(event.tag))} is not allowed; write the plain value")  # type: ignore[attr-defined]
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if len(path) >= MAX_DEPTH:
            raise _TooDeepError(event)
        return self._sequence(path) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(path)

    def _sequence(self, path: Path) -> list[object]:
        items: list[object] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> dict[str, object]:
        entries: dict[str, object] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, path, entries)
            value = next(self._events)
            if key is None:
                self._skip(value)
            else:
                entries[key] = self._node(value, (*path, key))
        return entries

    def _key(self, event: yaml.Event, path: Path, before: Mapping[str, object]) -> str | None:
        """The key, or None where the entry cannot be taken."""
        if not isinstance(event, yaml.ScalarEvent):
            self._skip(event)
            self._refuse(event, path, "a key must be a plain word; quote a text that begins with {")
            return None
        key = str(event.value)
        inside = (*path, key)
        if event.anchor is not None or event.tag is not None:
            self._mistakes.append(self._mistake_at(event, inside, "a key may have no anchor and no tag"))
        if key == "<<" and event.implicit[0]:
            self._mistakes.append(self._mistake_at(event, inside, "merge key << is not allowed; write the fields out"))
            return None
        if key in before:
            message = f"duplicate key; first in line {self._keys[inside].line}"
            self._mistakes.append(self._mistake_at(event, inside, message))
            return None
        self._keys[inside] = _place(event.start_mark)
        return key

    def _scalar(self, event: yaml.ScalarEvent, path: Path) -> object:
        text = str(event.value)
        if not event.implicit[0]:  # quoted, or a block
            return text
        if text in _NULL:
            return None
        if text in _BOOLEAN:
            return _BOOLEAN[text]
        if not _NUMBER.fullmatch(text):
            return text
        if len(text) > 40 or abs(Decimal(text).adjusted()) > 30:
            self._refuse(event, path, f"the number {quote(text)} is too long")
            return None
        return int(text) if _INTEGER.fullmatch(text) else Decimal(text)

    def _skip(self, event: yaml.Event) -> None:
        """Pass over a node whose first event was read."""
        depth = int(isinstance(event, yaml.CollectionStartEvent))
        while depth:
            if depth > MAX_DEPTH:
                raise _TooDeepError(event)
            event = next(self._events)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)

    def _refuse(self, event: yaml.Event, path: Path, message: str) -> None:
        self._mistakes.append(self._mistake_at(event, path, message))
        self._broken.add(path)

    def _mistake_at(self, event: yaml.Event, path: Sequence[str | int], message: str) -> Mistake:
        place = _place(event.start_mark)
        return Mistake(file=self._file, line=place.line, column=place.column, field=dotted(path), message=message)

    def _syntax_mistake(self, error: yaml.YAMLError) -> Mistake:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        place = _place(mark) if mark else Place(line=0, column=0)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        lines = split_lines(self._text)
        line = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
        hint = "; indent with spaces, not tabs" if line[: place.column].endswith("\t") else ""
        if line[: place.column - 1].endswith("*"):
            hint = "; quote a text that begins with *"
        return Mistake(
            file=self._file, line=place.line, column=place.column, field="", message=f"not YAML: {problem}{hint}"
        )
