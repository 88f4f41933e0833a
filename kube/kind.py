"""A kind: where its objects live in the API, and what they are decoded into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

T = TypeVar("T")
Key = tuple[str, str]
"""Namespace (empty for kinds without) and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """Where a kind lives in the API, and what its objects are decoded into."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    type: type[T]

    @property
    def api_version(self) -> str:
        """``apps/v1``; of the core group, ``v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, *, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL's path: of all objects, of a namespace's, of one, of one's subresource."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part is not None]
        return "/" + "/".join(quote(part, safe="") for part in parts)

    def as_dicts(self) -> Kind[dict[str, Any]]:
        """The same kind, every field of its objects."""
        return Kind(
            group=self.group, version=self.version, kind=self.kind, plural=self.plural, namespaced=self.namespaced,
            type=dict[str, Any],
        )  # fmt: skip


def custom(*, group: str, version: str, kind: str, plural: str, namespaced: bool = True) -> Kind[dict[str, Any]]:
    """A kind of a CustomResourceDefinition, its objects as they are."""
    return Kind(group=group, version=version, kind=kind, plural=plural, namespaced=namespaced, type=dict[str, Any])
