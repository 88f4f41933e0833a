"""Kubernetes objects as somebody wrote them, read field by field: what was used, what has no equal, what is a mistake.

Every field that is read is noted; what is left in an object's spec when its importer has ended was understood by
nobody, and is told as having no equal. Nothing is lost in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from domain.errors import Mistake
from rules.wording import dotted, found
from rules.yaml_tree import Document, Path, Place

_NOT_LOOKED_AT: Final = "Foretide has no such field"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unequal:
    """A field that says something which no document of ours can say; ``told`` says what holds instead."""

    place: str
    field: str
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """One object of a file or of a cluster, while it is read."""

    document: Document
    root: Path = ()
    mistakes: list[Mistake] = field(default_factory=list)
    unequal: list[Unequal] = field(default_factory=list)
    _read: set[Path] = field(default_factory=set)

    @property
    def kind(self) -> str:
        """``ScaledObject`` and so on; empty where none stands."""
        return str(self.at("kind") or "")

    @property
    def api_group(self) -> str:
        """Empty for the core group."""
        group, slash, _ = str(self.at("apiVersion") or "").partition("/")
        return group if slash else ""

    @property
    def namespace(self) -> str:
        """As in kubectl, ``default`` where none stands."""
        return str(self.at("metadata", "namespace") or "default")

    @property
    def name(self) -> str:
        """Its name; empty where none stands."""
        return str(self.at("metadata", "name") or "")

    @property
    def title(self) -> str:
        """``ScaledObject shop/web``."""
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def place(self) -> str:
        """File and line, or the cluster."""
        return self._placed(())

    def at(self, *path: str | int) -> Any:
        """What stands there; it counts as read."""
        self._read.add(path)
        data: Any = self.document.data
        for part in (*self.root, *path):
            if isinstance(part, int):
                data = data[part] if isinstance(data, list) and part < len(data) else None
            else:
                data = data.get(part) if isinstance(data, dict) else None
        return data

    def text(self, *path: str | int) -> str | None:
        """A text; None where none stands, also by mistake."""
        value = self.at(*path)
        if value is None or isinstance(value, str):
            return value
        self._expected("text", value, path)
        return None

    def whole(self, *path: str | int) -> int | None:
        """A whole number that is not negative."""
        value = self.at(*path)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
            return value
        self._expected("a whole number", value, path)
        return None

    def whole_text(self, *path: str | int) -> int | None:
        """A whole number as KEDA's trigger metadata hold it, in quotation marks."""
        value = self.at(*path)
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
            return int(value)
        return None if value is None else self.whole(*path)

    def number_text(self, *path: str | int) -> str | None:
        """A number above 0 as KEDA's trigger metadata hold it."""
        value = self.at(*path)
        if value is None:
            return None
        text = str(value).strip() if isinstance(value, str | int | float | Decimal) else ""
        try:
            if Decimal(text).is_finite() and Decimal(text) >= 0:
                return text
        except ArithmeticError:
            pass
        self._expected("a number", value, path)
        return None

    def flag(self, *path: str | int) -> bool:
        """Whether ``true`` stands there, in quotation marks or not."""
        value = self.at(*path)
        if value is None or isinstance(value, bool) or value in ("true", "false", ""):
            return value in (True, "true")
        self._expected("true or false", value, path)
        return False

    def keys(self, *path: str | int) -> list[str]:
        """The fields of a mapping."""
        value = self.at(*path)
        self._read.discard(path)
        if value is None or isinstance(value, dict):
            return list(value or {})
        self._expected("a mapping", value, path)
        return []

    def indices(self, *path: str | int) -> range:
        """The indices of a list."""
        value = self.at(*path)
        self._read.discard(path)
        if value is None or isinstance(value, list):
            return range(len(value or []))
        self._expected("a list", value, path)
        return range(0)

    def need(self, *path: str | int) -> None:
        """Something must stand there; what it must be is said by whoever reads it."""
        if self.at(*path) is None:
            self.refuse(path, "this field is required")

    def refuse(self, path: Path, message: str) -> None:
        """A mistake, at its place."""
        self.mistakes.append(self.document.mistake((*self.root, *path), message))

    def no_equal(self, path: Path, told: str) -> None:
        """A field, with all below it, that no document of ours can say; where it stands not, nothing is said."""
        if self.at(*path) is not None:
            self.unequal.append(Unequal(place=self._placed(path), field=dotted(path), told=told))

    def leftovers(self, *below: str) -> None:
        """Tell every field below that nobody has read."""
        for path in _leaves(self.at(*below), below):
            if not any(path[:length] in self._read for length in range(len(below) + 1, len(path) + 1)):
                self.no_equal(path, _NOT_LOOKED_AT)

    def _expected(self, what: str, value: object, path: Path) -> None:
        self.refuse(path, f"expected {what}; {found(value)}")

    def _placed(self, path: Path) -> str:
        place = self.document.values[self.document.known((*self.root, *path))]
        return f"{self.document.file}:{place.line}" if place.line else self.document.file


def objects(document: Document) -> Iterator[Object]:
    """The objects of a document: itself, or a list's items."""
    data = document.data
    items = data.get("items") if isinstance(data, dict) else None
    if not isinstance(items, list):
        yield Object(document=document)
        return
    for index in range(len(items)):
        yield Object(document=document, root=("items", index))


def of_cluster(data: object, where: str) -> Object:
    """An object that a cluster answered; its mistakes have no line."""
    nowhere: dict[Path, Place] = {(): Place(line=0, column=0)}
    document = Document(file=where, data=data, values=nowhere, keys={}, mistakes=(), broken=frozenset())
    return Object(document=document)


def _leaves(data: Any, path: Path) -> Iterator[Path]:
    if isinstance(data, dict) and data:
        for name, value in data.items():
            yield from _leaves(value, (*path, name))
    elif isinstance(data, list) and data:
        for index, value in enumerate(data):
            yield from _leaves(value, (*path, index))
    elif data is not None and data not in ({}, []):
        yield path
