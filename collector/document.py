"""Reads a YAML mapping strictly and keeps going: every mistake of a document at once, each with its line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, TypeVar

import yaml

from domain.errors import Mistake, RuleDocumentError
from domain.units import parse_duration

T = TypeVar("T")

_SIZE: Final = re.compile(r"(\d+)([KMGTP]?)(?:i?B)?")
_INT_TAG: Final = "tag:yaml.org,2002:int"
_BOOL_TAG: Final = "tag:yaml.org,2002:bool"
_NULL_TAG: Final = "tag:yaml.org,2002:null"


class Mistakes:
    """The mistakes of one file, in the order in which they were found."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: list[Mistake] = []

    def add(self, node: yaml.Node, field: str, message: str) -> None:
        """Note a mistake at the place of ``node``."""
        mark = node.start_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        self._found.append(Mistake(file=self.file, line=line, column=column, field=field, message=message))

    def raise_all(self) -> None:
        """Raise ``RuleDocumentError`` with everything noted, by place; do nothing when nothing was."""
        if self._found:
            raise RuleDocumentError(sorted(self._found, key=lambda mistake: (mistake.line, mistake.column)))


def compose(text: str, file: str) -> yaml.Node | None:
    """The one document of ``text``; None when it is empty."""
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        message = " ".join(part for part in (error.context, error.problem) if part)
        raise RuleDocumentError([Mistake(file=file, line=line, column=column, field="", message=message)]) from error
    except yaml.YAMLError as error:
        message = " ".join(str(error).split())
        raise RuleDocumentError([Mistake(file=file, line=0, column=0, field="", message=message)]) from error


def refuse_aliases(node: yaml.Node, mistakes: Mistakes) -> bool:
    """Note every alias (a node met twice); True when there was one, and the document must not be walked further."""
    seen: set[int] = set()
    found, waiting = False, [node]
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            mistakes.add(current, "", "this value is used again by an alias; aliases are not allowed, write it out")
            found = True
            continue
        seen.add(id(current))
        if isinstance(current, yaml.MappingNode):
            waiting.extend(part for pair in current.value for part in pair)
        elif isinstance(current, yaml.SequenceNode):
            waiting.extend(current.value)
    return found


def is_null(node: yaml.Node) -> bool:
    """True for ``null``, ``~`` and nothing at all."""
    return node.tag == _NULL_TAG


class Section:
    """One mapping: keys are taken out one by one, and ``close`` refuses the rest by name."""

    def __init__(self, node: yaml.MappingNode, field: str, mistakes: Mistakes) -> None:
        self.node, self.field, self.mistakes = node, field, mistakes
        self._known: set[str] = set()
        self._values: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                mistakes.add(key, field, "expected a text as key")
            elif key.value in self._values:
                mistakes.add(key, self.path(key.value), f"{key.value} is given twice")
            else:
                self._values[key.value] = (key, value)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def path(self, key: str) -> str:
        """The dotted path of one of its keys."""
        return f"{self.field}.{key}" if self.field else key

    def take(self, key: str, read: Callable[[yaml.Node], T], default: T) -> T:
        """Read a key's value; ``default`` where it is absent, null or (noted as a mistake) unreadable."""
        self._known.add(key)
        if key not in self._values or is_null(self._values[key][1]):
            return default
        value = self._values[key][1]
        try:
            return read(value)
        except ValueError as error:
            self.mistakes.add(value, self.path(key), str(error))
            return default

    def section(self, key: str) -> Section | None:
        """The mapping under ``key``; None where it is absent or (noted) no mapping."""
        node = self.take(key, mapping, None)
        return None if node is None else Section(node, self.path(key), self.mistakes)

    def items(self, key: str) -> list[tuple[yaml.Node, str]]:
        """The elements of the list under ``key`` with their paths; empty where it is absent or (noted) no list."""
        node = self.take(key, sequence, None)
        return [] if node is None else [(item, f"{self.path(key)}[{i}]") for i, item in enumerate(node.value)]

    def names(self) -> list[tuple[str, yaml.Node]]:
        """Every key with its node, for mappings whose keys are free."""
        return [(name, key) for name, (key, _) in self._values.items()]

    def wrong(self, key: str, message: str) -> None:
        """Note a mistake at a key's value, or at the whole mapping where the key is absent."""
        self.mistakes.add(self._values[key][1] if key in self._values else self.node, self.path(key), message)

    def close(self, later: Mapping[str, str]) -> None:
        """Refuse every key that nobody took; ``later`` says why of those that exist elsewhere."""
        for name, (key, _) in self._values.items():
            if name in self._known:
                continue
            if name in later:
                message = later[name]
            else:
                near = difflib.get_close_matches(name, self._known, n=1)
                message = f"unknown key {name}" + (f"; did you mean {near[0]}?" if near else "")
            self.mistakes.add(key, self.path(name), message)


def mapping(node: yaml.Node) -> yaml.MappingNode | None:
    """The node as a mapping; ``ValueError`` otherwise."""
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"expected a mapping, got {_kind(node)}")
    return node


def sequence(node: yaml.Node) -> yaml.SequenceNode | None:
    """The node as a list; ``ValueError`` otherwise."""
    if not isinstance(node, yaml.SequenceNode):
        raise ValueError(f"expected a list, got {_kind(node)}")
    return node


def text(node: yaml.Node) -> str:
    """A scalar as it is written; a number is a text too, as in Prometheus."""
    if not isinstance(node, yaml.ScalarNode) or is_null(node):
        raise ValueError(f"expected a text, got {_kind(node)}")
    return str(node.value)


def flag(node: yaml.Node) -> bool:
    """A boolean."""
    if node.tag != _BOOL_TAG:
        raise ValueError(f"expected true or false, got {_kind(node)}")
    return str(node.value).lower() in ("true", "yes", "on")


def count(node: yaml.Node) -> int:
    """A whole number, 0 or more."""
    written = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
    if node.tag != _INT_TAG or not written.isdecimal():
        raise ValueError(f"expected a whole number of 0 or more, got {_kind(node)}")
    return int(written)


def duration(node: yaml.Node) -> timedelta:
    """A Prometheus duration above zero."""
    value = parse_duration(text(node))
    if not value:
        raise ValueError("expected a duration above 0")
    return value


def size_bytes(node: yaml.Node) -> int:
    """A size as Prometheus reads it (``64MB``, ``1GiB``, ``0``), units of 1024."""
    written = text(node)
    match = _SIZE.fullmatch(written)
    if match is None:
        raise ValueError(f"{written!r} is not a size; write for example 512KB, 64MB or 1GB")
    return int(match[1]) << 10 * " KMGTP".index(match[2] or " ")


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return "nothing" if is_null(node) else f"{node.value!r}"
