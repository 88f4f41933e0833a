"""Questions to an API server of which one or the other may be refused: what it does not tell is a finding, no end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from domain.errors import KubeError
from kube import Connection, listed
from kube.kinds import Key, Kind

T = TypeVar("T")
_NO_ANSWER: Final = (0, 401)
"""Nobody answers, or nobody knows us: no further question would be answered either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An object; or None and no reason, when there is none; or the reason why we were not told."""

    object: Mapping[str, Any] | None = None
    untold: str = ""


def ask(connection: Connection, path: str) -> Told:
    """What stands at ``path``; raises ``KubeError`` where the server does not answer at all, or refuses who asks."""
    try:
        raw = connection.request("GET", path)
    except KubeError as error:
        if error.status in _NO_ANSWER:
            raise
        return Told(untold="" if error.status == 404 else str(error))
    try:
        return Told(object=msgspec.json.decode(raw, type=dict[str, Any]))
    except msgspec.DecodeError as error:
        return Told(untold=f"GET {path}: {error}")


def everywhere(connection: Connection, kind: Kind[T], namespaces: Iterable[str], unseen: list[str]) -> dict[Key, T]:
    """Every object of the kind; where that is forbidden, those of ``namespaces`` that we may list.

    What may not be listed is added to ``unseen``. A kind that the server does not have has no objects.

    Raises:
        KubeError: Not answered for another reason than 403 and 404.
    """
    found: dict[Key, T] = {}
    for namespace in (None, *namespaces):
        try:
            found.update(listed(connection, kind, namespace=namespace).objects)
        except KubeError as error:
            if error.status not in (403, 404):
                raise
            if error.status == 404:
                return {}
            unseen.append(f"{kind.plural} {f'in {namespace}' if namespace else 'everywhere'}")
            continue
        if namespace is None:
            return found
    return found
