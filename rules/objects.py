"""A document that comes as an object of Kubernetes: the same data as in a file, at places that have no line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rules.yaml_tree import Document, Path, Place

_OF_A_DOCUMENT: Final = ("name", "namespace", "labels")
"""Of ``metadata``; the rest is Kubernetes' own."""
_NOWHERE: Final = Place(line=0, column=0)


def as_document(sent: Mapping[str, Any], *, file: str, namespace: str = "default") -> Document:
    """The object as a file would have it: without status, and without what the server keeps in metadata.

    Args:
        sent: As the API server has it, or is about to.
        file: What stands in mistakes where a file's name would.
        namespace: Where none stands in it.
    """
    data = {name: value for name, value in sent.items() if name != "status"}
    if isinstance(metadata := data.get("metadata"), dict):
        kept = {name: metadata[name] for name in _OF_A_DOCUMENT if name in metadata}
        if "name" not in kept and isinstance(prefix := metadata.get("generateName"), str):
            kept["name"] = f"{prefix}x"  # the server makes the rest
        data["metadata"] = {"namespace": namespace, **kept}
    places = dict.fromkeys(_paths(data, ()), _NOWHERE)
    return Document(file=file, data=data, values=places, keys=places, mistakes=(), broken=frozenset())


def _paths(data: object, path: Path) -> Iterator[Path]:
    yield path
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, value in inside:
        yield from _paths(value, (*path, name))
