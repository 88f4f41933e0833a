"""The one label type: an immutable, sorted, hashable set of name/value pairs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

METRIC_NAME = "__name__"


class Labels(tuple[tuple[str, str], ...]):
    """Name/value pairs in name order; a label with an empty value is an absent label (Prometheus)."""

    __slots__ = ()

    @classmethod
    def of(cls, pairs: Mapping[str, str] | Iterable[tuple[str, str]] = (), /, **more: str) -> Self:
        """Sorted, without empty values; a later pair of the same name wins."""
        merged = {**dict(pairs), **more}
        return cls(sorted((name, value) for name, value in merged.items() if value != ""))

    @property
    def metric_name(self) -> str:
        """The value of ``__name__``, or an empty string."""
        return self.value_of(METRIC_NAME)

    def value_of(self, name: str) -> str:
        """The value of label ``name``; empty where it is absent."""
        for own, value in self:
            if own == name:
                return value
        return ""

    def with_(self, **changes: str) -> Self:
        """The same labels with some set; an empty value removes the label."""
        return type(self).of({**dict(self), **changes})

    def only(self, names: Iterable[str]) -> Self:
        """What ``by (names)`` keeps."""
        kept = frozenset(names)
        return type(self)(pair for pair in self if pair[0] in kept)

    def without(self, names: Iterable[str]) -> Self:
        """What is left when ``names`` are dropped."""
        dropped = frozenset(names)
        return type(self)(pair for pair in self if pair[0] not in dropped)

    def __str__(self) -> str:
        """``name{label="value"}``, as Prometheus prints it."""
        inner = ", ".join(f'{name}="{_escape(value)}"' for name, value in self if name != METRIC_NAME)
        return f"{self.metric_name}{{{inner}}}" if inner or not self.metric_name else self.metric_name


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
