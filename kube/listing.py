"""Objects as they are now: one, or all of a kind, page by page and never in part.

A page is decoded as soon as it is there, so that the bytes of two pages are the most that is held besides the objects.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from domain.errors import KubeError
from kube.connection import Connection
from kube.decoding import decoded, decoder
from kube.kinds import Key, Kind, Scale

logger = logging.getLogger(__name__)

T = TypeVar("T")
_TIMEOUT_SECONDS: Final = 30.0
"""A page of 500 takes a loaded server seconds (client-go gives 32)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[T]):
    """All objects of a kind at one ``resource_version``; a watch goes on from there."""

    objects: dict[Key, T]
    resource_version: str


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class _Page(msgspec.Struct, Generic[T]):
    metadata: _ListMeta
    items: list[T] | None = None


def listed(
    connection: Connection,
    kind: Kind[T],
    *,
    namespace: str | None = None,
    limit: int = 500,
    label_selector: str | None = None,
    field_selector: str | None = None,
) -> Listing[T]:
    """Every object of ``kind``, in ``namespace`` or everywhere, ``limit`` a page.

    When the token for the next page has expired (410), all is asked for once more in one page, as client-go does.

    Raises:
        KubeError: A page was not answered. Pages that had come are thrown away: part of a list is no list.
    """
    query = _query(limit, label_selector, field_selector)
    try:
        return _pages(connection, kind, namespace, query)
    except KubeError as error:
        if not error.is_gone:
            raise
        del query["limit"]
        return _pages(connection, kind, namespace, query)


def read(connection: Connection, kind: Kind[T], *, namespace: str | None, name: str) -> T:
    """One object.

    Raises:
        KubeError: 404 when there is none.
    """
    raw = connection.request("GET", kind.path(namespace=namespace, name=name))
    return decoded(raw, kind.type)


def read_scale(connection: Connection, kind: Kind[Any], *, namespace: str, name: str) -> Scale:
    """The ``scale`` subresource of one object of any kind that has one.

    Raises:
        KubeError: 404 when there is no such object, or its kind cannot be scaled.
    """
    path = kind.path(namespace=namespace, name=name, subresource="scale")
    return decoded(connection.request("GET", path), Scale)


def key_of(thing: Any) -> Key:
    """Namespace and name of an object, decoded or as a dict."""
    if isinstance(thing, dict):
        metadata = thing.get("metadata", {})
        return metadata.get("namespace", ""), metadata.get("name", "")
    return thing.metadata.namespace, thing.metadata.name


def resource_version_of(thing: Any) -> str:
    """``metadata.resourceVersion`` of an object, decoded or as a dict."""
    if isinstance(thing, dict):
        return str(thing.get("metadata", {}).get("resourceVersion", ""))
    return str(thing.metadata.resource_version)


def _query(limit: int, label_selector: str | None, field_selector: str | None) -> dict[str, str]:
    query = {"limit": str(limit), "labelSelector": label_selector, "fieldSelector": field_selector}
    return {name: value for name, value in query.items() if value is not None}


def _pages(connection: Connection, kind: Kind[T], namespace: str | None, query: dict[str, str]) -> Listing[T]:
    path = kind.path(namespace=namespace)
    objects: dict[Key, T] = {}
    token = ""
    while True:
        asked = {**query, "continue": token} if token else query
        raw = connection.request("GET", path, query=asked, timeout_seconds=_TIMEOUT_SECONDS)
        page = _page(kind, raw)
        objects.update((key_of(item), item) for item in page.items or ())
        token = page.metadata.continue_
        if not token:
            return Listing(objects=objects, resource_version=page.metadata.resource_version)


def _page(kind: Kind[T], raw: bytes) -> _Page[T]:
    """One object that is not as its kind should be (a lax CRD allows that) hides itself, not the whole page.

    Raises:
        KubeError: The answer is no list at all (a proxy's page, an end in the middle).
    """
    try:
        found: _Page[T] = decoder(_Page[kind.type]).decode(raw)  # type: ignore[name-defined]
        return found
    except msgspec.ValidationError as error:
        logger.warning("a list holds an object that cannot be read", extra={"k8s.kind": kind.kind, "error": str(error)})
    except msgspec.DecodeError as error:
        raise KubeError(f"GET {kind.path()}: no list: {error}", status=0, reason="NoList") from error
    return _page_without_misfits(kind, raw)


def _page_without_misfits(kind: Kind[T], raw: bytes) -> _Page[T]:
    try:
        page = decoded(raw, _Page[msgspec.Raw])
    except msgspec.ValidationError as error:
        raise KubeError(f"GET {kind.path()}: no list: {error}", status=0, reason="NoList") from error
    fitting: list[T] = []
    for item in page.items or ():
        try:
            fitting.append(decoded(item, kind.type))
        except msgspec.ValidationError:
            continue
    return _Page(metadata=page.metadata, items=fitting)
